"""One result object to one destination: ``pending`` ▶ ``sent`` ▶ ``confirmed`` | ``failed``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from node.errors import NotFound
from node.tracking.database import Database, utcnow
from node.tracking.records import Delivery
from node.tracking.schema import deliveries, results, studies

_FORM = {
    "sop_class_uid": deliveries.c.form_class_uid,
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


def _query() -> sa.Select[tuple[object, ...]]:
    return sa.select(*_COLUMNS).select_from(deliveries.join(results).join(studies))


def claim_set(
    db: Database, destination: str, *, lease_seconds: float, now: datetime | None = None
) -> tuple[Delivery, ...]:
    """Take the due result set of one run for one destination, in order: heatmaps, then report.

    Urgent sets first, then the oldest; a study's set waits for those of its versions before. The
    lease keeps a second dispatcher away; it is given up by ``sent``, ``failed`` or ``postponed``.
    Empty when nothing is due.
    """
    at = now or utcnow()
    waiting, before = deliveries.alias("waiting"), results.alias("before")
    earlier_version = (
        sa.exists()
        .where(waiting.c.result_id == before.c.id, before.c.study_id == results.c.study_id)
        .where(before.c.version < results.c.version)
        .where(waiting.c.destination == destination, waiting.c.state == "pending")
    )
    due = sa.and_(
        deliveries.c.destination == destination,
        deliveries.c.state == "pending",
        deliveries.c.next_attempt_at <= at,
        sa.or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < at),
    )
    with db.writing() as connection:
        first = connection.execute(
            sa.select(results.c.result_key)
            .select_from(deliveries.join(results))
            .where(due, ~earlier_version)
            .order_by(deliveries.c.urgent.desc(), deliveries.c.next_attempt_at, results.c.id)
            .limit(1)
        ).scalar()
        if first is None:
            return ()
        taken = connection.scalars(
            sa.update(deliveries)
            .where(
                due,
                deliveries.c.result_id.in_(
                    sa.select(results.c.id).where(results.c.result_key == first)
                ),
            )
            .values(
                lease_until=at + timedelta(seconds=lease_seconds),
                attempts=deliveries.c.attempts + 1,
            )
            .returning(deliveries.c.id)
        ).all()
        rows = connection.execute(
            _query().where(deliveries.c.id.in_(taken)).order_by(results.c.position)
        )
        return tuple(Delivery(**row._mapping) for row in rows)


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


def sent(db: Database, id: int, status: int, now: datetime | None = None) -> None:
    """The destination answered success or a warning."""
    _end(db, id, state="sent", last_status=status, last_error="", sent_at=now or utcnow())


def failed(db: Database, id: int, error: str, status: int | None = None) -> None:
    """The destination will never take this object; it is not tried again by itself."""
    _end(db, id, state="failed", last_status=status, last_error=error)


def replaced(
    db: Database, refused: Delivery, sop_class_uid: str, sop_instance_uid: str, path: str
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
                form_instance_uid=sop_instance_uid,
                form_path=path,
            )
        )


def older_forms(
    db: Database, destination: str, study_instance_uid: str
) -> dict[str, tuple[str, str]]:
    """Where a destination has older forms of a study's results: (SOP Class UID, SOP Instance UID)
    by the SOP Instance UID that the result was made under."""
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(
                results.c.sop_instance_uid,
                deliveries.c.form_class_uid,
                deliveries.c.form_instance_uid,
            )
            .select_from(deliveries.join(results).join(studies))
            .where(
                studies.c.study_instance_uid == study_instance_uid,
                deliveries.c.destination == destination,
                deliveries.c.state.in_(("sent", "confirmed")),
                deliveries.c.form_instance_uid.is_not(None),
            )
        )
        return {uid: (form_class, form_uid) for uid, form_class, form_uid in rows}


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
    query = _query().order_by(deliveries.c.id.desc()).limit(limit)
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


def retry(db: Database, ids: tuple[int, ...] | None = None, now: datetime | None = None) -> int:
    """Make failed and waiting deliveries due now; how many. None: all that are not sent.

    One that failed is counted anew, and offered in its best form again.
    Raises NotFound when an id names no delivery.
    """
    open_states = deliveries.c.state.in_(("pending", "failed"))
    failed_once = deliveries.c.state == "failed"
    with db.writing() as connection:
        if ids is not None:
            known = set(
                connection.scalars(sa.select(deliveries.c.id).where(deliveries.c.id.in_(ids)))
            )
            if missing := sorted(set(ids) - known):
                raise NotFound(f"no delivery {missing[0]}: see `hepanode deliveries list`")
        chosen = open_states if ids is None else sa.and_(open_states, deliveries.c.id.in_(ids))
        return connection.execute(
            sa.update(deliveries)
            .where(chosen)
            .values(
                state="pending",
                failures=sa.case((failed_once, 0), else_=deliveries.c.failures),
                **{c.name: sa.case((failed_once, None), else_=c) for c in _FORM.values()},
                next_attempt_at=now or utcnow(),
            )
        ).rowcount
