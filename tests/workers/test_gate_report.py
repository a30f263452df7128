"""A photograph that somebody sends as ultrasound, from the stored file to the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from sklearn.datasets import load_sample_image

from models.registry import load_bundle
from node.association.wrap import Study
from node.settings import Analysis, Settings, Storage
from node.tracking import Database, instances, results, runs, studies
from tests.tracking.arrivals import instance
from workers.perform import Performer
from workers.results.identity import weights_uid
from workers.stages import Stages


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data=tmp_path / "data",
        storage=Storage(min_free_mib=0),
        analysis=Analysis(device="cpu", threads=1),
    )


def meanings(item: Dataset) -> list[str]:
    """Every coded meaning and text of a content tree."""
    found = [item.TextValue] if "TextValue" in item else []
    for name in ("ConceptNameCodeSequence", "ConceptCodeSequence"):
        found += [code.CodeMeaning for code in item.get(name, ())]
    return found + [text for child in item.get("ContentSequence", ()) for text in meanings(child)]


def test_the_report_of_a_photograph_says_that_no_liver_was_seen_and_which_model_says_so(
    db: Database, settings: Settings, tmp_path: Path
) -> None:
    picture, uid = tmp_path / "china.png", ""
    Image.fromarray(load_sample_image("china.jpg")).convert("L").save(picture)
    wrapped = Study(patient_id="X")
    folder = settings.data / "instances" / wrapped.study_uid
    folder.mkdir(parents=True)
    (settings.data / "incoming").mkdir()
    uid = wrapped.wrap(picture, folder / "1.dcm")
    record = instance(
        study=wrapped.study_uid,
        sop_instance_uid=uid,
        series_instance_uid=wrapped.series_uid,
        path=str((folder / "1.dcm").relative_to(settings.data)),
    )
    instances.record(db, record)
    studies.close_quiet(db, 1e-6)
    (run_id,) = runs.publishable(db, window=9, republish_seconds=600)
    claim = runs.claim(db, run_id, worker="w/1", lease_seconds=600)
    assert claim is not None
    assert Performer(settings, db).perform(claim, Stages())
    summary, document, made = results.of_study(db, wrapped.study_uid)
    assert (summary.kind, document.kind) == ("summary", "document")
    report = dcmread(settings.data / made.path)
    said = meanings(report)
    assert {"Study not answered", "Does not look like a liver", "of 1 frames none"} <= set(said)
    assert any(text.startswith("score ") for text in said)
    gate = load_bundle("gate")
    devices = [one.DeviceUID for one in report.ContributingEquipmentSequence]
    assert weights_uid(gate.digest) in devices
    snapshot = runs.get(db, run_id).snapshot or {}
    assert [drop["reason"] for drop in snapshot["dropped"]] == ["not-liver"]
    assert snapshot["models"]["gate"]["digest"] == gate.digest
