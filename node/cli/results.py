"""``hepanode results``: the result objects of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from node.cli.output import ago, print_json, say, size, table
from node.cli.session import Json, Session, command, noun
from node.cli.studies import UID

if TYPE_CHECKING:
    from node.tracking import Result

app = noun("results", "The result objects: reports, heatmaps, segmentations.")


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
