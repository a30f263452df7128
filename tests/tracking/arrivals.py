"""Rows as the receiver and a worker would write them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from node.tracking import (
    Claim,
    Database,
    NewResult,
    ReceivedInstance,
    instances,
    results,
    runs,
    studies,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
STUDY = "1.2.826.0.1.1"
SR = "1.2.840.10008.5.1.4.1.1.88.34"
SC = "1.2.840.10008.5.1.4.1.1.7"
KO = "1.2.840.10008.5.1.4.1.1.88.59"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def instance(number: int = 1, study: str = STUDY, **changes: object) -> ReceivedInstance:
    made = ReceivedInstance(
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        sop_instance_uid=f"{study}.1.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.6.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        patient_id="PID-1",
        modality="US",
        path=f"instances/{study}/{study}.1.{number}.dcm",
        size=1000,
        calling_ae="US1",
        association_id=None,
        urgent=False,
        own_result=False,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def arrive(db: Database, *received: ReceivedInstance, seconds: float = 0) -> None:
    for one in received or (instance(),):
        instances.record(db, one, at(seconds))


def complete_run(db: Database, study: str = STUDY, seconds: float = 0, **changes: object) -> int:
    """A study of one instance, closed after its quiet period; its run."""
    arrive(db, instance(study=study, **changes), seconds=seconds)
    closed = studies.close_quiet(db, 10, at(seconds + 11))
    (mine,) = [one for one in closed if one.study_instance_uid == study]
    assert mine.run_id is not None
    return mine.run_id


def publish(db: Database, seconds: float, window: int = 4) -> list[int]:
    return runs.publishable(db, window=window, republish_seconds=30, now=at(seconds))


def claim(db: Database, run_id: int, seconds: float, worker: str = "w1") -> Claim | None:
    return runs.claim(db, run_id, worker=worker, lease_seconds=60, now=at(seconds))


def finish(
    db: Database,
    claimed: Claim,
    key: str = "k1",
    version: int = 1,
    seconds: float = 20,
    *,
    note: bool = False,
) -> bool:
    """End a run with one heatmap and one report for the destinations 'pacs' and 'archive'.

    note : the first of them gets a rejection note too.
    """
    uid = f"{claimed.study_instance_uid}.9.{version}"
    objects = [
        NewResult("heatmap", SC, f"{uid}.1", f"{uid}.1.1", f"results/{uid}.1.1.dcm", 10),
        NewResult("report", SR, f"{uid}.2", f"{uid}.2.1", f"results/{uid}.2.1.dcm", 20),
    ]
    if note:
        objects += [NewResult("rejection", KO, f"{uid}.3", f"{uid}.3.1", f"results/{uid}.dcm", 30)]
    return results.finish(
        db,
        claimed,
        result_key=key,
        version=version,
        objects=objects,
        destinations={"pacs": ("heatmap", "report", "rejection"), "archive": ("report",)},
        snapshot={"frames": []},
        timings={"lesion": 1.5},
        now=at(seconds),
    )


def finished_run(db: Database) -> Claim:
    run_id = complete_run(db)
    publish(db, 12)
    claimed = claim(db, run_id, 12)
    assert claimed is not None
    assert finish(db, claimed)
    return claimed


def reprocessed(db: Database, seconds: float = 30) -> Claim:
    """Another run of ``STUDY``, which a worker holds."""
    run_id = studies.reprocess(db, STUDY, at(seconds))
    publish(db, seconds + 1)
    claimed = claim(db, run_id, seconds + 1)
    assert claimed is not None
    return claimed
