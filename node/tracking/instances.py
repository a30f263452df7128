"""Received objects: recorded once each, whatever arrives first, twice or at the same time."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from node.tracking.database import Database, utcnow
from node.tracking.records import Conflict, Instance, ReceivedInstance
from node.tracking.schema import conflicts, instances, studies

_COLUMNS = [instances.c[name] for name in Instance.__dataclass_fields__]


def record(db: Database, received: ReceivedInstance, now: datetime | None = None) -> str:
    """Commit a stored object; the path on record for its SOP Instance UID.

    That path is ``received.path`` when the object is new or known under the same path; another
    one means that the UID is taken by another object. A new object re-opens its study, but for
    the node's own results, which must not start a loop.
    """
    at = now or utcnow()
    with db.writing() as connection:
        connection.execute(
            db.insert(studies)
            .values(
                study_instance_uid=received.study_instance_uid,
                state="receiving",
                urgent=received.urgent,
                first_instance_at=at,
                last_instance_at=at,
            )
            .on_conflict_do_nothing(index_elements=[studies.c.study_instance_uid])
        )
        study_id = (
            sa.select(studies.c.id)
            .where(studies.c.study_instance_uid == received.study_instance_uid)
            .scalar_subquery()
        )
        inserted = connection.execute(
            db.insert(instances)
            .values(
                study_id=study_id,
                association_id=received.association_id,
                series_instance_uid=received.series_instance_uid,
                sop_instance_uid=received.sop_instance_uid,
                sop_class_uid=received.sop_class_uid,
                transfer_syntax_uid=received.transfer_syntax_uid,
                patient_id=_clean(received.patient_id, 128),
                modality=_clean(received.modality, 16),
                path=received.path,
                size=received.size,
                calling_ae=received.calling_ae[:16],
                own_result=received.own_result,
                received_at=at,
            )
            .on_conflict_do_nothing(index_elements=[instances.c.sop_instance_uid])
            .returning(instances.c.path)
        ).scalar()
        if inserted is None:
            return str(
                connection.scalar(
                    sa.select(instances.c.path).where(
                        instances.c.sop_instance_uid == received.sop_instance_uid
                    )
                )
            )
        if not received.own_result:
            connection.execute(
                sa.update(studies)
                .where(studies.c.study_instance_uid == received.study_instance_uid)
                .values(
                    state="receiving",
                    reason="",
                    last_instance_at=at,
                    urgent=sa.true() if received.urgent else studies.c.urgent,
                )
            )
        return received.path


def record_conflict(
    db: Database, received: ReceivedInstance, reason: str, now: datetime | None = None
) -> None:
    """Record that other content came under a UID on record; ``path`` is where it was put aside."""
    with db.writing() as connection:
        connection.execute(
            db.insert(conflicts)
            .values(
                study_instance_uid=received.study_instance_uid,
                sop_instance_uid=received.sop_instance_uid,
                path=received.path,
                calling_ae=received.calling_ae[:16],
                reason=reason,
                received_at=now or utcnow(),
            )
            .on_conflict_do_nothing(index_elements=[conflicts.c.path])
        )


def of_study(connection: sa.Connection, study_id: int) -> tuple[Instance, ...]:
    """A study's objects in a stable order."""
    rows = connection.execute(
        sa.select(*_COLUMNS)
        .where(instances.c.study_id == study_id)
        .order_by(instances.c.series_instance_uid, instances.c.sop_instance_uid)
    )
    return tuple(Instance(**row._mapping) for row in rows)


def list_of(db: Database, study_instance_uid: str) -> tuple[Instance, ...]:
    """A study's objects in a stable order; empty for an unknown study."""
    with db.reading() as connection:
        study_id = connection.scalar(
            sa.select(studies.c.id).where(studies.c.study_instance_uid == study_instance_uid)
        )
        return of_study(connection, study_id) if study_id is not None else ()


def conflicts_of(db: Database, study_instance_uid: str) -> tuple[Conflict, ...]:
    """The conflicts recorded for a study, oldest first."""
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(conflicts)
            .where(conflicts.c.study_instance_uid == study_instance_uid)
            .order_by(conflicts.c.id)
        )
        return tuple(Conflict(**row._mapping) for row in rows)


def _clean(text: str, length: int) -> str:
    """PostgreSQL takes no NUL, and a column has a width."""
    return text.replace("\x00", "").strip()[:length]
