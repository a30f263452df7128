"""Threads that their process cannot do without."""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

_LOG = logging.getLogger(__name__)


def vital_thread(name: str, target: Callable[..., None], *arguments: object) -> threading.Thread:
    """A daemon thread, not started yet, whose failure ends the process with status 1.

    A process that lost one of its threads looks alive and does nothing; one that ended is
    started again by `hepanode up`, systemd or the container's restart policy.
    """

    def run() -> None:
        try:
            target(*arguments)
        except Exception as error:  # noqa: BLE001 the edge of the process
            _LOG.critical("%s failed, the process ends: %s", name, where(error))
            logging.shutdown()
            os._exit(1)

    return threading.Thread(target=run, name=name, daemon=True)


def where(error: Exception) -> str:
    """Kind and place of an error that nobody expected: its text may quote the patient's data."""
    steps = [
        f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)
    ]
    return f"unexpected {type(error).__name__} at {' > '.join(steps[-6:])}"
