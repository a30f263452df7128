"""``hepanode demo``: from a study to a PACS that has the results, and what it says when not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from tests.bad_input import BAD_INPUTS
from tests.cli.conftest import Node
from tests.peers import require

REPORT = "1.2.840.10008.5.1.4.1.1.88.34"
_PATIENCE = 240


def sample(name: str) -> str:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return found


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node.cli", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)


@pytest.mark.timeout(_PATIENCE + 20)
def test_a_simulated_study_comes_back_as_report_and_heatmaps(tmp_path: Path) -> None:
    done = demo("--json", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "done"
    assert told["problems"] == []
    kinds = [result["kind"] for result in told["results"]]
    assert kinds.count("report") == 1
    assert kinds.count("summary") == 1
    assert "heatmap" in kinds
    for result in told["results"]:
        stored = dcmread(result["path"])
        assert stored.SOPInstanceUID == result["sop_instance_uid"]
        assert stored.SOPClassUID == result["sop_class"]
        assert stored.StudyInstanceUID == told["study"]
        if result["kind"] in ("heatmap", "summary"):
            with Image.open(result["preview"]) as preview:
                assert preview.size == (stored.Columns, stored.Rows)
    assert {"simulate", "start", "send", "work", "total", "delivery"} <= set(told["seconds"])
    explained = tmp_path / "kept" / "hepanode.toml"
    command = ["runs", "explain", str(told["run"]), "--json", "--config", str(explained)]
    asked = subprocess.run(
        [sys.executable, "-m", "node.cli", *command], capture_output=True, text=True, timeout=60
    )
    snapshot = json.loads(asked.stdout)
    assert len(snapshot["frames"]) == 10
    assert set(snapshot["models"]) == {"lesion", "fat", "gate", "fan_liver", "joint"}


@pytest.mark.timeout(_PATIENCE + 20)
def test_a_folder_of_any_dicom_files_is_welcome(tmp_path: Path) -> None:
    source = tmp_path / "any"
    (source / "deep").mkdir(parents=True)
    shutil.copy(sample("CT_small.dcm"), source)
    shutil.copy(sample("test-SR.dcm"), source / "deep")
    BAD_INPUTS["truncated_jpeg"](source)
    done = demo(str(source), "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["problems"]) == (0, [])
    assert told["files"] == {"stored": 3, "refused": [], "skipped": []}
    assert [study["state"] for study in told["studies"]] == ["done"] * 3
    for study in told["studies"]:
        *_, result = study["results"]  # summary and document say it too
        report = dcmread(result["path"])
        assert (report.SOPClassUID, report.StudyInstanceUID) == (REPORT, study["study"])
        assert "No frame of the study could be analysed" in str(report)


@pytest.mark.timeout(_PATIENCE + 20)
def test_orthanc_can_be_the_pacs(tmp_path: Path) -> None:
    require("orthanc")
    done = demo(sample("CT_small.dcm"), "--pacs", "orthanc", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["problems"]) == (0, [])
    *_, result = told["results"]
    assert dcmread(result["path"]).SOPInstanceUID == result["sop_instance_uid"]
    assert dcmread(result["path"]).SOPClassUID == REPORT


@pytest.mark.timeout(_PATIENCE + 20)
def test_a_held_study_is_said_and_exits_1(tmp_path: Path) -> None:
    source = tmp_path / "two"
    source.mkdir()
    dataset = dcmread(sample("CT_small.dcm"))
    for number, patient in enumerate(("P1", "P2"), start=1):
        dataset.PatientID = patient
        dataset.SOPInstanceUID = f"1.2.3.{number}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(source / f"{number}.dcm")
    (source / "readme.txt").write_text("nothing to see")
    done = demo(str(source), "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["state"], told["run"], told["results"]) == ("held", None, [])
    assert "2 different Patient IDs" in told["problems"][0]
    assert told["files"]["stored"] == 2
    assert [Path(skipped["path"]).name for skipped in told["files"]["skipped"]] == ["readme.txt"]


def test_a_folder_with_something_in_it_is_not_kept_in(node: Node) -> None:
    answer = node("demo", "--keep", str(node.config.parent))
    assert answer.status == 2
    assert "new or empty" in answer.err
