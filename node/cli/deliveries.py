"""``hepanode deliveries``: which result went where, and try again what did not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import ago, class_name, duration, plural, print_json, say, table
from node.cli.session import Json, Session, command, noun

if TYPE_CHECKING:
    from node.tracking import Delivery

app = noun("deliveries", "The deliveries: one result object to one destination each.")

_EVERY = 1_000_000
_PROOFS = {"commitment": "storage commitment", "query": "a query at the destination"}


@command(app, "list")
def list_(
    session: Session,
    state: Annotated[
        str | None, typer.Option(help="pending, sent, confirmed, failed or refused.")
    ] = None,
    destination: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only to this destination.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(metavar="UID", help="Only of this study (UID or its beginning).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 200,
    json: Json = False,
) -> None:
    """List deliveries, the newest result first."""
    from node import tracking

    with session.database() as db:
        found = tracking.deliveries.list_deliveries(
            db,
            study_instance_uid=tracking.studies.resolve(db, study) if study else None,
            destination=destination,
            state=state,
            limit=limit,
        )
        refused = [one for one in tracking.dialects.known(db, destination) if not one.taken]
    if json:
        print_json(found)
        return
    if not found:
        say("no delivery" + (f" is {state}" if state else " was made yet"))
        return
    print_deliveries(found)
    for one in refused:
        what = class_name(one.sop_class_uid)
        say(f"{one.destination} does not take {what}, as it said {ago(one.learned_at)}")
    _warn_of_unknown(session, found)
    if len(found) == limit:
        say(f"only the last {limit}: --limit shows more", style="dim")


def print_deliveries(found: Sequence[Delivery], *, study_column: bool = True) -> None:
    """A table of deliveries, and beneath it what went wrong, and what proves the rest."""
    if not found:
        return
    table(
        (
            "ID",
            "DESTINATION",
            "STATE",
            "TRIES",
            "WHEN",
            "KIND",
            "STUDY" if study_column else "OBJECT",
        ),
        [
            (
                str(delivery.id),
                delivery.destination,
                delivery.state,
                str(delivery.attempts),
                _when(delivery),
                delivery.kind,
                delivery.study_instance_uid if study_column else delivery.sop_instance_uid,
            )
            for delivery in found
        ],
    )
    from pydicom.uid import UID

    problems: dict[tuple[str, str, int | None], list[int]] = {}
    for delivery in found:
        if delivery.state != "confirmed" and delivery.last_error:
            key = (delivery.destination, delivery.last_error, delivery.last_status)
            problems.setdefault(key, []).append(delivery.id)
    for (destination, error, status), ids in problems.items():
        answered = f" (status 0x{status:04X})" if status is not None else ""
        some = ", ".join(map(str, ids[:5])) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
        say(f"{some} to {destination}: {error}{answered}")
    for by, words in _PROOFS.items():
        if number := sum(delivery.confirmed_by == by for delivery in found):
            say(f"{number} confirmed by {words}")

    instead = {
        (d.destination, d.sop_class_uid, d.made_as)
        for d in found
        if d.state in ("sent", "confirmed") and d.sop_class_uid != d.made_as
    }
    for destination, sent_as, made_as in sorted(instead):
        say(f"{destination} does not take {UID(made_as).name}: it gets {UID(sent_as).name}")


def _when(delivery: Delivery) -> str:
    if delivery.state != "pending":
        return ago(delivery.confirmed_at or delivery.sent_at)
    seconds = (delivery.next_attempt_at - datetime.now(UTC)).total_seconds()
    return f"in {duration(seconds)}" if seconds > 0 else "due"


def _warn_of_unknown(session: Session, found: Sequence[Delivery]) -> None:
    waiting = {d.destination for d in found if d.state == "pending"}
    for name in sorted(waiting):
        if session.settings.destination(name) is None:
            say(f"destination {name} is not configured any more: nothing is sent to it")


@command(app)
def retry(
    session: Session,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", help="Numbers of deliveries.")
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="All that are not sent yet.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Those too, named by ID, that were sent before.")
    ] = False,
    json: Json = False,
) -> None:
    """Make failed, refused and waiting deliveries due now."""
    from node import tracking

    if bool(ids) == all:
        raise typer.BadParameter("name deliveries by their ID, or give --all")
    if again and all:
        raise typer.BadParameter("--again is for deliveries that are named by their ID")
    with session.database() as db:
        waiting = [
            delivery
            for state in ("pending", "failed", "refused", *(("sent", "confirmed") if again else ()))
            for delivery in tracking.deliveries.list_deliveries(db, state=state, limit=_EVERY)
            if all or delivery.id in (ids or ())
        ]
        count = tracking.deliveries.retry(db, None if all else tuple(ids or ()), again=again)
        for uid in sorted({delivery.study_instance_uid for delivery in waiting}):
            numbers = [d.id for d in waiting if d.study_instance_uid == uid]
            tracking.audit.record(db, "deliveries retry", uid, ", ".join(map(str, sorted(numbers))))
    if json:
        print_json({"due": count})
        return
    say(f"{plural(count, 'delivery is', 'deliveries are')} due now")
    _warn_of_unknown(session, waiting)
