"""Result sets that wait for delivery: rows as a worker commits them, and real small objects."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from node.storage import InstanceStore
from node.tracking import Claim, Database, NewResult, results, runs, studies
from tests.tracking.arrivals import SC, SR, arrive, instance

_NUMBERS = count(1)


def published_run(db: Database) -> int:
    """A run that waits for a worker, of a new study of one instance."""
    arrive(db, instance(study=f"1.2.826.0.2.{next(_NUMBERS)}"))
    (closed,) = studies.close_quiet(db, 1)
    (run_id,) = runs.publishable(db, window=100, republish_seconds=600)
    assert run_id == closed.run_id
    return run_id


def claimed_run(db: Database, *, lease_seconds: float = 600) -> Claim:
    """A run that a worker holds, of a new study of one instance."""
    run_id = published_run(db)
    claim = runs.claim(db, run_id, worker="w/1", lease_seconds=lease_seconds)
    assert claim is not None
    return claim


def waiting_set(
    db: Database, data: Path, *, captures: int = 2, destinations: tuple[str, ...] = ("pacs",)
) -> list[str]:
    """The SOP Instance UIDs of some captures and a report that are due now, in order."""
    claim = claimed_run(db)
    InstanceStore(data).prepare()
    objects = [_object(data, "heatmap", SC) for _ in range(captures)]
    objects.append(_object(data, "report", SR))
    assert results.finish(
        db,
        claim,
        result_key=f"key-{next(_NUMBERS)}",
        version=1,
        objects=objects,
        destinations=dict.fromkeys(destinations, ("heatmap", "report")),
        snapshot={},
        timings={},
    )
    return [made.sop_instance_uid for made in objects]


def _object(data: Path, kind: str, sop_class: str) -> NewResult:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientID = "P"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = data / f"{dataset.SOPInstanceUID}.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    return NewResult(
        kind=kind,
        sop_class_uid=sop_class,
        series_instance_uid=dataset.SeriesInstanceUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        path=path.name,
        size=path.stat().st_size,
    )
