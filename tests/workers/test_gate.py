"""The gate before the pathways, with the shipped gate and readers of random weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sklearn.datasets import load_sample_image

from models.frame.features import Features
from models.frame.seen import Seen
from models.images import resize
from models.registry import SHIPPED
from models.simulation import simulate_frame
from node.settings import Analysis
from tests import bad_input
from tests.bad_input import Grey, study, write
from workers.analysis import GATE, LoadedModels, analyse, plan
from workers.findings import Abstention, FrameRef, Prompt, Reason, StudyFindings
from workers.frames import StoredInstance, read_asked, select
from workers.frames.reading import read
from workers.key import result_key
from workers.results.codes import REASON
from workers.snapshot import snapshot
from workers.stages import Stages

LIVER = simulate_frame("hepatic veins", 8.0, seed=41).image
FLOWER = resize(load_sample_image("flower.jpg").max(axis=2), (384, 512))


@pytest.fixture
def settings(bundles: Path, tmp_path: Path) -> Analysis:
    shutil.copytree(bundles, tmp_path / "bundles", ignore=shutil.ignore_patterns("gate"))
    return Analysis(
        bundle_folders=(tmp_path / "bundles",), fan_liver_bundle="", device="cpu", threads=1
    )


def findings(
    settings: Analysis, folder: Path, *images: Grey, pointed: Sequence[int] = ()
) -> StudyFindings:
    """The study of these images; ``pointed`` : prompts in them, by place."""
    models, instances = LoadedModels(settings), []
    for image in images:
        dataset = study(image)
        path = write(dataset, folder, str(dataset.SOPInstanceUID))
        instances.append(StoredInstance(path, str(dataset.SOPInstanceUID)))
    frames = [
        frame
        for one in instances
        for frame in read(one.path, select([one], settings).frames, settings)
    ]
    asked = []
    for number in pointed:
        one = instances[number]
        prompt = Prompt(number, one.sop_instance_uid, 1, "box", ((200, 150), (300, 230)))
        asked.append((prompt, read_asked(one, 1, prompt.inside, settings)))
    chosen = plan(models, settings, [one.kind for one, _ in asked])
    return analyse(chosen, frames, (), models, settings, Stages(), asked)


def test_a_photograph_beside_a_liver_is_dropped_with_its_score_and_the_liver_is_read(
    settings: Analysis, tmp_path: Path
) -> None:
    found = findings(settings, tmp_path, LIVER, FLOWER)
    assert len(found.frames) == len(found.readings) == 1
    (drop,) = found.dropped
    assert (drop.reason, drop.number) == (Reason.NOT_LIVER, 1)
    assert "a liver has at most" in drop.detail
    assert found.abstentions[0].reason is not Reason.NOT_LIVER
    record = snapshot(found, 1, settings)
    assert record["models"]["gate"]["digest"] == found.gate_model.digest  # type: ignore[union-attr]
    assert record["dropped"][0]["reason"] == "not-liver"


def test_a_study_without_any_liver_is_not_answered_and_no_model_reads_it(
    settings: Analysis, tmp_path: Path
) -> None:
    found = findings(settings, tmp_path, FLOWER, bad_input.real_image())
    assert found.abstentions == (Abstention("study", Reason.NOT_LIVER, "of 2 frames none"),)
    assert (found.readings, found.lesions, found.fat, found.heatmaps) == ((), (), None, ())
    assert Reason.NOT_LIVER in REASON


def test_without_a_gate_everything_is_read(settings: Analysis, tmp_path: Path) -> None:
    off = settings.model_copy(update={"gate_bundle": ""})
    found = findings(off, tmp_path, FLOWER)
    assert len(found.readings) == 1
    assert found.gate_model is None


@pytest.mark.parametrize("name", ["not-there", "lesion-attention"])
def test_a_gate_that_cannot_be_had_is_said_and_the_frames_are_read(
    name: str, settings: Analysis, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"gate_bundle": name})
    found = findings(other, tmp_path, FLOWER)
    detail = f"bundle {name}: see `hepanode doctor`"
    assert Abstention("liver check", Reason.MODEL_UNAVAILABLE, detail) in found.abstentions
    assert len(found.readings) == 1


def test_an_operator_is_not_overruled_but_told(settings: Analysis, tmp_path: Path) -> None:
    found = findings(settings, tmp_path, LIVER, FLOWER, pointed=[0, 1])
    (note,) = found.notes
    assert note.startswith("Prompt 1 points at a frame that does not look like a liver (score")
    answered = {lesion.prompt.id for lesion in found.prompted}
    not_answered = [one for one in found.abstentions if one.subject == "prompted lesion"]
    assert len(answered) + len(not_answered) == 2


def test_what_the_gate_has_seen_of_a_frame_is_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fat estimator has the same network, and a prompt asks about the same frame."""
    settings = Analysis(fan_liver_bundle="", device="cpu", threads=1)
    alone = findings(settings.model_copy(update={"gate_bundle": ""}), tmp_path, LIVER)
    see, seen = Features.see, []

    def counted(self: Features, images: Sequence[Grey]) -> Iterator[Seen]:
        seen.append(len(images))
        return see(self, images)

    monkeypatch.setattr(Features, "see", counted)
    found = findings(settings, tmp_path, LIVER, pointed=[0])
    assert seen == [1]
    assert found.fat is not None
    assert alone.fat is not None
    for name in ("fat_percent", "p_5", "p_10"):
        assert getattr(found.fat, name) == pytest.approx(getattr(alone.fat, name), abs=1e-6)


def test_another_gate_is_another_key(settings: Analysis, tmp_path: Path) -> None:
    frames = (FrameRef("1.1", "1.2", "1", 1, 1),)

    def key(analysis: Analysis) -> str:
        chosen = plan(LoadedModels(analysis), analysis)
        assert (GATE in chosen.bundles) == bool(analysis.gate_bundle)
        return result_key("1.2.3", frames, (), chosen, analysis)

    copied = tmp_path / "bundles" / "other-gate"
    shutil.copytree(SHIPPED / "gate", copied)
    card = copied / "card.toml"
    card.write_text(card.read_text().replace('version = "1', 'version = "2', 1))
    off, other, same = (
        settings.model_copy(update={"gate_bundle": name}) for name in ("", "other-gate", "gate")
    )
    assert len({key(settings), key(off), key(other)}) == 3
    assert key(settings) == key(same)
