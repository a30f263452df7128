"""``hepanode messages``: the table of what results say, for a hospital's own language."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from node.cli.session import Session


def messages(
    session: Session,
    table: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A table that was translated before."),
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="Of the translation, as de or pt_BR.")
    ] = None,
) -> None:
    """Print the table of what results say, as a gettext .po file to be translated.

    With FILE it has the translations there, which it brings up to this version. Name the finished
    file in `results.messages` and try it with `hepanode config check`.
    """
    from workers.messages.table import template, updated, written

    content = written(updated(table) if table else template(language))
    sys.stdout.buffer.write(content)
