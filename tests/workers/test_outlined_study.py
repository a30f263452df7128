"""A study in which suspected lesions are outlined: which bundles that takes, and when."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from node.settings import Analysis
from tests import bad_input
from tests.bundles import write_fan_liver, write_region_bundles
from tests.workers.test_prompted import BOX, lesion_image, prompt
from workers.analysis import LoadedModels, Plan, analyse, plan
from workers.findings import Abstention, FoundLesion, Prompt, Reason, StudyFindings
from workers.frames import StoredInstance, read, read_asked, select
from workers.key import result_key
from workers.snapshot import snapshot
from workers.stages import Stages


@pytest.fixture
def settings(bundles: Path, fan_liver: Path) -> Analysis:
    return Analysis(
        bundle_folders=(bundles, fan_liver),
        fan_liver_bundle="fan-liver",
        device="cpu",
        threads=1,
    )


@pytest.fixture
def image(tmp_path: Path) -> StoredInstance:
    dataset = bad_input.study(lesion_image())
    uid = str(dataset.SOPInstanceUID)
    return StoredInstance(bad_input.write(dataset, tmp_path, uid), uid)


def findings(
    settings: Analysis, image: StoredInstance, *prompts: Prompt, stages: Stages | None = None
) -> StudyFindings:
    models = LoadedModels(settings)
    return analyse(
        plan(models, settings, {one.kind for one in prompts}),
        read(image.path, select([image], settings).frames, settings),
        (),
        models,
        settings,
        stages or Stages(),
        [(one, read_asked(image, one.number, one.inside, settings)) for one in prompts],
    )


def chosen(settings: Analysis, *kinds: str) -> Plan:
    return plan(LoadedModels(settings), settings, kinds)


def test_a_suspected_lesion_of_a_study_is_outlined_and_every_model_is_on_record(
    settings: Analysis, image: StoredInstance
) -> None:
    stages = Stages()
    found = findings(settings, image, stages=stages)
    (lesion,) = found.lesions
    assert isinstance(lesion, FoundLesion)
    assert np.count_nonzero(lesion.mask) == lesion.area_pixels > 0
    assert lesion.located_by == found.fan_liver_model
    assert lesion.outlined_by == found.joint_model
    assert found.outlined == (lesion,)
    assert found.region_models == ()
    assert "outline" in stages.seconds
    record = snapshot(found, 1, settings)
    assert {"lesion", "fat", "gate", "fan_liver", "joint"} == set(record["models"])
    (kept,) = record["findings"]["lesions"]
    assert kept["diameters"]["long_mm"] > 0
    assert kept["seen_in"] == [1]
    assert kept["readings"][0]["model"] == "lesion-joint"


def test_what_the_detector_says_stays_as_it_is(settings: Analysis, image: StoredInstance) -> None:
    outlined = findings(settings, image)
    off = settings.model_copy(update={"fan_liver_bundle": ""})
    attended = findings(off, image)
    for name in ("readings", "fat", "frames", "dropped", "thresholds", "conditions"):
        assert getattr(outlined, name) == getattr(attended, name)
    assert [one.probabilities for one in outlined.lesions] == [
        one.probabilities for one in attended.lesions
    ]
    assert attended.lesions[0].outline_kind == "attention"
    assert attended.abstentions == (Abstention("lesion size", Reason.NOT_MEASURED),)
    assert (attended.fan_liver_model, attended.joint_model) == (None, None)


@pytest.mark.parametrize("name", ["not-there", "lesion-attention"])
def test_without_a_map_of_masses_the_rest_stands_and_it_is_said(
    name: str, settings: Analysis, image: StoredInstance
) -> None:
    other = settings.model_copy(update={"fan_liver_bundle": name})
    found = findings(other, image)
    assert found.lesions[0].outline_kind == "attention"
    detail = f"bundle {name}: see `hepanode doctor`"
    assert found.abstentions == (
        Abstention("lesion size", Reason.MODEL_UNAVAILABLE, detail),
        Abstention("lesion size", Reason.NOT_MEASURED),
    )


def test_without_a_model_that_outlines_it_is_said_of_the_size_and_not_of_a_prompt(
    settings: Analysis, image: StoredInstance
) -> None:
    found = findings(settings.model_copy(update={"joint_bundle": "not-there"}), image)
    assert found.lesions[0].outline_kind == "attention"
    assert {one.subject for one in found.abstentions} == {"lesion size"}


def test_types_that_the_detector_never_learned_are_not_answered_where_a_lesion_is_suspected(
    settings: Analysis, image: StoredInstance, bundles: Path, fan_liver: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundles, tmp_path / "bundles")
    card = tmp_path / "bundles" / "lesion-attention" / "card.toml"
    card.write_text(card.read_text().replace("lacks = []", 'lacks = ["cyst", "metastasis"]'))
    untaught = settings.model_copy(update={"bundle_folders": (tmp_path / "bundles", fan_liver)})
    unanswered = Abstention("lesion type", Reason.NOT_LEARNED, "cyst, metastasis")
    assert findings(untaught, image).abstentions == (unanswered,)
    card.write_text(card.read_text().replace("probability = 0.01", "probability = 1.5"))
    assert findings(untaught, image).abstentions == ()


def test_where_no_lesion_is_suspected_nothing_is_loaded(
    settings: Analysis, image: StoredInstance, bundles: Path, fan_liver: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundles, tmp_path / "bundles")
    card = tmp_path / "bundles" / "lesion-attention" / "card.toml"
    card.write_text(card.read_text().replace("probability = 0.01", "probability = 1.5"))
    quiet = settings.model_copy(update={"bundle_folders": (tmp_path / "bundles", fan_liver)})
    stages = Stages()
    found = findings(quiet, image, stages=stages)
    assert found.lesions == ()
    assert "outline" not in stages.seconds
    assert (found.fan_liver_model, found.joint_model) == (None, None)


def test_what_was_found_stands_beside_what_was_pointed_at(
    settings: Analysis, image: StoredInstance
) -> None:
    box = prompt("box", *BOX)
    both = findings(settings, image, box)
    alone = findings(settings.model_copy(update={"fan_liver_bundle": ""}), image, box)
    assert both.prompted == alone.prompted
    assert [one.tracking_id for one in both.outlined] == ["prompt 5", "lesion 1"]


def test_bundles_are_chosen_where_they_could_be_used(settings: Analysis, tmp_path: Path) -> None:
    usual = {"gate", "lesion", "fat"}
    off = settings.model_copy(update={"fan_liver_bundle": ""})
    assert set(chosen(off).bundles) == usual
    assert set(chosen(off, "point").bundles) == usual | {"joint"}
    assert set(chosen(settings).bundles) == usual | {"fan_liver", "joint"}
    missing = settings.model_copy(update={"fan_liver_bundle": "not-there"})
    assert set(chosen(missing).bundles) == usual | {"fan_liver"}
    blind = settings.model_copy(update={"lesion_bundle": "not-there"})
    assert set(chosen(blind).bundles) == usual
    write_region_bundles(tmp_path, seed=0)
    reading = {"roi_bundle": "lesion-roi", "bundle_folders": (*settings.bundle_folders, tmp_path)}
    assert set(chosen(settings.model_copy(update=reading)).bundles) == usual | {
        *("fan_liver", "joint", "roi")
    }
    assert set(chosen(off.model_copy(update=reading)).bundles) == usual


def test_another_map_of_masses_or_joint_bundle_is_another_key(
    settings: Analysis, bundles: Path, tmp_path: Path
) -> None:
    def key(analysis: Analysis) -> str:
        return result_key("1.2.3", (), (), chosen(analysis), analysis)

    other = write_fan_liver(tmp_path / "other", mass=0.5)
    same = write_fan_liver(tmp_path / "same")
    keys = [
        key(settings.model_copy(update=changed))
        for changed in (
            {},
            {"fan_liver_bundle": ""},
            {"fan_liver_bundle": "not-there"},
            {"bundle_folders": (bundles, other)},
            {"joint_bundle": "not-there"},
        )
    ]
    assert len(set(keys)) == len(keys)
    assert key(settings.model_copy(update={"bundle_folders": (bundles, same)})) == keys[0]
