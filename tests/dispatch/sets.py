"""Result sets that wait for delivery: rows as a worker commits them, and real small objects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage, generate_uid

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


_CLASSES = {"heatmap": SC, "segmentation": SegmentationStorage, "summary": SC, "report": SR}


def waiting_set(
    db: Database,
    data: Path,
    *,
    captures: int = 2,
    kinds: Sequence[str] = (),
    wanted: Sequence[str] = ("heatmap", "report"),
    destinations: tuple[str, ...] = ("pacs",),
) -> list[str]:
    """The SOP Instance UIDs of some captures and a report that are due now, in order.

    kinds : other objects than those. wanted : the kinds that the destinations get.
    """
    claim = claimed_run(db)
    InstanceStore(data).prepare()
    made = kinds or (*["heatmap"] * captures, "report")
    objects = [_object(data, claim.study_instance_uid, kind) for kind in made]
    assert results.finish(
        db,
        claim,
        result_key=f"key-{next(_NUMBERS)}",
        version=1,
        objects=objects,
        destinations=dict.fromkeys(destinations, wanted),
        snapshot={},
        timings={},
    )
    return [made.sop_instance_uid for made in objects]


def _object(data: Path, study: str, kind: str) -> NewResult:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = _CLASSES[kind], generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, generate_uid()
    dataset.PatientID = "P"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = data / f"{dataset.SOPInstanceUID}.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    return NewResult(
        kind=kind,
        sop_class_uid=_CLASSES[kind],
        series_instance_uid=dataset.SeriesInstanceUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        path=path.name,
        size=path.stat().st_size,
    )
