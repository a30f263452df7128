"""``hepanode conformance``: the DICOM conformance statement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli.session import Session
from node.errors import StorageError


def conformance(
    session: Session,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """Print the DICOM conformance statement, in Markdown.

    It is made from the tables that the program itself works by, with their default settings, and
    from an example of every kind of result.
    """
    from node.cli.statement import statement

    text = statement()
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror}") from None
