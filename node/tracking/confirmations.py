"""Whether a destination kept what it was sent: ``sent`` ▶ ``confirmed``, and back to ``pending``
where it says that it has lost an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from node.tracking.database import Database, utcnow
from node.tracking.deliveries import selection
from node.tracking.records import Delivery
from node.tracking.schema import deliveries, results

NO_SUCH_INSTANCE = 0x0112  # PS3.3 C.14.1.1, Failure Reason
NO_PROOF = "not confirmed: it offers neither storage commitment nor a query"
"""Of a destination that cannot prove anything; no fault of it."""

MAX_LOST = 3
"""Times that a destination may say that it lost an object before nothing is sent any more."""


def claim(
    db: Database,
    destination: str,
    *,
    lease_seconds: float,
    limit: int = 500,
    now: datetime | None = None,
) -> tuple[Delivery, ...]:
    """Take what is to be confirmed by a destination, of whole sets only: nothing of the same set
    still waits to be sent there. Empty when nothing is due."""
    at = now or utcnow()
    waiting, beside = deliveries.alias("waiting"), results.alias("beside")
    incomplete = (
        sa.exists()
        .where(waiting.c.result_id == beside.c.id, beside.c.result_key == results.c.result_key)
        .where(waiting.c.destination == destination, waiting.c.state == "pending")
    )
    free = sa.and_(
        deliveries.c.state == "sent",
        deliveries.c.confirm_at <= at,
        sa.or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < at),
    )
    due = (
        sa.select(deliveries.c.id)
        .select_from(deliveries.join(results))
        .where(deliveries.c.destination == destination, free, ~incomplete)
        .order_by(deliveries.c.confirm_at, deliveries.c.id)
        .limit(limit)
    )
    with db.reading() as connection:
        if connection.execute(due.limit(1)).first() is None:
            return ()  # SQLite has one writer at a time: this is asked every few seconds
    with db.writing() as connection:
        taken = connection.scalars(
            sa.update(deliveries)
            .where(deliveries.c.id.in_(due), free)  # again: another may have been faster
            .values(lease_until=at + timedelta(seconds=lease_seconds))
            .returning(deliveries.c.id)
        ).all()
        rows = connection.execute(
            selection().where(deliveries.c.id.in_(taken)).order_by(deliveries.c.id)
        )
        return tuple(Delivery(**row._mapping) for row in rows)


def asking(db: Database, ids: Sequence[int], transaction_uid: str, again_at: datetime) -> None:
    """Storage commitment is about to be asked for: on record before the answer can come. It is one
    more try of those for which it was asked before, in vain."""
    in_vain = sa.case((deliveries.c.transaction_uid.is_not(None), 1), else_=0)
    _unconfirmed(
        db,
        ids,
        transaction_uid=transaction_uid,
        confirm_at=again_at,
        confirm_tries=deliveries.c.confirm_tries + in_vain,
    )


def postponed(db: Database, ids: Sequence[int], why: str, again_at: datetime | None) -> None:
    """Nothing came of it: ask again then; None: there is no way to prove it any more."""
    _unconfirmed(
        db,
        ids,
        last_error=why,
        confirm_at=again_at,
        confirm_tries=deliveries.c.confirm_tries + 1,
    )


def waiting(db: Database, ids: Sequence[int], why: str, again_at: datetime) -> None:
    """The destination was not there to be asked, which is no try of its objects."""
    _unconfirmed(db, ids, last_error=why, confirm_at=again_at, transaction_uid=None)


def found(db: Database, ids: Sequence[int], now: datetime | None = None) -> None:
    """The destination's own query shows these objects."""
    _unconfirmed(db, ids, **_confirmed("query", now))


def answered(
    db: Database,
    transaction_uid: str,
    committed: Sequence[str],
    failed: Mapping[str, int],
    now: datetime | None = None,
) -> tuple[Delivery, ...]:
    """The answer to a storage commitment; the deliveries that it was asked for, as they are now.

    committed : SOP Instance UIDs that the destination keeps. failed : the Failure Reason by SOP
    Instance UID. What it says it has not is sent again; what it refuses for another reason stays
    ``sent`` and is asked no more. Empty for an unknown transaction; the same answer again changes
    nothing.
    """
    at = now or utcnow()
    mine = deliveries.c.transaction_uid == transaction_uid
    with db.writing() as connection:
        asked = [Delivery(**row._mapping) for row in connection.execute(selection().where(mine))]
        for one in asked:
            if one.state != "sent":
                continue
            if one.sop_instance_uid in committed:
                values = _confirmed("commitment", at)
            elif one.sop_instance_uid in failed:
                values = _not_committed(one, failed[one.sop_instance_uid], at)
            else:
                continue
            connection.execute(
                sa.update(deliveries)
                .where(deliveries.c.id == one.id, deliveries.c.state == "sent", mine)
                .values(lease_until=None, **values)
            )
        rows = connection.execute(selection().where(deliveries.c.id.in_([one.id for one in asked])))
        return tuple(Delivery(**row._mapping) for row in rows)


def _confirmed(by: str, now: datetime | None) -> dict[str, object]:
    return {
        "state": "confirmed",
        "confirmed_at": now or utcnow(),
        "confirmed_by": by,
        "confirm_at": None,
        "last_error": "",
    }


def _not_committed(delivery: Delivery, reason: int, at: datetime) -> dict[str, object]:
    if reason != NO_SUCH_INSTANCE:
        why = f"no storage commitment: failure reason {reason:04X}"
        return {"last_error": why, "confirm_at": None}
    why = "it took this object, and answers the storage commitment that it has none"
    lost = delivery.failures + 1
    return {
        "state": "failed" if lost >= MAX_LOST else "pending",
        "failures": lost,
        "next_attempt_at": at,
        "sent_at": None,
        "confirm_at": None,
        "transaction_uid": None,
        "last_error": why,
    }


def _unconfirmed(db: Database, ids: Sequence[int], **values: object) -> None:
    """Of those that are still asked for: an answer may have come meanwhile, and it holds."""
    with db.writing() as connection:
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.state == "sent")
            .where(deliveries.c.confirm_at.is_not(None))
            .values(lease_until=None, **values)
        )
