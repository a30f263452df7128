"""When is a study complete, and may it be analysed: ``receiving`` ▶ ``complete`` or ``held``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from node.errors import NotFound, TrackingError
from node.tracking import clinical, prompts
from node.tracking.associations import is_open
from node.tracking.database import Database, utcnow
from node.tracking.patients import disagreement
from node.tracking.records import NewPrompt, Prompt, Study
from node.tracking.runs import open_run
from node.tracking.schema import associations, conflicts, instances, runs, studies

_COUNTS = (
    sa.select(sa.func.count())
    .where(instances.c.study_id == studies.c.id)
    .scalar_subquery()
    .label("instances"),
    sa.select(sa.func.count())
    .where(conflicts.c.study_instance_uid == studies.c.study_instance_uid)
    .scalar_subquery()
    .label("conflicts"),
    sa.select(sa.func.count())
    .where(runs.c.study_id == studies.c.id)
    .scalar_subquery()
    .label("runs"),
    sa.select(runs.c.state)
    .where(runs.c.study_id == studies.c.id)
    .order_by(runs.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("last_run_state"),
)


def list_studies(db: Database, *, state: str | None = None, limit: int = 100) -> tuple[Study, ...]:
    """The studies that arrived last, newest first."""
    query = sa.select(studies, *_COUNTS).order_by(studies.c.last_instance_at.desc()).limit(limit)
    if state is not None:
        query = query.where(studies.c.state == state)
    with db.reading() as connection:
        return tuple(Study(**row._mapping) for row in connection.execute(query))


def get(db: Database, study_instance_uid: str) -> Study:
    """Raises NotFound for a study that never arrived."""
    with db.reading() as connection:
        row = connection.execute(
            sa.select(studies, *_COUNTS).where(studies.c.study_instance_uid == study_instance_uid)
        ).first()
    if row is None:
        raise NotFound(f"no study {study_instance_uid}: see `hepanode studies list`")
    return Study(**row._mapping)


def resolve(db: Database, part: str) -> str:
    """The Study Instance UID that ``part`` is, begins or ends; nobody types 64 digits.

    Raises NotFound when no study or more than one fits.
    """
    uid = studies.c.study_instance_uid
    with db.reading() as connection:
        if connection.scalar(sa.select(uid).where(uid == part)) is not None:
            return part
        fitting = sa.or_(uid.startswith(part, autoescape=True), uid.endswith(part, autoescape=True))
        found = connection.scalars(sa.select(uid).where(fitting).order_by(uid).limit(4)).all()
    if not found:
        raise NotFound(f"no study {part}: see `hepanode studies list`")
    if len(found) > 1:
        raise NotFound(f"more than one study is meant by {part}, as {found[0]} and {found[1]}")
    return str(found[0])


@dataclass(frozen=True)
class Closed:
    """A study that became complete (``run_id``) or was held (``run_id`` None, ``reason``)."""

    study_instance_uid: str
    run_id: int | None
    reason: str


def close_quiet(db: Database, quiet_seconds: float, now: datetime | None = None) -> list[Closed]:
    """Close the studies that have been silent for the quiet period and open a run for each.

    A study stays open while an association that sent to it is open. A study with two Patient
    IDs is held. Safe beside another dispatcher: every step is conditional on what was read.
    """
    at = now or utcnow()
    feeding = sa.exists().where(
        instances.c.study_id == studies.c.id,
        instances.c.association_id == associations.c.id,
        is_open(at),
    )
    with db.reading() as connection:
        silent = connection.execute(
            sa.select(studies.c.id, studies.c.study_instance_uid, studies.c.last_instance_at)
            .where(
                studies.c.state == "receiving",
                studies.c.last_instance_at <= at - timedelta(seconds=quiet_seconds),
                ~feeding,
            )
            .order_by(studies.c.urgent.desc(), studies.c.last_instance_at)
            .limit(100)
        ).all()
    closed = (
        _close(db, row.id, row.study_instance_uid, row.last_instance_at, at) for row in silent
    )
    return [study for study in closed if study is not None]


def _close(
    db: Database, study_id: int, uid: str, last_instance_at: datetime, now: datetime
) -> Closed | None:
    with db.writing() as connection:
        reason = disagreement(connection, study_id)
        changed = connection.execute(
            sa.update(studies)
            .where(
                studies.c.id == study_id,
                studies.c.state == "receiving",
                studies.c.last_instance_at == last_instance_at,
            )
            .values(state="held" if reason else "complete", reason=reason)
        )
        if changed.rowcount == 0:
            return None
        if reason:
            connection.execute(
                sa.update(runs)
                .where(runs.c.study_id == study_id, runs.c.state == "queued")
                .values(state="superseded", error=reason, finished_at=now)
            )
            return Closed(uid, None, reason)
        return Closed(uid, open_run(connection, study_id, None, now), "")


def reprocess(db: Database, study_instance_uid: str, now: datetime | None = None) -> int:
    """Open a new run for a study that is complete; its id.

    Raises NotFound for an unknown study, TrackingError for one that is held or still arriving.
    """
    with db.writing() as connection:
        study_id = _complete(connection, study_instance_uid)
        return open_run(connection, study_id, "reprocess", now or utcnow())


def point_at(
    db: Database, study_instance_uid: str, new: NewPrompt, now: datetime | None = None
) -> tuple[Prompt, int | None]:
    """Record a prompt and open a run, which reads what it and the earlier ones point at.

    The prompt with the new run's id; one that stands already is given back with None, and nothing
    is done. Raises as ``reprocess`` does.
    """
    at = now or utcnow()
    with db.writing() as connection:
        study_id = _complete(connection, study_instance_uid)
        for known in prompts.of_study(connection, study_id):
            if known.taken_back_at is None and _same(known, new):
                return known, None
        made = prompts.insert(connection, study_id, new, at)
        return made, open_run(connection, study_id, prompts.VERBS[new.kind], at)


def enter(
    db: Database,
    study_instance_uid: str,
    answers: Mapping[str, str | None],
    now: datetime | None = None,
) -> int | None:
    """Enter clinical factors of a study by name, or take back those whose answer is None.

    The id of the run that this opens: only of a complete study with something outlined in a box,
    for nothing else reads them, and only where an answer changes. Raises NotFound for an unknown
    study, TrackingError when something is entered for one that is held: nobody knows of which
    patient.
    """
    at = now or utcnow()
    with db.writing() as connection:
        study = connection.execute(
            sa.select(studies.c.id, studies.c.state, studies.c.reason)
            .where(studies.c.study_instance_uid == study_instance_uid)
            .with_for_update(key_share=True)  # two at once change it one after the other
        ).first()
        if study is None:
            raise NotFound(f"no study {study_instance_uid}: see `hepanode studies list`")
        if study.state == "held" and any(answer is not None for answer in answers.values()):
            raise TrackingError(f"study {study_instance_uid} is held: {study.reason}")
        changed = clinical.write(connection, study.id, study_instance_uid, answers, at)
        read = any(
            one.kind == "box" and one.taken_back_at is None
            for one in prompts.of_study(connection, study.id)
        )
        if not (changed and read and study.state == "complete"):
            return None
        return open_run(connection, study.id, "clinical", at)


def take_back(
    db: Database, study_instance_uid: str, prompt_id: int, now: datetime | None = None
) -> int:
    """Take a prompt back and open a run without it; the run's id.

    Raises NotFound, naming those that stand, and else as ``reprocess`` does.
    """
    at = now or utcnow()
    with db.writing() as connection:
        study_id = _complete(connection, study_instance_uid)
        standing = {
            one.id: one
            for one in prompts.of_study(connection, study_id)
            if one.taken_back_at is None
        }
        if prompt_id not in standing:
            raise NotFound(
                f"study {study_instance_uid} has no prompt {prompt_id} to take back; there "
                + (f"stand {', '.join(map(str, standing))}" if standing else "stands none")
            )
        prompts.mark_taken_back(connection, prompt_id, at)
        return open_run(connection, study_id, prompts.VERBS[standing[prompt_id].kind], at)


def _same(known: Prompt, new: NewPrompt) -> bool:
    return all(getattr(known, name) == value for name, value in vars(new).items())


def _complete(connection: sa.Connection, study_instance_uid: str) -> int:
    """The id of a complete study, locked: two at once open one run after the other."""
    row = connection.execute(
        sa.select(studies.c.id, studies.c.state, studies.c.reason)
        .where(studies.c.study_instance_uid == study_instance_uid)
        .with_for_update(key_share=True)
    ).first()
    if row is None:
        raise NotFound(f"no study {study_instance_uid}: see `hepanode studies list`")
    if row.state == "held":
        raise TrackingError(f"study {study_instance_uid} is held: {row.reason}")
    if row.state == "receiving":
        raise TrackingError(
            f"study {study_instance_uid} is still arriving: it is analysed when it is complete"
        )
    return int(row.id)
