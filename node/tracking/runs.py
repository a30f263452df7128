"""Runs: opened and published by the dispatcher, claimed by a worker's lease, ended once.

``queued`` ▶ ``running`` ▶ ``done`` | ``failed`` | ``quarantined`` | ``superseded``. Every change
of state is one conditional UPDATE, so that two of anything are harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from node.errors import NotFound
from node.tracking import clinical, instances, prompts
from node.tracking.database import Database, utcnow
from node.tracking.patients import disagreement, lock
from node.tracking.records import Claim, Run
from node.tracking.schema import runs, studies

_RETRY_DELAY = timedelta(seconds=5)
_COLUMNS = [
    studies.c.study_instance_uid,
    *(runs.c[name] for name in Run.__dataclass_fields__ if name != "study_instance_uid"),
]


def open_run(connection: sa.Connection, study_id: int, cause: str | None, now: datetime) -> int:
    """Queue a run over all that a study holds now; earlier ones that still wait are superseded."""
    earlier = connection.execute(
        sa.update(runs)
        .where(runs.c.study_id == study_id, runs.c.state == "queued")
        .values(state="superseded", error="a newer run covers more", finished_at=now)
    ).rowcount
    known = connection.scalar(
        sa.select(sa.func.count()).select_from(runs).where(runs.c.study_id == study_id)
    )
    inserted = connection.execute(
        sa.insert(runs)
        .values(
            study_id=study_id,
            state="queued",
            cause=cause or ("late-instance" if earlier or known else "received"),
            urgent=sa.select(studies.c.urgent).where(studies.c.id == study_id).scalar_subquery(),
            created_at=now,
        )
        .returning(runs.c.id)
    )
    return int(inserted.scalar_one())


def publishable(
    db: Database, *, window: int, republish_seconds: float, now: datetime | None = None
) -> list[int]:
    """The queued runs to tell a broker about, urgent ones first, and mark them as published.

    At most ``window`` published runs wait unclaimed, urgent ones come on top; one that nobody
    claimed within ``republish_seconds`` is due again: its message may be lost.
    """
    at = now or utcnow()
    stale = at - timedelta(seconds=republish_seconds)
    other = runs.alias("other")
    busy = sa.exists().where(other.c.study_id == runs.c.study_id, other.c.state == "running")
    held = sa.exists().where(studies.c.id == runs.c.study_id, studies.c.state == "held")
    due = sa.and_(
        runs.c.state == "queued",
        sa.or_(runs.c.published_at.is_(None), runs.c.published_at <= stale),
        sa.or_(runs.c.not_before.is_(None), runs.c.not_before <= at),
        ~busy,
        ~held,
    )
    with db.reading() as connection:
        waiting = connection.scalar(
            sa.select(sa.func.count())
            .select_from(runs)
            .where(runs.c.state == "queued", runs.c.published_at > stale)
        )
        rows = connection.execute(
            sa.select(runs.c.id, runs.c.urgent)
            .where(due)
            .order_by(runs.c.urgent.desc(), runs.c.created_at, runs.c.id)
            .limit(window + 100)
        ).all()
    room = max(0, window - (waiting or 0))
    urgent = [row.id for row in rows if row.urgent]
    chosen = urgent + [row.id for row in rows if not row.urgent][: max(0, room - len(urgent))]
    return [run_id for run_id in chosen if _mark_published(db, run_id, stale, at)]


def _mark_published(db: Database, run_id: int, stale: datetime, now: datetime) -> bool:
    with db.writing() as connection:
        changed = connection.execute(
            sa.update(runs)
            .where(
                runs.c.id == run_id,
                runs.c.state == "queued",
                sa.or_(runs.c.published_at.is_(None), runs.c.published_at <= stale),
            )
            .values(published_at=now)
        )
    return changed.rowcount == 1


def unpublish(db: Database, run_id: int) -> None:
    """Take back a publication that the broker did not accept."""
    with db.writing() as connection:
        connection.execute(
            sa.update(runs)
            .where(runs.c.id == run_id, runs.c.state == "queued")
            .values(published_at=None)
        )


def claim(
    db: Database, run_id: int, *, worker: str, lease_seconds: float, now: datetime | None = None
) -> Claim | None:
    """Take a queued run that was published: the most urgent one, else the one named, else the
    oldest.

    A message stands for one run's turn, not for that very run: an urgent study that came later
    takes the turn of the one named, which takes the urgent one's. None when there is nothing to
    do: of the runs that were published each has ended or is held by someone else, its study has a
    run in progress, or the study is held or has objects of two patients by now.
    """
    at = now or utcnow()
    lease_until = at + timedelta(seconds=lease_seconds)
    with db.writing() as connection:
        candidates = connection.execute(
            sa.select(runs.c.id, runs.c.study_id)
            .where(runs.c.state == "queued", runs.c.published_at.is_not(None))
            .order_by(
                runs.c.urgent.desc(),
                sa.case((runs.c.id == run_id, 0), else_=1),
                runs.c.created_at,
                runs.c.id,
            )
            .limit(20)
        ).all()
        for candidate in candidates:
            study = connection.execute(  # one run of a study at a time: versions have an order
                sa.select(studies.c.id, studies.c.study_instance_uid)
                .where(studies.c.id == candidate.study_id, studies.c.state != "held")
                .with_for_update(skip_locked=True)
            ).first()
            if study is None:
                continue
            # read before the patients are counted: what is analysed was counted
            objects = instances.of_study(connection, study.id)
            if disagreement(connection, study.id):
                continue  # it is held when it is closed
            other = runs.alias("other")
            busy = sa.exists().where(other.c.study_id == study.id, other.c.state == "running")
            row = connection.execute(
                sa.update(runs)
                .where(runs.c.id == candidate.id, runs.c.state == "queued", ~busy)
                .values(
                    state="running",
                    worker=worker,
                    lease_until=lease_until,
                    attempts=runs.c.attempts + 1,
                    started_at=at,
                )
                .returning(runs.c.urgent, runs.c.attempts, runs.c.created_at)
            ).first()
            if row is None:
                continue
            return Claim(
                run_id=candidate.id,
                study_id=study.id,
                study_instance_uid=study.study_instance_uid,
                urgent=row.urgent,
                attempt=row.attempts,
                created_at=row.created_at,
                lease_until=lease_until,
                worker=worker,
                instances=objects,
                prompts=prompts.of_study(connection, study.id),
                clinical=clinical.of_study(connection, study.id),
            )
    return None


def renew(db: Database, claim: Claim, lease_seconds: float, now: datetime | None = None) -> bool:
    """Prolong a lease; False when the run was taken back."""
    with db.writing() as connection:
        changed = connection.execute(
            sa.update(runs)
            .where(held_by(claim))
            .values(lease_until=(now or utcnow()) + timedelta(seconds=lease_seconds))
        )
    return changed.rowcount == 1


def held_by(claim: Claim) -> sa.ColumnElement[bool]:
    """Whether this claim still owns its run."""
    return sa.and_(
        runs.c.id == claim.run_id,
        runs.c.state == "running",
        runs.c.worker == claim.worker,
        runs.c.attempts == claim.attempt,
    )


def failed(
    db: Database,
    claim: Claim,
    error: str,
    *,
    max_attempts: int,
    final: bool = False,
    spent: bool = True,
    timings: Mapping[str, float] | None = None,
    now: datetime | None = None,
) -> str | None:
    """End an attempt with an error; the run's new state, None when the lease was lost.

    ``final`` errors fail the run; others queue it again until ``max_attempts`` quarantines it,
    or end it when its study is held by now.
    With ``spent`` False the attempt does not count: the run only waits, for disk space say.
    """
    at = now or utcnow()
    last = spent and claim.attempt >= max_attempts
    state = "failed" if final else "quarantined" if last else "queued"
    attempts = claim.attempt if spent else claim.attempt - 1
    with db.writing() as connection:
        if lock(connection, claim.study_id) and state == "queued":
            state = "superseded"
        changed = connection.execute(
            sa.update(runs)
            .where(held_by(claim))
            .values(
                error=error, attempts=attempts, timings=dict(timings or {}), **_leave(state, at)
            )
        )
    return state if changed.rowcount else None


def _leave(state: str, now: datetime) -> dict[str, Any]:
    """The columns of a run that stops running: queued again, or ended."""
    again = state == "queued"
    return {
        "state": state,
        "lease_until": None,
        "published_at": None,
        "not_before": now + _RETRY_DELAY if again else None,
        "finished_at": None if again else now,
    }


@dataclass(frozen=True)
class TakenBack:
    run_id: int
    study_instance_uid: str
    state: str


def take_back_dead(db: Database, max_attempts: int, now: datetime | None = None) -> list[TakenBack]:
    """Re-open the runs whose lease has expired; the last attempt's death quarantines.

    A run that a newer one of its study has overtaken, or whose study is held by now, is
    superseded instead.
    """
    at = now or utcnow()
    expired = sa.and_(runs.c.state == "running", runs.c.lease_until < at)
    newer = runs.alias("newer")
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(
                *_COLUMNS,
                runs.c.study_id,
                sa.exists()
                .where(newer.c.study_id == runs.c.study_id, newer.c.id > runs.c.id)
                .label("overtaken"),
            )
            .join(studies)
            .where(expired)
        ).all()
    taken = []
    for row in rows:
        with db.writing() as connection:
            held = lock(connection, row.study_id)
            state = (
                "superseded"
                if row.overtaken or held
                else "quarantined"
                if row.attempts >= max_attempts
                else "queued"
            )
            changed = connection.execute(
                sa.update(runs)
                .where(runs.c.id == row.id, expired)
                .values(
                    error=f"worker {row.worker} died or fell silent in attempt {row.attempts}"
                    + (f"; before: {row.error}" if row.error and row.attempts > 1 else ""),
                    **_leave(state, at),
                )
            )
        if changed.rowcount:
            taken.append(TakenBack(row.id, row.study_instance_uid, state))
    return taken


def list_runs(
    db: Database,
    *,
    study_instance_uid: str | None = None,
    state: str | None = None,
    limit: int = 100,
) -> tuple[Run, ...]:
    """Runs, newest first."""
    query = sa.select(*_COLUMNS).join(studies).order_by(runs.c.id.desc()).limit(limit)
    if study_instance_uid is not None:
        query = query.where(studies.c.study_instance_uid == study_instance_uid)
    if state is not None:
        query = query.where(runs.c.state == state)
    with db.reading() as connection:
        return tuple(Run(**row._mapping) for row in connection.execute(query))


def get(db: Database, run_id: int) -> Run:
    """Raises NotFound for an unknown run."""
    with db.reading() as connection:
        row = connection.execute(
            sa.select(*_COLUMNS).join(studies).where(runs.c.id == run_id)
        ).first()
    if row is None:
        raise NotFound(f"no run {run_id}: see `hepanode runs list`")
    return Run(**row._mapping)


def oldest_queued_age(db: Database, now: datetime | None = None) -> float:
    """Seconds that the oldest queued run has waited, 0 for none: the sign of deaf workers."""
    with db.reading() as connection:
        oldest = connection.scalar(
            sa.select(sa.func.min(runs.c.created_at)).where(runs.c.state == "queued")
        )
    return ((now or utcnow()) - oldest).total_seconds() if oldest else 0.0
