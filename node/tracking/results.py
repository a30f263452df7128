"""Result objects: a set appears whole, under the key of what it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from node.tracking.database import Database, utcnow
from node.tracking.patients import disagreement, lock
from node.tracking.records import REJECTION_NOTE, Claim, NewResult, Result
from node.tracking.runs import held_by
from node.tracking.schema import deliveries, results, runs, studies

COLUMNS = [
    studies.c.study_instance_uid,
    *(results.c[name] for name in Result.__dataclass_fields__ if name != "study_instance_uid"),
]


@dataclass(frozen=True)
class Lineage:
    """Where a result set stands: ``key`` is what its UIDs are made from, ``version`` counts from 1,
    ``predecessors`` are reports. ``replaced`` are all objects of earlier versions but rejection
    notes, which stand for good: to reject a rejection would be to take it back."""

    key: str
    version: int
    predecessors: tuple[tuple[str, str], ...]  # (SOP Class UID, SOP Instance UID)
    exists: bool
    replaced: tuple[tuple[str, str, str], ...] = ()  # (Series, SOP Class, SOP Instance UID)


def lineage(db: Database, study_id: int, result_key: str) -> Lineage:
    """The version that a key has, or will have, in its study, and the reports before it.

    Only the newest set is not made again. What is asked for may have been made before another one,
    as when a setting, a model or a factor is what it was: then the newest in the PACS is wrong, and
    the same is made once more as a new version, under a key of its own.
    """
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(
                results.c.result_key,
                results.c.version,
                results.c.kind,
                results.c.series_instance_uid,
                results.c.sop_class_uid,
                results.c.sop_instance_uid,
            )
            .where(results.c.study_id == study_id)
            .order_by(results.c.version, results.c.position)
        ).all()
    made = list(dict.fromkeys(row.result_key for row in rows))
    own = {result_key, *(_again(result_key, before) for before in made)}
    exists = bool(made) and made[-1] in own
    version = (rows[-1].version if rows else 0) + (not exists)
    key = result_key
    if result_key in made:
        key = made[-1] if exists else _again(result_key, made[-1])
    before = tuple(
        (row.sop_class_uid, row.sop_instance_uid)
        for row in rows
        if row.kind == "report" and row.version == version - 1
    )
    replaced = tuple(
        (row.series_instance_uid, row.sop_class_uid, row.sop_instance_uid)
        for row in rows
        if row.kind != REJECTION_NOTE and row.version < version
    )
    return Lineage(key, version, before, exists, replaced)


def _again(result_key: str, newest: str) -> str:
    """The key of the same results made again, after those of ``newest``."""
    return hashlib.sha256(f"{result_key} after {newest}".encode()).hexdigest()


def finish(
    db: Database,
    claim: Claim,
    *,
    result_key: str,
    version: int,
    objects: Sequence[NewResult],
    destinations: Mapping[str, Sequence[str]],
    snapshot: Mapping[str, Any],
    timings: Mapping[str, float],
    now: datetime | None = None,
) -> bool:
    """Commit a run's results, their deliveries and its end in one transaction.

    ``destinations`` names the kinds of result that each destination gets. ``objects`` are in the
    order of delivery. An empty ``objects`` ends a run whose results exist already: of those a
    destination gets the kinds that it was not yet configured to get when they were made. False,
    and no result is written, when the lease was lost, or when objects of a second patient came
    under the study meanwhile: then the run is superseded.
    """
    at = now or utcnow()
    with db.writing() as connection:
        lock(connection, claim.study_id)
        if mixed := disagreement(connection, claim.study_id):
            connection.execute(
                sa.update(runs)
                .where(held_by(claim))
                .values(state="superseded", error=mixed, lease_until=None, finished_at=at)
            )
            return False
        ended = connection.execute(
            sa.update(runs)
            .where(held_by(claim))
            .values(
                state="done",
                result_key=result_key,
                snapshot=dict(snapshot),
                timings=dict(timings),
                error="",
                lease_until=None,
                finished_at=at,
            )
        )
        if ended.rowcount == 0:
            return False
        for position, new in enumerate(objects):
            connection.execute(
                db.insert(results)
                .values(
                    study_id=claim.study_id,
                    run_id=claim.run_id,
                    result_key=result_key,
                    version=version,
                    position=position,
                    created_at=at,
                    **vars(new),
                )
                .on_conflict_do_nothing(index_elements=[results.c.sop_instance_uid])
            )
        _deliver(db, connection, result_key, destinations, claim.urgent, at)
    return True


def _deliver(
    db: Database,
    connection: sa.Connection,
    result_key: str,
    destinations: Mapping[str, Sequence[str]],
    urgent: bool,
    at: datetime,
) -> None:
    """Within a transaction: what each destination is to get of a set is due, unless it is on record
    there in whatever state."""
    for one in connection.execute(
        sa.select(results.c.id, results.c.kind)
        .where(results.c.result_key == result_key)
        .order_by(results.c.position)
    ).all():
        for destination, kinds in destinations.items():
            if one.kind in kinds:
                connection.execute(
                    db.insert(deliveries)
                    .values(
                        result_id=one.id,
                        destination=destination,
                        state="pending",
                        urgent=urgent,
                        next_attempt_at=at,
                    )
                    .on_conflict_do_nothing(
                        index_elements=[deliveries.c.result_id, deliveries.c.destination]
                    )
                )


def of_study(db: Database, study_instance_uid: str) -> tuple[Result, ...]:
    """A study's result objects, oldest version first, in the order of delivery."""
    return _select(db, studies.c.study_instance_uid == study_instance_uid)


def of_key(db: Database, result_key: str) -> tuple[Result, ...]:
    """The result set of a key, in the order of delivery."""
    return _select(db, results.c.result_key == result_key)


def _select(db: Database, condition: sa.ColumnElement[bool]) -> tuple[Result, ...]:
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(*COLUMNS)
            .join(studies)
            .where(condition)
            .order_by(results.c.version, results.c.position)
        )
        return tuple(Result(**row._mapping) for row in rows)
