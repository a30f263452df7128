"""``hepanode send`` and ``hepanode echo``: a sender, for trying things."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import duration, plural, print_json, say, size
from node.cli.session import Json, Session

if TYPE_CHECKING:
    from node.association.peer import Peer
    from node.association.sender import Sent

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH", exists=True, help="Files or folders: DICOM, or JPEG and PNG to wrap."
    ),
]
Calling = Annotated[str, typer.Option(metavar="AE", help="The AE title to call with.")]


def send(
    session: Session,
    paths: Paths,
    to: Annotated[str, typer.Option(metavar="AE@HOST:PORT", help="Who receives.")],
    calling: Calling = "HEPANODE",
    repeat: Annotated[
        int, typer.Option(min=1, metavar="N", help="Send the same objects so many times.")
    ] = 1,
    json: Json = False,
) -> None:
    """Send files and folders; JPEG and PNG pictures are wrapped as ultrasound, a study per folder.

    What is neither is listed and skipped. Exit 1 when any object was not accepted.
    """
    from node.association.peer import Peer
    from node.cli.gathering import gather

    peer = Peer.parse(to)
    with tempfile.TemporaryDirectory(prefix="hepanode-") as wrapped:
        gathered = gather(paths, Path(wrapped))
        for path, why in gathered.skipped:
            say(f"skipped {path}: {why}", error=True)
        began = time.monotonic()
        outcomes = store(gathered.files * repeat, peer, calling, quiet=json)
        seconds = time.monotonic() - began
        volume = sum(outcome.path.stat().st_size for outcome in outcomes if outcome.accepted)
    accepted = sum(outcome.accepted for outcome in outcomes)
    if json:
        print_json(outcomes)
    else:
        for outcome in outcomes:
            if not outcome.accepted:
                say(f"{outcome.path}: {outcome.error}")
        say(
            f"{accepted} of {plural(len(outcomes), 'object')} accepted by {peer}, "
            f"{size(volume)} in {duration(seconds)}"
        )
    raise typer.Exit(0 if outcomes and accepted == len(outcomes) else 1)


def store(files: Sequence[Path], peer: Peer, calling_ae: str, *, quiet: bool) -> list[Sent]:
    """Send files, with a progress bar on a terminal; the outcome of each."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from node.association.sender import send as send_files

    columns = ("sending", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    outcomes = []
    with Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    ) as progress:
        task = progress.add_task("sending", total=len(files))
        for outcome in send_files(files, peer, calling_ae=calling_ae):
            outcomes.append(outcome)
            progress.advance(task)
    return outcomes


def echo(
    session: Session,
    peer: Annotated[str, typer.Argument(metavar="AE@HOST:PORT", help="Who is asked.")],
    calling: Calling = "HEPANODE",
    json: Json = False,
) -> None:
    """Ask a DICOM peer whether it is there (C-ECHO)."""
    from node.association.echo import echo as c_echo
    from node.association.peer import Peer

    asked = Peer.parse(peer)
    seconds = c_echo(asked, calling_ae=calling)
    if json:
        print_json({"peer": str(asked), "seconds": round(seconds, 4)})
    else:
        say(f"{asked} answers in {duration(seconds)}")
