"""One line per event on standard error; never a patient's name or ID."""

from __future__ import annotations

import logging
import sys


def setup(level: str) -> None:
    """Log to standard error from now on; libraries only from WARNING on."""
    logging.basicConfig(
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        level=logging.WARNING,
        force=True,
    )
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its errors are our outcomes
    for room in ("node", "workers", "models"):
        logging.getLogger(room).setLevel(level.upper())
