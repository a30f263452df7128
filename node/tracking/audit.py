"""Who did what to which study: the administrators' own acts."""

from __future__ import annotations

import getpass
import socket
from datetime import datetime

import sqlalchemy as sa

from node.tracking.database import Database, utcnow
from node.tracking.records import AuditEntry
from node.tracking.schema import audit


def actor() -> str:
    """The user and machine of this process."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container without a user entry
        return f"unknown@{socket.gethostname()}"


def record(
    db: Database,
    action: str,
    study_instance_uid: str | None = None,
    detail: str = "",
    now: datetime | None = None,
) -> None:
    with db.writing() as connection:
        add(connection, action, study_instance_uid, detail, now or utcnow())


def add(
    connection: sa.Connection,
    action: str,
    study_instance_uid: str | None,
    detail: str,
    at: datetime,
) -> None:
    """Record an act in the transaction that does it: neither is there without the other."""
    connection.execute(
        sa.insert(audit).values(
            at=at,
            actor=actor(),
            action=action,
            study_instance_uid=study_instance_uid,
            detail=detail,
        )
    )


def of_study(db: Database, study_instance_uid: str) -> tuple[AuditEntry, ...]:
    """What was done to a study, oldest first."""
    columns = [audit.c[name] for name in AuditEntry.__dataclass_fields__]
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(*columns)
            .where(audit.c.study_instance_uid == study_instance_uid)
            .order_by(audit.c.id)
        )
        return tuple(AuditEntry(**row._mapping) for row in rows)
