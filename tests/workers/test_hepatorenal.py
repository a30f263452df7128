"""What the hepatorenal pathway says where an operator pointed, with the shipped curve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from models.registry import load_bundle, open_system
from node.settings import Analysis
from tests import bad_input
from workers.analysis import LoadedModels, analyse, plan
from workers.findings import Abstention, Prompt, Reason, StudyFindings
from workers.frames import StoredInstance, read, read_asked, select
from workers.stages import Stages

LIVER, KIDNEY = (150.0, 200.0), (350.0, 220.0)


@pytest.fixture
def settings(bundles: Path) -> Analysis:
    return Analysis(
        bundle_folders=(bundles,), fan_liver_bundle="", device="cpu", threads=1, frames_per_cine=2
    )


def organs(liver: int = 120, kidney: int = 100) -> NDArray[np.uint8]:
    """(384, 512): one level left of x = 250, another right of it."""
    image = np.full((384, 512), liver, np.uint8)
    image[:, 250:] = kidney
    return image


def pair(
    liver: tuple[float, float] = LIVER,
    kidney: tuple[float, float] = KIDNEY,
    *,
    number: int = 1,
    prompt: int = 5,
) -> Prompt:
    return Prompt(prompt, "", number, "hepatorenal", (liver, kidney))


def findings(dataset: Dataset, folder: Path, settings: Analysis, *asked: Prompt) -> StudyFindings:
    uid = str(dataset.SOPInstanceUID)
    stored = StoredInstance(bad_input.write(dataset, folder, "image"), uid)
    models = LoadedModels(settings)
    prompts = [replace(one, sop_instance_uid=uid) for one in asked]
    return analyse(
        plan(models, settings, {one.kind for one in asked}),
        list(read(stored.path, select([stored], settings).frames, settings)),
        (),
        models,
        settings,
        Stages(),
        [(one, read_asked(stored, one.number, one.inside, settings)) for one in prompts],
    )


def abstained(found: StudyFindings, subject: str = "hepatorenal index") -> Abstention:
    (one,) = (one for one in found.abstentions if one.subject == subject)
    return one


def test_a_pair_is_measured_and_read_for_fat(settings: Analysis, tmp_path: Path) -> None:
    """The B-mode region begins at 8, 8 and is 368 pixels high: a square has 24."""
    found = findings(bad_input.study(organs()), tmp_path, settings, pair())
    finding = found.hepatorenal
    assert finding is not None
    assert finding.index == pytest.approx(1.2)
    (one,) = finding.pairs
    assert (one.liver_level, one.kidney_level) == (120, 100)
    assert one.liver == ((138, 188), (162, 212))
    assert one.kidney == ((338, 208), (362, 232))
    assert one.depth_gap == pytest.approx(20)
    assert one.depth_gap_mm == pytest.approx(10)  # 0.5 mm per pixel
    estimate = open_system(load_bundle("fat-hepatorenal")).estimate([1.2])
    assert finding.fat == pytest.approx(estimate.fat_percent)
    assert finding.p_5 == pytest.approx(estimate.p_5)
    assert finding.p_10 == pytest.approx(estimate.p_10)
    assert finding.model == found.hepatorenal_model
    assert finding.model.validation_status == "cross-validated on public data"
    assert finding.model.figures.startswith("fat against biopsy: Spearman correlation 0.74 (")
    assert finding.model.figures.endswith("44 patients")
    assert "brightness" not in finding.model.figures


def test_the_study_has_the_median_of_its_pairs(settings: Analysis, tmp_path: Path) -> None:
    dataset = bad_input.study(organs())
    frames = [organs(liver) for liver in (90, 130, 110, 100, 100)]
    bad_input.multi_frame(dataset, len(frames))
    dataset.PixelData = b"".join(frame.tobytes() for frame in frames)
    asked = [pair(number=number, prompt=number) for number in (1, 2, 3)]
    found = findings(dataset, tmp_path, settings, *asked)
    assert found.hepatorenal is not None
    assert [one.index for one in found.hepatorenal.pairs] == pytest.approx([0.9, 1.3, 1.1])
    assert found.hepatorenal.index == pytest.approx(1.1)
    captures = [one for one in found.heatmaps if one.kind == "hepatorenal index"]
    assert [one.frame.number for one in captures] == [1, 2, 3]
    assert captures[1].caption[:2] == (
        "Prompt 2: index 1.30 (liver 130 over kidney 100)",
        "Study: index 1.10, the median of 3 pairs",
    )
    assert {1, 2, 3} <= {frame.number for frame in found.frames}


def test_a_pair_that_cannot_be_judged_leaves_the_others_as_they_are(
    settings: Analysis, tmp_path: Path
) -> None:
    dataset = bad_input.study(organs())
    found = findings(dataset, tmp_path, settings, pair(), pair((20.0, 10.0), prompt=6))
    assert found.hepatorenal is not None
    assert [one.prompt.id for one in found.hepatorenal.pairs] == [5]
    assert abstained(found).detail.startswith("prompt 6, frame 1 of ")


@pytest.mark.parametrize(
    ("image", "asked", "reason", "detail"),
    [
        (organs(), pair((3.0, 200.0)), Reason.OUTSIDE_REGION, ""),
        (organs(), pair((15.0, 200.0)), Reason.OUTSIDE_REGION, "the liver region"),
        (organs(), pair(LIVER, (165.0, 210.0)), Reason.REGIONS_OVERLAP, ""),
        (organs(), pair(LIVER, (350.0, 280.0)), Reason.REGIONS_APART, "22% of the image's depth"),
        (organs(kidney=3), pair(), Reason.REGION_DARK, "the kidney region"),
        (organs(liver=255), pair(), Reason.REGION_SATURATED, "the liver region"),
        (organs(), pair(number=2), Reason.UNDECODABLE, "the file holds 1 frames"),
    ],
)
def test_what_cannot_be_measured_is_an_abstention_with_the_reason(
    image: NDArray[np.uint8],
    asked: Prompt,
    reason: Reason,
    detail: str,
    settings: Analysis,
    tmp_path: Path,
) -> None:
    found = findings(bad_input.study(image), tmp_path, settings, asked)
    assert found.hepatorenal is None
    one = abstained(found)
    assert one.reason is reason
    assert detail in one.detail
    assert not [one for one in found.heatmaps if one.pair]


def test_an_index_beyond_those_fitted_on_gets_no_fat(settings: Analysis, tmp_path: Path) -> None:
    found = findings(bad_input.study(organs(220, 100)), tmp_path, settings, pair())
    finding = found.hepatorenal
    assert finding is not None
    assert finding.index == pytest.approx(2.2)
    assert (finding.fat, finding.p_5, finding.p_10) == (None, None, None)
    one = abstained(found, "fat from the hepatorenal index")
    assert one.reason is Reason.BEYOND_FITTED
    assert one.detail == "index 2.20, fitted on 0.84 to 1.93"
    assert found.heatmaps[1].caption[-1].startswith("Fat: not answered")


def test_it_stands_beside_the_estimate_from_views_and_both_are_named(
    settings: Analysis, tmp_path: Path
) -> None:
    dataset = bad_input.study(organs())
    found = findings(dataset, tmp_path, settings, pair())
    without = findings(dataset, tmp_path, settings)
    assert found.fat == without.fat
    assert found.fat is not None
    for name in ("lesions", "readings", "frames", "dropped", "abstentions", "thresholds"):
        assert getattr(found, name) == getattr(without, name)
    assert (without.hepatorenal, without.hepatorenal_model, without.notes) == (None, None, ())
    (note,) = found.notes
    assert "never averaged" in note
    assert "fat-hepatorenal, cross-validated on public data" in note
    assert f"{found.fat.fat_percent:.0f} %, fat-multiview, " in note
    kinds = [one.kind for one in found.heatmaps]
    assert kinds.index("hepatorenal index") < kinds.index("fat activation")


def test_without_a_calibration_the_depths_are_told_in_pixels_only(
    settings: Analysis, tmp_path: Path
) -> None:
    dataset = bad_input.study(organs())
    del dataset.SequenceOfUltrasoundRegions
    found = findings(dataset, tmp_path, settings, pair())
    assert found.hepatorenal is not None
    (one,) = found.hepatorenal.pairs
    assert (one.depth_gap, one.depth_gap_mm) == (20, None)


@pytest.mark.parametrize("name", ["not-there", "lesion-attention"])
def test_without_a_model_that_reads_it_the_rest_is_read_and_the_report_says_so(
    name: str, settings: Analysis, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"hepatorenal_bundle": name})
    found = findings(bad_input.study(organs()), tmp_path, other, pair())
    one = abstained(found)
    assert one.reason is Reason.MODEL_UNAVAILABLE
    assert one.detail == f"bundle {name}: see `hepanode doctor`"
    assert (found.hepatorenal, found.hepatorenal_model) == (None, None)
    assert found.readings
