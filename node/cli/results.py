"""``hepanode results``: the result objects, where they come from, and copies of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import ago, plural, print_json, say, size, table
from node.cli.session import Json, Session, command, noun
from node.cli.studies import UID

if TYPE_CHECKING:
    from node.tracking import Result

app = noun("results", "The result objects: reports, heatmaps, summaries and their further kinds.")

ResultUID = Annotated[
    str,
    typer.Argument(
        metavar="UID",
        help="SOP Instance UID of a result, or how it begins or ends; or its Series Instance UID.",
    ),
]
UIDorRun = Annotated[
    str, typer.Argument(metavar="UID|RUN", help="UID of a result, or the number of a run.")
]


@command(app, "list")
def list_(session: Session, uid: UID, json: Json = False) -> None:
    """List a study's result objects, the oldest version first."""
    from node import tracking

    with session.database() as db:
        found = tracking.results.of_study(db, tracking.studies.resolve(db, uid))
    if json:
        print_json(found)
    elif found:
        print_results(found)
        say(f"the files lie in {session.settings.data.resolve()}")
        say("`hepanode results show UID` says where one comes from", style="dim")
    else:
        say("this study has no results yet: `hepanode runs list --study UID` shows its runs")


def print_results(found: Sequence[Result]) -> None:
    if found:
        table(
            ("VERSION", "RUN", "KIND", "SIZE", "MADE", "SOP INSTANCE UID"),
            [
                (
                    str(result.version),
                    str(result.run_id),
                    result.kind,
                    size(result.size),
                    ago(result.created_at),
                    result.sop_instance_uid,
                )
                for result in found
            ],
        )


@command(app)
def show(session: Session, uid: ResultUID, json: Json = False) -> None:
    """Show where a result comes from: run, frames, models, settings, findings, deliveries.

    Of any version, also in the older form that a PACS has.
    """
    from node import tracking
    from node.cli.provenance import as_json, print_provenance, trace
    from node.storage import InstanceStore

    store = InstanceStore(session.settings.data)
    with session.database() as db:
        found = trace(db, store, tracking.lookup.results_named(db, uid))
    if json:
        print_json(as_json(found))
    else:
        print_provenance(found)


@command(app)
def diff(session: Session, first: UIDorRun, second: UIDorRun, json: Json = False) -> None:
    """Show what differs between two versions: input, models, settings, code, findings, objects."""
    from node.cli.comparison import compare, side
    from node.cli.difference import print_difference

    with session.database() as db:
        difference = compare(side(db, first), side(db, second))
    if json:
        print_json(difference)
    else:
        print_difference(difference)


@command(app)
def export(
    session: Session,
    uid: Annotated[
        str,
        typer.Argument(metavar="STUDY|UID", help="UID of a study or result, or how it begins."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Made when it is not there.")
    ],
    version: Annotated[
        int | None, typer.Option(min=1, help="Only this version; else all.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Write results as DICOM files, byte for byte as they are sent, with a manifest.json.

    The files name the patient, as those in the PACS do; the manifest and the names do not.
    """
    from node import tracking
    from node.cli.exporting import chosen, write
    from node.storage import InstanceStore

    with session.database() as db:
        found = chosen(db, InstanceStore(session.settings.data), uid, version)
        written = write(InstanceStore(session.settings.data), found, out)
        study = found[0].run.study_instance_uid
        versions = ", ".join(str(one.objects[0].version) for one in found)
        detail = f"{plural(len(written), 'object')} of version {versions}"
        tracking.audit.record(db, "results export", study, detail)
    if json:
        print_json({"manifest": out / "manifest.json", "files": [one.file for one in written]})
        return
    for one in written:
        say(str(out / one.file))
    say(f"{plural(len(written), 'object')} of study {study}; they name the patient")
    say(f"where they come from: {out / 'manifest.json'}")
