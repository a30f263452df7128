"""Whose study is it: objects of two patients under one Study Instance UID are never analysed."""

from __future__ import annotations

import sqlalchemy as sa

from node.tracking.schema import conflicts, instances, studies


def disagreement(connection: sa.Connection, study_id: int) -> str:
    """Why a study must not be analysed; empty when its objects agree on one patient.

    What was put aside as a conflict counts: it came under this study too. An object without a
    Patient ID disagrees with nobody, for vendors' reports often have none, nor does a result of
    this node: a PACS may have coerced its Patient ID on the way back.
    """
    study_uid = sa.select(studies.c.study_instance_uid).where(studies.c.id == study_id)
    patients = sa.union(
        sa.select(instances.c.patient_id).where(
            instances.c.study_id == study_id,
            instances.c.patient_id != "",
            ~instances.c.own_result,
        ),
        sa.select(conflicts.c.patient_id).where(
            conflicts.c.study_instance_uid == study_uid.scalar_subquery(),
            conflicts.c.patient_id != "",
        ),
    ).subquery()
    number = connection.scalar(sa.select(sa.func.count()).select_from(patients)) or 0
    if number < 2:
        return ""
    return (
        f"{number} different Patient IDs under one Study Instance UID: correct the patient at "
        "the modality and send the study again under a new Study Instance UID"
    )


def lock(connection: sa.Connection, study_id: int) -> bool:
    """Let nobody change the study's state before the transaction ends; whether it is held.

    FOR NO KEY UPDATE: objects of the study can still be recorded meanwhile.
    """
    state = connection.scalar(
        sa.select(studies.c.state).where(studies.c.id == study_id).with_for_update(key_share=True)
    )
    return state == "held"
