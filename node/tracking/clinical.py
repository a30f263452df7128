"""Clinical and ultrasonic factors that somebody entered for a study: one row each.

A row is what holds now; who changed it, when, and what held before are in the audit table. Names
and answers are texts here: ``models.factors`` says which there are, and who enters them checks.
They are recorded by ``studies.enter``, which opens a run where one may read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from node.tracking import audit
from node.tracking.database import Database
from node.tracking.records import ClinicalFactor
from node.tracking.schema import clinical_factors, studies


def of_study(connection: sa.Connection, study_id: int) -> tuple[ClinicalFactor, ...]:
    """What was entered for a study and not taken back, by name."""
    rows = connection.execute(
        sa.select(clinical_factors.c.name, clinical_factors.c.answer)
        .where(clinical_factors.c.study_id == study_id)
        .order_by(clinical_factors.c.name)
    )
    return tuple(ClinicalFactor(**row._mapping) for row in rows)


def list_of(db: Database, study_instance_uid: str) -> tuple[ClinicalFactor, ...]:
    """The same by Study Instance UID; empty for an unknown study."""
    with db.reading() as connection:
        study_id = connection.scalar(
            sa.select(studies.c.id).where(studies.c.study_instance_uid == study_instance_uid)
        )
        return of_study(connection, study_id) if study_id is not None else ()


def write(
    connection: sa.Connection,
    study_id: int,
    study_instance_uid: str,
    answers: Mapping[str, str | None],
    now: datetime,
) -> bool:
    """Enter answers by name, or take back those that are None; whether anything differs now.

    The study's row is locked. What differs is audited; the same again changes nothing.
    """
    before = {factor.name: factor.answer for factor in of_study(connection, study_id)}
    changed = {name: answer for name, answer in answers.items() if before.get(name) != answer}
    for name, answer in changed.items():
        connection.execute(
            sa.delete(clinical_factors).where(
                clinical_factors.c.study_id == study_id, clinical_factors.c.name == name
            )
        )
        if answer is not None:
            connection.execute(
                sa.insert(clinical_factors).values(study_id=study_id, name=name, answer=answer)
            )
        detail = f"{name}: {before.get(name, 'not known')} -> {answer or 'not known'}"
        audit.add(connection, "clinical", study_instance_uid, detail, now)
    return bool(changed)
