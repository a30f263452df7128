"""``hepanode demo``: the whole line once, from a study to a PACS that has the results."""

from __future__ import annotations

import shutil
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from node.cli.output import plural, print_json
from node.cli.session import Json, Session
from node.errors import SettingsError

if TYPE_CHECKING:
    from node.cli.demonstration.outcome import Outcome


def demo(
    session: Session,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            exists=True,
            help="Files or folders: DICOM, or JPEG and PNG to wrap. Without: a simulated study.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A new folder for everything, the node's data too. Without: a temporary folder "
            "of which results, previews and logs stay.",
            show_default=False,
        ),
    ] = None,
    pacs: Annotated[str, typer.Option(help="The receiving PACS: plain or orthanc.")] = "plain",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Give up waiting after so long.")
    ] = 1800,
    json: Json = False,
) -> None:
    """Start a node and a PACS, send a study, and show what came back.

    Without PATH the study is simulated: ten frames over the four liver views, a lesion in two.
    The node has settings of its own; of the environment only HEPANODE_ANALYSIS__... counts.

    Exit 0 only if every file was stored, every study's run is done and every result object is at
    the PACS, abstentions included. Files that are no DICOM, JPEG or PNG are listed and skipped.

    --json prints one object: study, run, state, results (kind, sop_class, sop_instance_uid, path
    of the object at the PACS, preview), seconds per stage. Of several studies it describes the
    first that did not end well, else the first; "studies" has all of them, "files" what was
    stored, refused and skipped.
    """
    from node.cli.demonstration.pacs import KINDS

    if pacs not in KINDS:
        raise typer.BadParameter(f"--pacs {pacs}: there is {' and '.join(KINDS)}")
    folder = _folder(keep)
    signal.signal(signal.SIGTERM, _end)
    try:
        outcome = _perform(paths, folder, pacs, timeout, verbose=session.verbose)
    finally:
        if keep is None:
            for heavy in ("node", "sent", "pacs/orthanc"):
                shutil.rmtree(folder / heavy, ignore_errors=True)
    if json:
        print_json(outcome.as_json())
    else:
        outcome.print()
    raise typer.Exit(0 if outcome.ok else 1)


def _end(number: int, frame: object) -> NoReturn:
    """A SIGTERM ends what was started, and clears up, as Ctrl-C does."""
    raise SystemExit(128 + number)


def _perform(
    paths: list[Path] | None, folder: Path, pacs: str, timeout: float, *, verbose: bool
) -> Outcome:
    from node.cli.demonstration.account import account_for
    from node.cli.demonstration.beside import node_beside
    from node.cli.demonstration.course import Course
    from node.cli.demonstration.outcome import Outcome
    from node.cli.demonstration.pacs import KINDS
    from node.cli.demonstration.simulated import FRAMES, simulate_study
    from node.cli.gathering import Gathered, gather
    from node.cli.network import store

    course = Course()
    sent_folder, pacs_folder, previews = (
        _made(folder / name) for name in ("sent", "pacs", "previews")
    )
    if paths:
        with course.stage("gather", "looking for DICOM, JPEG and PNG files"):
            gathered = gather(paths, sent_folder)
    else:
        with course.stage("simulate", f"simulating a study of {FRAMES} frames"):
            gathered = Gathered(simulate_study(sent_folder), ())
    for path, why in gathered.skipped:
        course.say(f"skipped {path}: {why}")
    with ExitStack() as running:
        with course.stage("start", f"starting a node and a PACS in {folder}"):
            receiving = running.enter_context(KINDS[pacs](pacs_folder))
            node = running.enter_context(node_beside(folder, receiving.peer, verbose=verbose))
        with course.stage("send", f"sending {plural(len(gathered.files), 'file')} to {node.peer}"):
            sent = store(gathered.files, node.peer, "DEMOSENDER", quiet=False)
        with course.stage("work", "waiting for runs and deliveries"):
            states = course.follow(node, timeout)
        accounts = [account_for(state, receiving, previews) for state in states]
        course.say("stopping the node")
    return Outcome(
        folder, sent, gathered.skipped, accounts, {**course.seconds, "total": course.total}
    )


def _folder(keep: Path | None) -> Path:
    """A new folder; raises SettingsError when the one asked for has something in it."""
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="hepanode-demo-"))
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise SettingsError(f"--keep {keep}: name a folder that is new or empty")
    return _made(keep.resolve())


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
