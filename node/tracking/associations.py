"""Open associations: a study that one of them still feeds is not complete."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from node.tracking.database import Database, utcnow
from node.tracking.schema import associations

ALIVE = timedelta(seconds=30)  # a receiver that was killed stops renewing ``seen_at``


def opened(db: Database, calling_ae: str, address: str, now: datetime | None = None) -> int:
    """Record an association that was accepted; its id."""
    at = now or utcnow()
    with db.writing() as connection:
        row = connection.execute(
            sa.insert(associations)
            .values(calling_ae=calling_ae, address=address, opened_at=at, seen_at=at)
            .returning(associations.c.id)
        )
        return int(row.scalar_one())


def seen(db: Database, ids: Collection[int], now: datetime | None = None) -> None:
    """Say that these are still open: call every few seconds, far below ``ALIVE``."""
    if not ids:
        return
    with db.writing() as connection:
        connection.execute(
            sa.update(associations)
            .where(associations.c.id.in_(ids), associations.c.closed_at.is_(None))
            .values(seen_at=now or utcnow())
        )


def closed(db: Database, id: int, now: datetime | None = None) -> None:
    """Record that an association ended, by release, abort or loss."""
    with db.writing() as connection:
        connection.execute(
            sa.update(associations).where(associations.c.id == id).values(closed_at=now or utcnow())
        )


def is_open(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(associations.c.closed_at.is_(None), associations.c.seen_at > now - ALIVE)
