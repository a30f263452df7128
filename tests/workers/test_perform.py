"""One claimed run over real frames, on both databases: committed once, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from pydicom import dcmread

from models.installation import install
from node.errors import ResultError
from node.settings import Analysis, Destination, ResultKind, Results, Settings, Storage
from node.tracking import (
    Claim,
    Database,
    NewPrompt,
    Run,
    deliveries,
    instances,
    results,
    runs,
    studies,
)
from tests.bad_input import study, write
from tests.bundles import write_bundles
from tests.dispatch.sets import published_run
from tests.languages import write_table
from tests.tracking.arrivals import instance
from workers.messages import say
from workers.perform import Performer
from workers.stages import Stages
from workers.tasks import RunTask

PACS = Destination(
    name="pacs", ae_title="PACS", host="127.0.0.1", port=104, kinds=get_args(ResultKind)
)
REPORTS_ONLY = PACS.model_copy(update={"name": "archive", "kinds": ("report",)})
FIRST = ("presentation", "summary", "document", "key-objects", "report")
LATER = (*FIRST, "rejection")
"""What follows heatmaps and segmentations in a first version, and in one that replaces another."""


@pytest.fixture
def settings(tmp_path: Path, bundles: Path) -> Settings:
    return Settings(
        data=tmp_path / "data",
        storage=Storage(min_free_mib=0),
        analysis=Analysis(bundle_folders=(bundles,), fan_liver_bundle="", device="cpu", threads=1),
        destinations=(PACS, REPORTS_ONLY),
    )


@pytest.fixture
def received(db: Database, settings: Settings) -> Callable[[], str]:
    """Stores one image as the receiver would; its study, which has a run that waits."""

    def receive() -> str:
        dataset = study()
        uid = str(dataset.StudyInstanceUID)
        folder = settings.data / "instances" / uid
        folder.mkdir(parents=True)
        (settings.data / "incoming").mkdir(exist_ok=True)
        path = write(dataset, folder, "1")
        instances.record(
            db,
            instance(
                study=uid,
                sop_instance_uid=str(dataset.SOPInstanceUID),
                series_instance_uid=str(dataset.SeriesInstanceUID),
                path=str(path.relative_to(settings.data)),
            ),
        )
        return uid

    return receive


def next_claim(db: Database, uid: str) -> Claim:
    run_id = due(db, uid)
    claim = runs.claim(db, run_id, worker="w/1", lease_seconds=600)
    assert claim is not None
    return claim


def due(db: Database, uid: str) -> int:
    """The published run of a study, closed or asked for again."""
    if studies.get(db, uid).state == "receiving":
        studies.close_quiet(db, 1e-6)
    else:
        studies.reprocess(db, uid)
    (run_id,) = runs.publishable(db, window=9, republish_seconds=600)
    return run_id


def test_a_run_commits_heatmaps_then_the_report_and_what_each_destination_takes(
    db: Database, settings: Settings, received: Callable[[], str]
) -> None:
    uid, stages = received(), Stages()
    assert Performer(settings, db).perform(next_claim(db, uid), stages)
    made = results.of_study(db, uid)
    assert [one.kind for one in made] == [*["heatmap"] * 2, *FIRST]
    for one in made:
        dataset = dcmread(settings.data / one.path)
        assert dataset.SOPInstanceUID == one.sop_instance_uid
        assert dataset.StudyInstanceUID == uid
    waiting = {(one.destination, one.sop_instance_uid) for one in deliveries.list_deliveries(db)}
    assert waiting == {("pacs", one.sop_instance_uid) for one in made} | {
        ("archive", made[-1].sop_instance_uid)
    }
    (run,) = runs.list_runs(db)
    assert run.state == "done"
    assert run.timings is not None
    assert {"wait", "select", "decode", "lesion", "fat", "results", "store"} <= set(run.timings)


def test_results_in_another_language_are_a_new_version_and_the_record_says_which(
    db: Database, settings: Settings, received: Callable[[], str], tmp_path: Path
) -> None:
    uid = received()
    assert Performer(settings, db).perform(next_claim(db, uid), Stages())
    table = write_table(tmp_path / "de.po", {"not reviewed": "nicht geprüft"})
    german = settings.model_copy(update={"results": Results(messages=table)})
    assert Performer(german, db).perform(next_claim(db, uid), Stages())
    made = results.of_study(db, uid)
    assert {one.version for one in made} == {1, 2}
    said = {str(dcmread(settings.data / one.path).SeriesDescription) for one in made}
    assert "AI liver ultrasound report, not reviewed" in said
    assert "AI liver ultrasound report, nicht geprüft (version 2)" in said
    run = runs.get(db, max(one.run_id for one in made))
    assert run.snapshot is not None
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    assert run.snapshot["settings"]["results"] == {"messages": digest}
    assert say("not reviewed") == "not reviewed"


def test_a_bundle_that_was_installed_meanwhile_reads_the_next_run_and_is_on_its_record(
    db: Database, settings: Settings, received: Callable[[], str], tmp_path: Path
) -> None:
    uid, performer = received(), Performer(settings, db)
    assert performer.perform(next_claim(db, uid), Stages())
    trained = write_bundles(tmp_path / "run", seed=5) / "lesion-attention"
    installed = install(trained, settings.bundle_store, "lesion-attention")
    assert performer.perform(next_claim(db, uid), Stages())
    latest, first = runs.list_runs(db)
    digests = [(run.snapshot or {})["models"]["lesion"]["digest"] for run in (first, latest)]
    assert digests[1] == installed.digest
    assert digests[0] != installed.digest
    assert {one.version for one in results.of_study(db, uid)} == {1, 2}


def test_the_same_input_again_commits_nothing_new(
    db: Database, settings: Settings, received: Callable[[], str]
) -> None:
    uid, performer = received(), Performer(settings, db)
    assert performer.perform(next_claim(db, uid), Stages())
    made, waiting = results.of_study(db, uid), deliveries.list_deliveries(db)
    assert performer.perform(next_claim(db, uid), Stages())
    again, first = runs.list_runs(db)
    assert again.result_key == first.result_key
    assert again.snapshot == {"repeats": first.result_key}
    assert results.of_study(db, uid) == made
    assert deliveries.list_deliveries(db) == waiting


def test_files_of_results_that_were_lost_or_changed_are_made_again_byte_for_byte(
    db: Database, settings: Settings, received: Callable[[], str]
) -> None:
    uid, performer = received(), Performer(settings, db)
    assert performer.perform(next_claim(db, uid), Stages())
    made = results.of_study(db, uid)
    before = {one.path: (settings.data / one.path).read_bytes() for one in made}
    (settings.data / made[0].path).unlink()
    (settings.data / made[-1].path).write_bytes(b"something else")
    assert performer.perform(next_claim(db, uid), Stages())
    assert {one.path: (settings.data / one.path).read_bytes() for one in made} == before
    assert results.of_study(db, uid) == made
    assert len(deliveries.list_deliveries(db)) == len(made) + 1


def test_a_lost_file_is_not_replaced_by_one_that_says_something_else(
    db: Database, settings: Settings, received: Callable[[], str]
) -> None:
    """The AE title is in every object, and not in the key."""
    uid = received()
    assert Performer(settings, db).perform(next_claim(db, uid), Stages())
    lost = results.of_study(db, uid)[0]
    (settings.data / lost.path).unlink()
    renamed = settings.receiver.model_copy(update={"ae_title": "RENAMED"})
    other = Performer(settings.model_copy(update={"receiver": renamed}), db)
    with pytest.raises(ResultError, match=lost.sop_instance_uid):
        other.perform(next_claim(db, uid), Stages())
    assert not (settings.data / lost.path).exists()


def test_a_worker_that_lost_its_lease_commits_nothing_and_the_next_makes_the_same_objects(
    db: Database, settings: Settings, received: Callable[[], str]
) -> None:
    uid, performer = received(), Performer(settings, db)
    claim = next_claim(db, uid)
    runs.renew(db, claim, -1)
    (taken,) = runs.take_back_dead(db, 3)
    assert not performer.perform(claim, Stages())
    assert results.of_study(db, uid) == ()
    written = {file.stem for file in (settings.data / "results").rglob("*.dcm")}
    second = runs.claim(db, due(db, uid), worker="w/2", lease_seconds=600)
    assert second is not None
    assert performer.perform(second, Stages())
    assert written == {one.sop_instance_uid for one in results.of_study(db, uid)}
    assert taken.run_id == claim.run_id


def perform(db: Database, settings: Settings, uid: str) -> Run:
    """The task as a worker calls it; the run afterwards."""
    run_id = due(db, uid)
    RunTask(settings, db, "w/1")(run_id)
    return runs.get(db, run_id)


def test_an_instance_file_that_is_gone_is_an_error_of_the_run_and_is_tried_again(
    db: Database, settings: Settings, received: Callable[[], str]
) -> None:
    uid = received()
    next((settings.data / "instances" / uid).iterdir()).unlink()
    run = perform(db, settings, uid)
    assert (run.state, run.attempts) == ("queued", 1)
    assert run.error == "instance file 1.dcm: No such file or directory"


def test_a_full_disk_makes_a_run_wait_without_spending_its_attempts(
    db: Database, settings: Settings, received: Callable[[], str]
) -> None:
    full = settings.model_copy(update={"storage": Storage(min_free_mib=2**40)})
    run = perform(db, full, received())
    assert (run.state, run.attempts) == ("queued", 0)
    assert "storage.min_free_mib" in run.error


def test_a_message_for_a_run_that_is_not_to_be_had_does_nothing(
    db: Database, settings: Settings
) -> None:
    run_id = published_run(db)
    claim = runs.claim(db, run_id, worker="other/1", lease_seconds=600)
    assert claim is not None
    RunTask(settings, db, "w/1")(run_id)
    RunTask(settings, db, "w/1")(run_id + 1000)
    assert runs.get(db, run_id).worker == "other/1"
    assert runs.get(db, run_id).state == "running"


@pytest.fixture
def pointed(db: Database, settings: Settings, received: Callable[[], str]) -> tuple[str, NewPrompt]:
    """A study that was read once, and a box in its image."""
    uid = received()
    assert Performer(settings, db).perform(next_claim(db, uid), Stages())
    (image,) = instances.list_of(db, uid)
    return uid, NewPrompt(image.sop_instance_uid, 1, "box", ((180.0, 120.0), (300.0, 220.0)))


def claimed(db: Database) -> Claim:
    """The one run that waits."""
    (run_id,) = runs.publishable(db, window=9, republish_seconds=600)
    claim = runs.claim(db, run_id, worker="w/1", lease_seconds=600)
    assert claim is not None
    return claim


def test_a_prompt_makes_a_new_version_with_the_outline_and_once_only(
    db: Database, settings: Settings, pointed: tuple[str, NewPrompt]
) -> None:
    (uid, box), performer = pointed, Performer(settings, db)
    prompt, _ = studies.point_at(db, uid, box)
    assert performer.perform(claimed(db), Stages())
    made = results.of_study(db, uid)
    assert [one.kind for one in made if one.version == 2] == [
        *["heatmap"] * 3,
        "segmentation",
        *LATER,
    ]
    first, second = (dcmread(settings.data / one.path) for one in made if one.kind == "report")
    (before,) = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    (reference,) = before.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == first.SOPInstanceUID
    found = (runs.list_runs(db)[0].snapshot or {})["findings"]
    (lesion,) = found["prompted"]
    assert lesion["prompt"]["id"] == prompt.id
    assert lesion["diameters"]["long_mm"] > 0
    assert performer.perform(next_claim(db, uid), Stages())
    assert results.of_study(db, uid) == made


def test_a_prompt_that_is_taken_back_makes_a_version_without_the_outline(
    db: Database, settings: Settings, pointed: tuple[str, NewPrompt]
) -> None:
    """Not the first version again, of which the PACS would hear nothing."""
    (uid, box), performer = pointed, Performer(settings, db)
    prompt, _ = studies.point_at(db, uid, box)
    assert performer.perform(claimed(db), Stages())
    studies.take_back(db, uid, prompt.id)
    assert performer.perform(claimed(db), Stages())
    latest = [one for one in results.of_study(db, uid) if one.version == 3]
    assert [one.kind for one in latest] == [*["heatmap"] * 2, *LATER]
    snapshot = runs.list_runs(db)[0].snapshot or {}
    assert snapshot["findings"]["prompted"] == []
    assert snapshot["notes"] == [
        f"An operator took prompt {prompt.id} back: no outline of it stands any more."
    ]


@pytest.fixture
def paired(received: Callable[[], str], db: Database, settings: Settings) -> tuple[str, NewPrompt]:
    """A study that was read once, and places in its image, whatever they show."""
    uid = received()
    assert Performer(settings, db).perform(next_claim(db, uid), Stages())
    (image,) = instances.list_of(db, uid)
    places = ((230.0, 200.0), (290.0, 205.0))
    return uid, NewPrompt(image.sop_instance_uid, 1, "hepatorenal", places)


def test_a_pair_makes_a_new_version_without_the_joint_model_and_once_only(
    db: Database, settings: Settings, paired: tuple[str, NewPrompt]
) -> None:
    missing = settings.analysis.model_copy(update={"joint_bundle": "not-there"})
    uid, pair = paired
    performer = Performer(settings.model_copy(update={"analysis": missing}), db)
    prompt, _ = studies.point_at(db, uid, pair)
    assert performer.perform(claimed(db), Stages())
    made = results.of_study(db, uid)
    assert [one.kind for one in made if one.version == 2] == [*["heatmap"] * 3, *LATER]
    snapshot = runs.list_runs(db)[0].snapshot or {}
    assert set(snapshot["models"]) == {"lesion", "fat", "gate", "hepatorenal"}
    (kept,) = snapshot["findings"]["hepatorenal"]["pairs"]
    assert kept["prompt"]["id"] == prompt.id
    assert kept["index"] == pytest.approx(kept["liver_level"] / kept["kidney_level"])
    assert not [one for one in snapshot["findings"]["abstentions"] if "prompt" in one["detail"]]
    assert performer.perform(next_claim(db, uid), Stages())
    assert results.of_study(db, uid) == made


def test_an_outline_does_not_need_the_hepatorenal_model(
    db: Database, settings: Settings, pointed: tuple[str, NewPrompt]
) -> None:
    missing = settings.analysis.model_copy(update={"hepatorenal_bundle": "not-there"})
    uid, box = pointed
    performer = Performer(settings.model_copy(update={"analysis": missing}), db)
    studies.point_at(db, uid, box)
    assert performer.perform(claimed(db), Stages())
    snapshot = runs.list_runs(db)[0].snapshot or {}
    assert set(snapshot["models"]) == {"lesion", "fat", "joint", "gate"}
    assert len(snapshot["findings"]["prompted"]) == 1


def test_a_pair_that_is_taken_back_makes_a_version_without_the_index(
    db: Database, settings: Settings, paired: tuple[str, NewPrompt]
) -> None:
    (uid, pair), performer = paired, Performer(settings, db)
    prompt, _ = studies.point_at(db, uid, pair)
    assert performer.perform(claimed(db), Stages())
    studies.take_back(db, uid, prompt.id)
    assert performer.perform(claimed(db), Stages())
    latest = [one for one in results.of_study(db, uid) if one.version == 3]
    assert [one.kind for one in latest] == [*["heatmap"] * 2, *LATER]
    snapshot = runs.list_runs(db)[0].snapshot or {}
    assert snapshot["findings"]["hepatorenal"] is None
    assert snapshot["notes"] == [
        f"An operator took prompt {prompt.id} back: no index of it stands any more."
    ]


def test_a_late_instance_loses_no_outline(
    db: Database, settings: Settings, pointed: tuple[str, NewPrompt]
) -> None:
    (uid, box), performer = pointed, Performer(settings, db)
    studies.point_at(db, uid, box)
    assert performer.perform(claimed(db), Stages())
    dataset = study()
    dataset.StudyInstanceUID = uid
    path = write(dataset, settings.data / "instances" / uid, "2")
    late = instance(
        study=uid,
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        path=str(path.relative_to(settings.data)),
    )
    instances.record(db, late)
    assert performer.perform(next_claim(db, uid), Stages())
    run = runs.list_runs(db)[0]
    assert run.cause == "late-instance"
    assert run.snapshot is not None
    assert run.snapshot["version"] == 3
    assert len(run.snapshot["frames"]) == 2
    assert len(run.snapshot["findings"]["prompted"]) == 1
