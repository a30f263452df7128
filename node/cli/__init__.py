"""The command line ``hepanode``: one file per noun, everything heavy imported inside commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from node.errors import HepanodeError, NotFound, SettingsError


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit status.

    0: done. 1: it did not succeed. 2: the command line, the configuration or a name is wrong.
    """
    from node.cli.app import app

    try:
        app(args=None if arguments is None else list(arguments), prog_name="hepanode")
    except HepanodeError as error:
        print(f"hepanode: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingsError | NotFound) else 1)
    sys.exit(0)
