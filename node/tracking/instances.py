"""Received objects: recorded once each, whatever arrives first, twice or at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from node.tracking.database import Database, utcnow
from node.tracking.patients import disagreement
from node.tracking.records import Conflict, Instance, ReceivedInstance
from node.tracking.schema import conflicts, instances, studies

_COLUMNS = [instances.c[name] for name in Instance.__dataclass_fields__]


def record(db: Database, received: ReceivedInstance, now: datetime | None = None) -> str:
    """Commit a stored object; the path on record for its SOP Instance UID.

    That path is ``received.path`` when the object is new or known under the same path; another
    one means that the UID is taken by another object. A new object re-opens its study, but for
    the node's own results, which must not start a loop.
    """
    return record_all(db, [received], now)[0]


def record_all(
    db: Database, received: Sequence[ReceivedInstance], now: datetime | None = None
) -> list[str]:
    """``record`` for several objects in one commit; their paths on record, in the same order.

    The receiver calls this for every object that it takes: the statements are built once, for
    building them costs several times what running them does. Rows are touched in the order of
    their UIDs, so that two receivers that store the same studies do not deadlock.
    """
    at = now or utcnow()
    arrivals = sorted(received, key=lambda r: (r.study_instance_uid, r.sop_instance_uid))
    urgent: dict[str, bool] = {}
    for r in arrivals:
        urgent[r.study_instance_uid] = urgent.get(r.study_instance_uid, False) or r.urgent
    run = _statements(db.is_sqlite)
    with db.writing() as connection:
        connection.execute(
            run.insert_study, [{"uid": uid, "urgent": urgent[uid], "at": at} for uid in urgent]
        )
        inserted = connection.execute(run.insert_instance, [_values(r, at) for r in arrivals])
        paths = {row.sop_instance_uid: row.path for row in inserted}
        fed: dict[str, bool] = {}
        for r in arrivals:
            if not r.own_result and paths.get(r.sop_instance_uid) == r.path:
                fed[r.study_instance_uid] = fed.get(r.study_instance_uid, False) or r.urgent
        if fed:
            connection.execute(
                run.update_study, [{"uid": uid, "is_urgent": fed[uid], "at": at} for uid in fed]
            )
        for r in arrivals:
            if r.sop_instance_uid not in paths:
                known = connection.scalar(run.select_path, {"sop_uid": r.sop_instance_uid})
                paths[r.sop_instance_uid] = str(known)
    return [paths[r.sop_instance_uid] for r in received]


def _values(received: ReceivedInstance, at: datetime) -> dict[str, Any]:
    return {
        "study_uid": received.study_instance_uid,
        "association_id": received.association_id,
        "series_instance_uid": received.series_instance_uid,
        "sop_instance_uid": received.sop_instance_uid,
        "sop_class_uid": received.sop_class_uid,
        "transfer_syntax_uid": received.transfer_syntax_uid,
        "patient_id": _clean(received.patient_id, 128),
        "modality": _clean(received.modality, 16),
        "path": received.path,
        "size": received.size,
        "calling_ae": received.calling_ae[:16],
        "own_result": received.own_result,
        "received_at": at,
    }


@dataclass(frozen=True)
class _Statements:
    insert_study: sa.Executable
    insert_instance: sa.Executable
    update_study: sa.Executable
    select_path: sa.Executable


@lru_cache
def _statements(is_sqlite: bool) -> _Statements:
    insert = sqlite.insert if is_sqlite else postgresql.insert
    study_id = sa.select(studies.c.id).where(
        studies.c.study_instance_uid == sa.bindparam("study_uid")
    )
    columns = [c.name for c in instances.columns if c.name not in ("id", "study_id")]
    return _Statements(
        insert_study=insert(studies)
        .values(
            study_instance_uid=sa.bindparam("uid"),
            state="receiving",
            urgent=sa.bindparam("urgent"),
            first_instance_at=sa.bindparam("at"),
            last_instance_at=sa.bindparam("at"),
        )
        .on_conflict_do_nothing(index_elements=[studies.c.study_instance_uid]),
        insert_instance=insert(instances)
        .values(
            study_id=study_id.scalar_subquery(), **{name: sa.bindparam(name) for name in columns}
        )
        .on_conflict_do_nothing(index_elements=[instances.c.sop_instance_uid])
        .returning(instances.c.sop_instance_uid, instances.c.path),
        update_study=sa.update(studies)
        .where(studies.c.study_instance_uid == sa.bindparam("uid"))
        .values(
            state="receiving",
            reason="",
            last_instance_at=sa.bindparam("at"),
            urgent=sa.or_(studies.c.urgent, sa.bindparam("is_urgent", type_=sa.Boolean)),
        ),
        select_path=sa.select(instances.c.path).where(
            instances.c.sop_instance_uid == sa.bindparam("sop_uid")
        ),
    )


def record_conflict(
    db: Database, received: ReceivedInstance, reason: str, now: datetime | None = None
) -> None:
    """Record that other content came under a UID on record; ``path`` is where it was put aside.

    When it makes the study one of two patients it re-opens it: the study is held as soon as it
    is closed again.
    """
    at = now or utcnow()
    with db.writing() as connection:
        recorded = connection.scalar(
            db.insert(conflicts)
            .values(
                study_instance_uid=received.study_instance_uid,
                sop_instance_uid=received.sop_instance_uid,
                path=received.path,
                calling_ae=received.calling_ae[:16],
                patient_id="" if received.own_result else _clean(received.patient_id, 128),
                reason=reason,
                received_at=at,
            )
            .on_conflict_do_nothing(index_elements=[conflicts.c.path])
            .returning(conflicts.c.id)
        )
        study_id = connection.scalar(
            sa.select(studies.c.id).where(
                studies.c.study_instance_uid == received.study_instance_uid
            )
        )
        if recorded and study_id is not None and disagreement(connection, study_id):
            connection.execute(
                sa.update(studies)
                .where(studies.c.id == study_id)
                .values(state="receiving", reason="", last_instance_at=at)
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
            sa.select(*(conflicts.c[name] for name in Conflict.__dataclass_fields__))
            .where(conflicts.c.study_instance_uid == study_instance_uid)
            .order_by(conflicts.c.id)
        )
        return tuple(Conflict(**row._mapping) for row in rows)


def _clean(text: str, length: int) -> str:
    """PostgreSQL takes no NUL, and a column has a width."""
    return text.replace("\x00", "").strip()[:length]
