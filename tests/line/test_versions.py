"""What the PACS holds when a study is read again: nothing new, or a version that names the last."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from node.tracking import Result, instances
from tests.bundles import write_bundles
from tests.line.conftest import analysis_section
from tests.line.modality import new_study, store, study_of, uid_of
from tests.line.node import Node, running
from tests.line.outcome import assert_pacs_agrees, at_pacs, reports
from tests.orthanc import Orthanc, orthanc
from tests.peers import dcmtk

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Site:
    node: Node
    pacs: Orthanc
    bundles: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("versions")
    bundles = write_bundles(folder / "bundles", seed=1)
    with orthanc(folder / "pacs") as pacs:
        node = Node(folder / "node", pacs=[pacs], extra=analysis_section(bundles))
        with running(node, "up"):
            yield Site(node, pacs, bundles)
            assert_pacs_agrees(node, pacs)


def read(site: Site, files: list[Path]) -> str:
    """Send, and wait until the results are at the PACS; the study."""
    store(site.node.port, files)
    _settle(site, len(site.node.runs()) + 1)
    return study_of(files[0])


def reprocess(site: Site, study: str) -> None:
    runs = len(site.node.runs())
    done = site.node.cli("studies", "reprocess", study)
    assert done.returncode == 0, done.stderr
    _settle(site, runs + 1)


def _settle(site: Site, runs: int) -> None:
    site.node.until(site.node.runs_ended(runs))
    site.node.until(site.node.all_sent)


def predecessors(site: Site, report: Result) -> list[str]:
    """The SOP Instance UIDs that a report at the PACS says it follows (PS3.3 C.17.2)."""
    return [
        str(instance.ReferencedSOPInstanceUID)
        for study in at_pacs(site.pacs, report).get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


def rejected(site: Site, note: Result) -> set[str]:
    """The SOP Instance UIDs that a rejection note at the PACS names (PS3.16 TID 2010)."""
    assert note.kind == "rejection"
    return {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for item in at_pacs(site.pacs, note).ContentSequence
        if item.ValueType in ("IMAGE", "COMPOSITE")
    }


def sendings(site: Site) -> list[tuple[object, ...]]:
    """What was sent, how often and when; not what the PACS answers for meanwhile."""
    found = site.node.deliveries()
    return [(one.id, one.sop_instance_uid, one.attempts, one.sent_at) for one in found]


def test_reading_a_study_again_twice_makes_nothing_and_sends_nothing(
    site: Site, tmp_path: Path
) -> None:
    study = read(site, new_study(tmp_path, images=2))
    made, sent, held = site.node.results(study), sendings(site), site.pacs.stored()
    for _ in range(2):
        reprocess(site, study)
    assert [run.state for run in site.node.runs()[-3:]] == ["done"] * 3
    assert len({run.result_key for run in site.node.runs()[-3:]}) == 1
    assert site.node.results(study) == made
    assert sendings(site) == sent
    assert site.pacs.stored() == held


def test_other_weights_make_new_objects_that_name_the_old_ones_which_stay_untouched(
    site: Site, tmp_path: Path
) -> None:
    study = read(site, new_study(tmp_path, images=2))
    old = site.node.results(study)
    before = {one.sop_instance_uid: digest(site, one) for one in old}
    write_bundles(site.bundles, seed=2, version="0.0.2")
    reprocess(site, study)
    new = [one for one in site.node.results(study) if one.version == 2]
    *others, rejection = [one for one in new if one.kind != "report"]
    assert len(others) == len(old) - 1
    assert not {one.sop_instance_uid for one in new} & set(before)
    assert not {one.series_instance_uid for one in new} & {one.series_instance_uid for one in old}
    first, second = reports(site.node, study)
    assert predecessors(site, first) == []
    assert predecessors(site, second) == [first.sop_instance_uid]
    assert {one.sop_instance_uid: digest(site, one) for one in old} == before
    assert "0.0.2" in at_pacs(site.pacs, second).to_json()
    assert rejected(site, rejection) == set(before)


def digest(site: Site, result: Result) -> str:
    """Of the object as the PACS gives it back."""
    return hashlib.sha256(site.pacs.file(result.sop_instance_uid)).hexdigest()


def test_a_late_instance_makes_a_new_version_over_all_that_there_is(
    site: Site, tmp_path: Path
) -> None:
    early, late = new_study(tmp_path, images=2)
    study = read(site, [early])
    assert read(site, [late]) == study
    first, second = site.node.runs()[-2:]
    assert (first.cause, second.cause) == ("received", "late-instance")
    assert second.snapshot is not None
    used = {frame["sop_instance_uid"] for frame in second.snapshot["frames"]}
    assert used == {uid_of(early), uid_of(late)}
    old, new = reports(site.node, study)
    assert (old.version, new.version) == (1, 2)
    assert predecessors(site, new) == [old.sop_instance_uid]


def test_results_that_come_back_are_stored_and_not_read(site: Site, tmp_path: Path) -> None:
    study = read(site, new_study(tmp_path / "study"))
    made, runs = site.node.results(study), site.node.runs()
    back = []
    for result in made:
        back.append(tmp_path / f"{result.sop_instance_uid}.dcm")
        back[-1].write_bytes(site.pacs.file(result.sop_instance_uid))
    site.node.send(*back)
    with site.node.database() as db:
        kept = instances.list_of(db, study)
    assert {one.sop_instance_uid for one in kept if one.own_result} == {
        one.sop_instance_uid for one in made
    }
    read(site, new_study(tmp_path / "other"))  # by then the quiet period of the first is over
    assert [run for run in site.node.runs() if run.study_instance_uid == study] == [runs[-1]]
    reprocess(site, study)
    assert site.node.results(study) == made


def test_versions_are_shown_compared_and_exported_as_the_pacs_has_them(
    site: Site, tmp_path: Path
) -> None:
    early, late = new_study(tmp_path / "study", images=2)
    study = read(site, [early])
    write_bundles(site.bundles, seed=4, version="0.0.4")
    read(site, [late])
    old, new = reports(site.node, study)

    shown = answer(site, "results", "show", old.sop_instance_uid)
    assert {one["sop_instance_uid"] for one in shown["frames"]} == {uid_of(early)}
    assert shown["run"]["id"] == old.run_id
    assert [one["sop_instance_uid"] for one in shown["successors"]] == [new.sop_instance_uid]
    (delivery,) = shown["deliveries"]
    assert delivery["sop_instance_uid"] == old.sop_instance_uid
    assert delivery["state"] in ("sent", "confirmed")

    found = answer(site, "results", "diff", old.sop_instance_uid, str(new.run_id))
    assert uid_of(late) in {one["sop_instance_uid"] for one in found["frames"]}
    assert "lesion" in {one["what"] for one in found["models"]}
    assert (found["settings"], found["code"]) == ([], [])
    assert f"lesion, frame 1 of {uid_of(late)}" in {one["what"] for one in found["findings"]}

    out = tmp_path / "out"
    files = answer(site, "results", "export", study, "--out", str(out))["files"]
    made = {one.sop_instance_uid: one for one in site.node.results(study)}
    assert len(files) == len(made)
    for name in files:
        dataset = dcmread(out / name)
        result = made.pop(str(dataset.SOPInstanceUID))
        content = (out / name).read_bytes()
        assert content == (site.node.settings.data / result.path).read_bytes()
        assert dataset == at_pacs(site.pacs, result)
        dumped = subprocess.run(
            [dcmtk("dcmdump"), str(out / name)], capture_output=True, text=True, check=False
        )
        assert (dumped.returncode, dumped.stderr) == (0, "")
        assert str(dataset.PatientName) not in name
    assert not made
    assert str(dataset.PatientName) not in (out / "manifest.json").read_text()


def answer(site: Site, *arguments: str) -> Any:
    """What a command of the node prints as JSON."""
    done = site.node.cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
