"""Where operators pointed: read here, recorded by ``studies.point_at``, which opens the run.

A prompt is taken back, never deleted: a PACS that was told of it must be told that it is gone, so
a study that had one is another input than a study that never had.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from node.tracking.database import Database
from node.tracking.records import NewPrompt, Prompt
from node.tracking.schema import prompts, studies

VERBS = {"point": "segment", "box": "segment", "hepatorenal": "hepatorenal"}
"""By a prompt's kind the command that gives it, which is the cause of its runs."""

_COLUMNS = [prompts.c[name] for name in Prompt.__dataclass_fields__]


def of_study(connection: sa.Connection, study_id: int) -> tuple[Prompt, ...]:
    """All that a study ever had, those taken back too, in the order in which they came."""
    rows = connection.execute(
        sa.select(*_COLUMNS).where(prompts.c.study_id == study_id).order_by(prompts.c.id)
    )
    return tuple(
        Prompt(**{**row._mapping, "coordinates": tuple((x, y) for x, y in row.coordinates)})
        for row in rows
    )


def list_of(db: Database, study_instance_uid: str) -> tuple[Prompt, ...]:
    """The same by Study Instance UID; empty for an unknown study."""
    with db.reading() as connection:
        study_id = connection.scalar(
            sa.select(studies.c.id).where(studies.c.study_instance_uid == study_instance_uid)
        )
        return of_study(connection, study_id) if study_id is not None else ()


def insert(connection: sa.Connection, study_id: int, new: NewPrompt, now: datetime) -> Prompt:
    row = connection.execute(
        sa.insert(prompts)
        .values(study_id=study_id, created_at=now, **vars(new))
        .returning(prompts.c.id)
    )
    return Prompt(**vars(new), id=int(row.scalar_one()), created_at=now, taken_back_at=None)


def mark_taken_back(connection: sa.Connection, prompt_id: int, now: datetime) -> None:
    connection.execute(
        sa.update(prompts).where(prompts.c.id == prompt_id).values(taken_back_at=now)
    )
