"""What each destination takes, as it last said: one row for a destination and a SOP class."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from node.tracking.database import Database, utcnow
from node.tracking.records import Dialect
from node.tracking.schema import dialects


def learn(
    db: Database, destination: str, sop_class_uid: str, taken: bool, now: datetime | None = None
) -> None:
    """The destination has just taken, or refused, a SOP class."""
    said = {"taken": taken, "learned_at": now or utcnow()}
    with db.writing() as connection:
        connection.execute(
            db.insert(dialects)
            .values(destination=destination, sop_class_uid=sop_class_uid, **said)
            .on_conflict_do_update(
                index_elements=[dialects.c.destination, dialects.c.sop_class_uid], set_=said
            )
        )


def known(db: Database, destination: str | None = None) -> tuple[Dialect, ...]:
    """All that is remembered, or all of one destination."""
    query = sa.select(dialects).order_by(dialects.c.destination, dialects.c.sop_class_uid)
    if destination is not None:
        query = query.where(dialects.c.destination == destination)
    with db.reading() as connection:
        return tuple(Dialect(**row._mapping) for row in connection.execute(query))


def forget(connection: sa.Connection, destinations: sa.Select[tuple[str]]) -> None:
    """Within a transaction: what these destinations refused is offered to them again."""
    connection.execute(
        sa.delete(dialects).where(
            dialects.c.destination.in_(destinations), dialects.c.taken.is_(False)
        )
    )
