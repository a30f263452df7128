"""One result object to one destination: ``pending`` ▶ ``sent`` ▶ ``confirmed``; or ``failed``, or
``refused`` by a destination that takes no objects of its class."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from node.errors import NotFound
from node.tracking.database import Database, utcnow
from node.tracking.dialects import forget
from node.tracking.records import REJECTION_NOTE, Delivery
from node.tracking.schema import deliveries, results, studies

_FORM = {
    "sop_class_uid": deliveries.c.form_class_uid,
    "series_instance_uid": deliveries.c.form_series_uid,
    "sop_instance_uid": deliveries.c.form_instance_uid,
    "path": deliveries.c.form_path,
}
_OF = {
    "study_instance_uid": studies.c.study_instance_uid,
    "run_id": results.c.run_id,
    "kind": results.c.kind,
    "made_as": results.c.sop_class_uid.label("made_as"),
    **{name: sa.func.coalesce(c, results.c[name]).label(name) for name, c in _FORM.items()},
}
_COLUMNS = [
    _OF[name] if name in _OF else deliveries.c[name] for name in Delivery.__dataclass_fields__
]


def selection() -> sa.Select[tuple[object, ...]]:
    """Deliveries with what they deliver, as ``Delivery`` has it; for the modules of this room."""
    return sa.select(*_COLUMNS).select_from(deliveries.join(results).join(studies))


def claim_set(
    db: Database, destination: str, *, lease_seconds: float, now: datetime | None = None
) -> tuple[Delivery, ...]:
    """Take the due result set of one run for one destination, in order: heatmaps, then report.

    Urgent sets first, then the oldest; a study's set waits for those of its versions before, and
    what is due of a set for what stands before it in the set and is not. A rejection note comes by
    itself when the rest of its set has ended, whatever went in whose stead; nothing waits for it.
    The lease keeps a second dispatcher away; it is given up by ``sent``, ``failed`` or
    ``postponed``. Empty when nothing is due.
    """
    at = now or utcnow()
    waiting, before = deliveries.alias("waiting"), results.alias("before")
    earlier_in_set = sa.and_(before.c.position < results.c.position, ~_is_due(waiting, at))
    in_set = sa.and_(
        before.c.result_key == results.c.result_key,
        sa.or_(earlier_in_set, results.c.kind == REJECTION_NOTE),
    )
    held_up = (
        sa.exists()
        .where(waiting.c.result_id == before.c.id, before.c.study_id == results.c.study_id)
        .where(sa.or_(before.c.version < results.c.version, in_set))
        .where(before.c.kind != REJECTION_NOTE)
        .where(waiting.c.destination == destination, waiting.c.state == "pending")
    )
    due = sa.and_(
        deliveries.c.destination == destination,
        deliveries.c.state == "pending",
        _is_due(deliveries, at),
    )
    with db.writing() as connection:
        first = connection.execute(
            sa.select(results.c.result_key)
            .select_from(deliveries.join(results))
            .where(due, ~held_up)
            .order_by(deliveries.c.urgent.desc(), deliveries.c.next_attempt_at, results.c.id)
            .limit(1)
        ).scalar()
        if first is None:
            return ()
        chosen = connection.scalars(
            sa.select(deliveries.c.id)
            .select_from(deliveries.join(results))
            .where(due, ~held_up, results.c.result_key == first)
        ).all()
        taken = connection.scalars(
            sa.update(deliveries)
            .where(due, deliveries.c.id.in_(chosen))
            .values(
                lease_until=at + timedelta(seconds=lease_seconds),
                attempts=deliveries.c.attempts + 1,
            )
            .returning(deliveries.c.id)
        ).all()
        rows = connection.execute(
            selection().where(deliveries.c.id.in_(taken)).order_by(results.c.position)
        )
        return tuple(Delivery(**row._mapping) for row in rows)


def _is_due(table: sa.FromClause, at: datetime) -> sa.ColumnElement[bool]:
    """Its time has come, and nobody is sending it."""
    leased_no_more = sa.or_(table.c.lease_until.is_(None), table.c.lease_until < at)
    return sa.and_(table.c.next_attempt_at <= at, leased_no_more)


def renew(
    db: Database, ids: Sequence[int], lease_seconds: float, now: datetime | None = None
) -> None:
    """Prolong the lease on what is still to be sent of a set."""
    if not ids:
        return
    with db.writing() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.state == "pending")
            .values(lease_until=(now or utcnow()) + timedelta(seconds=lease_seconds))
        )


def sent(
    db: Database, id: int, status: int, now: datetime | None = None, *, confirm: bool = False
) -> None:
    """The destination answered success or a warning. confirm : proof that it keeps it is due."""
    at = now or utcnow()
    _end(
        db,
        id,
        state="sent",
        last_status=status,
        last_error="",
        sent_at=at,
        confirm_at=at if confirm else None,
    )


def failed(db: Database, id: int, error: str, status: int | None = None) -> None:
    """The destination will never take this object; it is not tried again by itself."""
    _end(db, id, state="failed", last_status=status, last_error=error)


def refused(db: Database, delivery: Delivery, error: str, instead: Sequence[str]) -> str:
    """The destination takes no object of this class, in no older form either.

    instead : kinds of result that tell the same, best first. Of the same set, the first that the
    destination has not refused is due, whether it is among the kinds of that destination or not.
    The delivery's error, which says that too; '' where another sender was faster.
    """
    with db.writing() as connection:
        ended = connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == delivery.id, deliveries.c.state == "pending")
            .values(state="refused", last_status=None, lease_until=None)
        )
        if ended.rowcount == 0:
            return ""
        kind = _send_instead(connection, delivery, instead)
        said = f"{error}; {f'the {kind} goes instead' if kind else 'nothing else tells the same'}"
        connection.execute(
            sa.update(deliveries).where(deliveries.c.id == delivery.id).values(last_error=said)
        )
        return said


def _send_instead(connection: sa.Connection, delivery: Delivery, instead: Sequence[str]) -> str:
    """Within a transaction: of these kinds the one that is due now; '' where there is none."""
    set_of, urgent = connection.execute(
        sa.select(results.c.result_key, deliveries.c.urgent)
        .select_from(deliveries.join(results))
        .where(deliveries.c.id == delivery.id)
    ).one()
    for kind in instead:
        rows = connection.execute(
            sa.select(results.c.id, deliveries.c.state)
            .select_from(
                results.outerjoin(
                    deliveries,
                    sa.and_(
                        deliveries.c.result_id == results.c.id,
                        deliveries.c.destination == delivery.destination,
                    ),
                )
            )
            .where(results.c.result_key == set_of, results.c.kind == kind)
        ).all()
        if not rows or any(row.state == "refused" for row in rows):
            continue
        for row in rows:
            if row.state is None:
                connection.execute(
                    sa.insert(deliveries).values(
                        result_id=row.id,
                        destination=delivery.destination,
                        state="pending",
                        urgent=urgent,
                        next_attempt_at=utcnow(),
                    )
                )
        return kind
    return ""


def replaced(
    db: Database,
    refused: Delivery,
    sop_class_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
    path: str,
) -> None:
    """The destination does not take the class of ``refused``: send this older form instead, now.

    Nothing happens where another sender was faster.
    """
    offered = None if refused.sop_class_uid == refused.made_as else refused.sop_instance_uid
    with db.writing() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == refused.id, deliveries.c.state == "pending")
            .where(deliveries.c.form_instance_uid.is_not_distinct_from(offered))
            .values(
                lease_until=None,
                form_class_uid=sop_class_uid,
                form_series_uid=series_instance_uid,
                form_instance_uid=sop_instance_uid,
                form_path=path,
            )
        )


def made_path(db: Database, delivery: Delivery) -> str:
    """The file of the result as it was made, whatever form of it is sent."""
    with db.reading() as connection:
        query = sa.select(results.c.path).where(results.c.id == delivery.result_id)
        return str(connection.execute(query).scalar_one())


def postponed(
    db: Database,
    id: int,
    error: str,
    delay_seconds: float,
    status: int | None = None,
    own_failure: bool = False,
    now: datetime | None = None,
) -> None:
    """This attempt came to nothing; try again after the delay.

    ``own_failure``: the trouble was this object, not one before it or the way to the destination.
    """
    _end(
        db,
        id,
        last_error=error,
        last_status=status,
        failures=deliveries.c.failures + int(own_failure),
        next_attempt_at=(now or utcnow()) + timedelta(seconds=delay_seconds),
    )


def _end(db: Database, id: int, **values: object) -> None:
    with db.writing() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == id, deliveries.c.state == "pending")
            .values(lease_until=None, **values)
        )


def list_deliveries(
    db: Database,
    *,
    study_instance_uid: str | None = None,
    run_id: int | None = None,
    destination: str | None = None,
    state: str | None = None,
    limit: int = 200,
) -> tuple[Delivery, ...]:
    """Deliveries, newest result first."""
    query = selection().order_by(deliveries.c.id.desc()).limit(limit)
    for column, value in (
        (studies.c.study_instance_uid, study_instance_uid),
        (results.c.run_id, run_id),
        (deliveries.c.destination, destination),
        (deliveries.c.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    with db.reading() as connection:
        return tuple(Delivery(**row._mapping) for row in connection.execute(query))


def retry(
    db: Database,
    ids: tuple[int, ...] | None = None,
    now: datetime | None = None,
    *,
    again: bool = False,
) -> int:
    """Make deliveries that failed, wait or were refused due now; how many. None: all of them.

    again : with ids, those too that were sent, as after a destination was set up anew. What failed
    or was refused is counted anew and offered in its best form; what its destination has refused
    so far is forgotten. Raises NotFound when an id names no delivery.
    """
    at = now or utcnow()
    ended = deliveries.c.state.in_(("failed", "refused"))
    states = ("pending", "failed", "refused", *(("sent", "confirmed") if again and ids else ()))
    with db.writing() as connection:
        if ids is not None:
            known = set(
                connection.scalars(sa.select(deliveries.c.id).where(deliveries.c.id.in_(ids)))
            )
            if missing := sorted(set(ids) - known):
                raise NotFound(f"no delivery {missing[0]}: see `hepanode deliveries list`")
        named = sa.true() if ids is None else deliveries.c.id.in_(ids)
        chosen = sa.and_(deliveries.c.state.in_(states), named)
        forget(connection, sa.select(deliveries.c.destination).where(chosen, ended))
        return connection.execute(
            sa.update(deliveries)
            .where(chosen)
            .values(
                state="pending",
                failures=sa.case((ended, 0), else_=deliveries.c.failures),
                **{c.name: sa.case((ended, None), else_=c) for c in _FORM.values()},
                next_attempt_at=at,
                sent_at=None,
                confirm_at=None,
                confirm_tries=0,
                transaction_uid=None,
                confirmed_at=None,
                confirmed_by="",
            )
        ).rowcount
