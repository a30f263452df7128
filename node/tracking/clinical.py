"""Clinical and ultrasonic factors that somebody entered for a study: one row each.

A row is what holds now; who changed it, when, and what held before are in the audit table. Names
and answers are texts here: ``models.factors`` says which there are, and who enters them checks.
A run does not read them yet (see ``workers.clinical``), so that a change opens none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from node.errors import NotFound, TrackingError
from node.tracking import audit
from node.tracking.database import Database, utcnow
from node.tracking.records import ClinicalFactor
from node.tracking.schema import clinical_factors, studies


def change(
    db: Database,
    study_instance_uid: str,
    answers: Mapping[str, str | None],
    now: datetime | None = None,
) -> None:
    """Enter factors of a study by name, or take back those whose answer is None.

    What differs from before is audited, in the same transaction; the same again changes nothing.
    Raises NotFound for an unknown study, TrackingError when something is entered for a study that
    is held: nobody knows of which patient.
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
        mine = clinical_factors.c.study_id == study.id
        before = {
            row.name: row.answer
            for row in connection.execute(sa.select(clinical_factors).where(mine))
        }
        for name, answer in answers.items():
            if before.get(name) == answer:
                continue
            connection.execute(
                sa.delete(clinical_factors).where(mine, clinical_factors.c.name == name)
            )
            if answer is not None:
                connection.execute(
                    sa.insert(clinical_factors).values(study_id=study.id, name=name, answer=answer)
                )
            detail = f"{name}: {before.get(name, 'not known')} -> {answer or 'not known'}"
            audit.add(connection, "clinical", study_instance_uid, detail, at)


def of_study(db: Database, study_instance_uid: str) -> tuple[ClinicalFactor, ...]:
    """What was entered for a study and not taken back, by name."""
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(clinical_factors.c.name, clinical_factors.c.answer)
            .join(studies, studies.c.id == clinical_factors.c.study_id)
            .where(studies.c.study_instance_uid == study_instance_uid)
            .order_by(clinical_factors.c.name)
        )
        return tuple(ClinicalFactor(**row._mapping) for row in rows)
