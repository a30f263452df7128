"""Two versions of one study's results on record, with their files, and a study without results."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian

from node.dispatch.older_form import form_uid, older_form
from node.identity import series_uid, uid
from node.tracking import Claim, Database, NewResult, deliveries, instances, results, studies
from node.tracking.migrate import upgrade
from tests.cli.records import REPORT, ROOT, SECONDARY_CAPTURE, US, received, take

STUDY = f"{ROOT}.4444444444444444444444444444"
OTHER = f"{ROOT}.5555555555555555555555555555"
FIRST, LATE = f"{STUDY}.1.1", f"{STUDY}.1.2"
PATIENT = "Nightingale^Florence"

_MODEL = {"name": "lesion-attention", "validation_status": "on public data", "figures": ""}


def _frame(instance: str, number: int = 1) -> dict[str, Any]:
    return {
        "sop_instance_uid": instance,
        "sop_class_uid": US,
        "series_instance_uid": f"{STUDY}.1",
        "number": number,
        "number_of_frames": 1,
    }


def _lesion(instance: str, tracking_id: str, long_mm: float) -> dict[str, Any]:
    return {
        "tracking_id": tracking_id,
        "sop_instance_uid": instance,
        "frame": 1,
        "probabilities": {"lesion": 0.8},
        "outline": [[1, 2], [3, 4], [5, 6]],
        "outline_kind": "segmentation",
        "diameters": {"long_mm": long_mm, "short_mm": 12.0},
        "area_pixels": 1200,
        "area_mm2": 300.0,
        "readings": [{"model": "lesion-joint", "probabilities": {"malignant": 0.5}}],
        "seen_in": [1],
    }


def _reading(instance: str, lesion: float) -> dict[str, Any]:
    return {"sop_instance_uid": instance, "frame": 1, "probabilities": {"lesion": lesion}}


BEFORE: dict[str, Any] = {
    "version": 1,
    "frames": [_frame(FIRST)],
    "dropped": [],
    "prompts": [],
    "factors": {},
    "models": {"lesion": _MODEL | {"version": "1.0", "digest": "ab" * 32}},
    "settings": {"frames_per_cine": 16, "key_frames": 4},
    "code": {"hepanode": "0.1.0", "format": 3},
    "findings": {
        "readings": [_reading(FIRST, 0.8)],
        "answer": {"sentences": ["Lesion suspected in 1 of 1 frame."]},
        "lesions": [_lesion(FIRST, "lesion 1", 20.0)],
        "fat": {
            "fat_percent": 12.34,
            "p_5": 0.91,
            "p_10": 0.6,
            "views": [],
            "frames_of_unknown_view": 1,
        },
        "thresholds": {"lesion": 0.5},
        "abstentions": [],
    },
    "notes": [],
}


def _after() -> dict[str, Any]:
    """A late instance, other weights, another setting; what was lesion 1 is lesion 2 now."""
    record = deepcopy(BEFORE)
    record["version"] = 2
    record["frames"].append(_frame(LATE))
    record["dropped"] = [
        {"sop_instance_uid": LATE, "number": 2, "reason": "doppler", "detail": "data type 3"}
    ]
    record["models"]["lesion"] |= {"version": "1.1", "digest": "cd" * 32}
    record["settings"]["key_frames"] = 6
    found = record["findings"]
    found["readings"] = [_reading(FIRST, 0.75), _reading(LATE, 0.9)]
    found["lesions"] = [_lesion(LATE, "lesion 1", 31.0), _lesion(FIRST, "lesion 2", 21.5)]
    found["answer"] = {"sentences": ["Lesion suspected in 2 of 2 frames."]}
    found["fat"]["fat_percent"] = None
    return record


AFTER = _after()


@dataclass(frozen=True)
class Versions:
    """first, second : result objects, the report last; older : SOP Instance UID of the form in
    which the PACS has the first report; runs : of the versions, and of ``OTHER``, which failed"""

    first: tuple[NewResult, ...]
    second: tuple[NewResult, ...]
    older: str
    runs: tuple[int, int, int]
    data: Path


def two_versions(db: Database, data: Path) -> Versions:
    """Upgrade an empty database and fill it."""
    upgrade(db)
    for folder in ("incoming", "results"):
        (data / folder).mkdir(parents=True)
    instances.record(db, received(STUDY, 1))
    studies.close_quiet(db, 1e-6)
    claim = take(db)
    first = _finish(db, claim, data, 1, BEFORE)
    older = _deliver(db, data, first[-1])
    instances.record(db, received(STUDY, 2))
    studies.close_quiet(db, 1e-6)
    late = take(db)
    second = _finish(db, late, data, 2, AFTER)
    instances.record(db, received(OTHER, 1))
    ((closed),) = studies.close_quiet(db, 1e-6)
    assert closed.run_id is not None
    return Versions(first, second, older, (claim.run_id, late.run_id, closed.run_id), data)


def _finish(
    db: Database, claim: Claim, data: Path, version: int, record: dict[str, Any]
) -> tuple[NewResult, ...]:
    objects = tuple(
        _write(data, version, kind, sop_class, number)
        for kind, sop_class, number in (
            ("heatmap", SECONDARY_CAPTURE, 1),
            ("heatmap", SECONDARY_CAPTURE, 2),
            ("report", REPORT, 1),
        )
    )
    assert results.finish(
        db,
        claim,
        result_key=f"{version:064}",
        version=version,
        objects=objects,
        destinations={"pacs": ("heatmap", "report")},
        snapshot=record,
        timings={"lesion": 2.4},
    )
    return objects


def _write(data: Path, version: int, kind: str, sop_class: str, number: int) -> NewResult:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid(STUDY, version, kind, number)
    dataset.StudyInstanceUID = STUDY
    dataset.SeriesInstanceUID = series_uid(uid(STUDY, version, kind, 1))
    dataset.SeriesNumber = 9000 + 100 * version + (1 if kind == "heatmap" else 9)
    dataset.SeriesDescription = f"AI {kind}, not reviewed" + " (version 2)" * (version > 1)
    dataset.InstanceNumber = number
    dataset.PatientName, dataset.PatientID = PATIENT, "P1"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = f"results/{STUDY}/{dataset.SOPInstanceUID}.dcm"
    (data / path).parent.mkdir(exist_ok=True)
    dcmwrite(data / path, dataset, enforce_file_format=True)
    content = (data / path).read_bytes()
    return NewResult(
        kind=kind,
        sop_class_uid=sop_class,
        series_instance_uid=str(dataset.SeriesInstanceUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        path=path,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _deliver(db: Database, data: Path, report: NewResult) -> str:
    """The PACS takes no Comprehensive 3D SR: it gets the report as Comprehensive SR."""
    *_, refused = deliveries.claim_set(db, "pacs", lease_seconds=30)
    form = form_uid(report.sop_instance_uid, ComprehensiveSRStorage)
    path = f"results/{STUDY}/{form}.dcm"
    (data / path).write_bytes(older_form(data / report.path, ComprehensiveSRStorage)[1])
    deliveries.replaced(db, refused, ComprehensiveSRStorage, series_uid(form), form, path)
    for one in deliveries.list_deliveries(db):
        deliveries.sent(db, one.id, 0)
    return form
