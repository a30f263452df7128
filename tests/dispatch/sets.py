"""Result sets that wait for delivery: rows as a worker commits them, and real small objects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    SegmentationStorage,
    generate_uid,
)

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


_CLASSES = {
    "heatmap": SC,
    "segmentation": SegmentationStorage,
    "summary": SC,
    "report": SR,
    "rejection": KeyObjectSelectionDocumentStorage,
}


def waiting_set(
    db: Database,
    data: Path,
    *,
    captures: int = 2,
    kinds: Sequence[str] = (),
    files: Sequence[Path] = (),
    wanted: Sequence[str] = ("heatmap", "report"),
    destinations: tuple[str, ...] = ("pacs",),
) -> list[str]:
    """The SOP Instance UIDs of some captures and a report that are due now, in order.

    kinds : other objects than those. files : in ``data``, captures and a report, in their place.
    wanted : the kinds that the destinations get.
    """
    claim = claimed_run(db)
    InstanceStore(data).prepare()
    made = kinds or (*["heatmap"] * (len(files) - 1 if files else captures), "report")
    study = claim.study_instance_uid
    stored = files or [a_file(data, _CLASSES[kind], study=study) for kind in made]
    objects = [result_of(*one) for one in zip(stored, made, strict=True)]
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


def a_file(folder: Path, sop_class: str, *, study: str = "", padding: int = 0) -> Path:
    """A small DICOM file, called by its SOP Instance UID, or one larger by ``padding`` bytes."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study or generate_uid(), generate_uid()
    dataset.PatientID = "P"
    if padding:
        dataset.DataSetTrailingPadding = bytes(padding + padding % 2)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def result_of(file: Path, kind: str) -> NewResult:
    """The row of a result in ``file``, in the data folder itself."""
    dataset = dcmread(file)
    return NewResult(
        kind=kind,
        sop_class_uid=dataset.SOPClassUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        path=file.name,
        size=file.stat().st_size,
    )
