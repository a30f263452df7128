"""What the joint system says where an operator pointed, with the shipped weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from models.evaluation.shapes import ellipse_mask
from models.images.outlines import outline_mask
from models.images.overlap import jaccard
from models.lesion.joint import JointReading
from models.registry import load_bundle
from node.settings import Analysis
from tests import bad_input
from workers.analysis import LoadedModels, analyse, plan
from workers.analysis.prompted import PromptedPathway
from workers.findings import Abstention, Prompt, PromptedLesion, Reason, StudyFindings
from workers.frames import StoredInstance, read, read_asked, select
from workers.stages import Stages

BOX = ((130.0, 130.0), (270.0, 230.0))
TIGHT = (140.0, 140.0, 260.0, 220.0)
TRUTH = ellipse_mask(TIGHT, (384, 512))


@pytest.fixture
def settings(bundles: Path) -> Analysis:
    return Analysis(
        bundle_folders=(bundles,), fan_liver_bundle="", device="cpu", threads=1, frames_per_cine=2
    )


def lesion_image(shift: int = 0) -> NDArray[np.uint8]:
    """Speckle with a dark ellipse, (384, 512)."""
    speckle = np.random.default_rng(0).gamma(9, 10, TRUTH.shape)
    inside = np.roll(TRUTH, shift, axis=1)
    return np.where(inside, speckle * 0.25, speckle).clip(0, 255).astype(np.uint8)


def prompt(kind: str, *points: tuple[float, float], number: int = 1) -> Prompt:
    return Prompt(5, "", number, kind, points)


def findings(
    dataset: Dataset, folder: Path, settings: Analysis, *asked: Prompt, name: str = "image"
) -> StudyFindings:
    path = bad_input.write(dataset, folder, name)
    return of_file(path, str(dataset.SOPInstanceUID), settings, *asked)


def of_file(path: Path, uid: str, settings: Analysis, *asked: Prompt) -> StudyFindings:
    stored = StoredInstance(path, uid)
    models = LoadedModels(settings)
    prompts = [replace(one, sop_instance_uid=uid) for one in asked]
    return analyse(
        plan(models, settings, {one.kind for one in asked}),
        list(read(path, select([stored], settings).frames, settings)),
        (),
        models,
        settings,
        Stages(),
        [(one, read_asked(stored, one.number, one.inside, settings)) for one in prompts],
    )


def only(found: StudyFindings) -> PromptedLesion:
    (lesion,) = found.prompted
    return lesion


def drawn(lesion: PromptedLesion) -> NDArray[np.bool_]:
    """The polygon as a mask: its whole numbers are the corners of pixels."""
    return outline_mask([[(x - 0.5, y - 0.5) for x, y in lesion.outline]], lesion.mask.shape)


def extent(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Columns and rows from the first to the last that the mask touches."""
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    return int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)


def test_a_box_is_outlined_measured_and_told_its_malignancy(
    settings: Analysis, tmp_path: Path
) -> None:
    dataset = bad_input.study(lesion_image())
    found = findings(dataset, tmp_path, settings, prompt("box", *BOX))
    lesion = only(found)
    assert lesion.mask.shape == TRUTH.shape
    assert jaccard(lesion.mask, TRUTH) > 0.8
    assert jaccard(drawn(lesion), lesion.mask) > 0.95
    assert lesion.diameters is not None
    width, height = extent(lesion.mask)
    assert lesion.diameters.long_mm == pytest.approx(width / 2, abs=4)  # 0.5 mm per pixel
    assert lesion.diameters.short_mm == pytest.approx(height / 2, abs=4)
    assert lesion.area_pixels == np.count_nonzero(lesion.mask)
    assert lesion.area_mm2 == pytest.approx(lesion.area_pixels / 4)
    assert set(lesion.probabilities) == {"malignant"}
    assert lesion.conditions["malignant"].startswith("if it is a lesion; calibrated")
    assert lesion.model == found.joint_model
    card = load_bundle("lesion-joint").card["figures"]
    auc, rival = (f["malignancy_auc"]["value"] for f in (card, card["baseline"]))
    assert f"AUC {auc:.2f} (" in lesion.model.figures
    assert f"from image geometry alone {rival:.2f}" in lesion.model.figures
    assert lesion.model.validation_status == "cross-validated on public data"


def test_what_the_detector_says_stays_as_it_is(settings: Analysis, tmp_path: Path) -> None:
    dataset = bad_input.study(lesion_image())
    with_it = findings(dataset, tmp_path, settings, prompt("box", *BOX))
    without = findings(dataset, tmp_path, settings)
    for name in ("lesions", "readings", "fat", "frames", "dropped", "abstentions", "thresholds"):
        assert getattr(with_it, name) == getattr(without, name)
    assert len(with_it.heatmaps) == len(without.heatmaps) + 1
    assert (without.prompted, without.joint_model) == ((), None)


def test_clicks_are_outlined_but_malignancy_was_measured_with_boxes_only(
    settings: Analysis, tmp_path: Path
) -> None:
    clicks = prompt("point", (200.0, 180.0), (180.0, 175.0))
    found = findings(bad_input.study(lesion_image()), tmp_path, settings, clicks)
    lesion = only(found)
    assert jaccard(lesion.mask, TRUTH) > 0.5
    assert (lesion.probabilities, lesion.conditions) == ({}, {})
    (left_open,) = (one for one in found.abstentions if one.subject == "malignancy")
    assert left_open.reason is Reason.BOX_NEEDED
    assert left_open.detail.startswith("prompt 5, frame 1 of ")


def test_without_a_calibration_nothing_is_said_in_millimetres(
    settings: Analysis, tmp_path: Path
) -> None:
    dataset = bad_input.study(lesion_image())
    del dataset.SequenceOfUltrasoundRegions
    found = findings(dataset, tmp_path, settings, prompt("box", *BOX))
    lesion = only(found)
    assert lesion.area_mm2 is None
    assert lesion.diameters is not None
    assert (lesion.diameters.long_mm, lesion.diameters.short_mm) == (None, None)
    assert math.dist(*lesion.diameters.long_axis) == pytest.approx(extent(lesion.mask)[0], abs=8)
    assert " mm," not in found.heatmaps[-1].caption[0]
    assert "not calibrated: no mm" in found.heatmaps[-1].caption[0]


def test_a_frame_that_the_selection_left_out_is_read(settings: Analysis, tmp_path: Path) -> None:
    dataset = bad_input.study(np.zeros((384, 512), np.uint8) + 60)
    frames = [np.zeros((384, 512), np.uint8) + 60] * 8
    frames[4] = lesion_image()
    bad_input.multi_frame(dataset, len(frames))
    dataset.PixelData = b"".join(frame.tobytes() for frame in frames)
    found = findings(dataset, tmp_path, settings, prompt("box", *BOX, number=5))
    lesion = only(found)
    assert (lesion.frame.number, lesion.frame.number_of_frames) == (5, 8)
    assert jaccard(lesion.mask, TRUTH) > 0.8
    assert 5 not in {reading.frame.number for reading in found.readings}
    assert 5 in {frame.number for frame in found.frames}
    assert len(found.frames) == len(found.readings) + 1


def test_of_two_regions_the_one_that_was_pointed_at_is_read(
    settings: Analysis, tmp_path: Path
) -> None:
    """The left half shows more echo, and is what the detector reads."""
    right = lesion_image()
    left = np.full_like(right, 90)
    dataset = bad_input.study(np.hstack([left, right]))
    (region,) = dataset.SequenceOfUltrasoundRegions
    dataset.SequenceOfUltrasoundRegions = [deepcopy(region), deepcopy(region)]
    for half, item in enumerate(dataset.SequenceOfUltrasoundRegions):
        item.RegionLocationMinX0, item.RegionLocationMaxX1 = 512 * half, 512 * half + 511
        item.RegionLocationMinY0, item.RegionLocationMaxY1 = 0, 383
    box = tuple((x + 512, y) for x, y in BOX)
    lesion = only(findings(dataset, tmp_path, settings, prompt("box", *box)))
    assert lesion.mask.shape == (384, 1024)
    assert jaccard(lesion.mask[:, 512:], TRUTH) > 0.8
    assert not lesion.mask[:, :512].any()


def abstained(found: StudyFindings) -> Abstention:
    (one,) = (one for one in found.abstentions if one.subject == "prompted lesion")
    assert found.prompted == ()
    return one


@pytest.mark.parametrize(
    ("maker", "reason"),
    [
        (bad_input.truncated_jpeg, Reason.UNDECODABLE),
        (bad_input.unsupported_codec, Reason.UNSUPPORTED_CODEC),
        (bad_input.no_pixel_data, Reason.NO_PIXELS),
        (bad_input.non_ultrasound, Reason.NOT_ULTRASOUND),
    ],
)
def test_a_frame_that_cannot_be_read_is_an_abstention_with_the_reason(
    maker: object, reason: Reason, settings: Analysis, tmp_path: Path
) -> None:
    path = maker(tmp_path)  # type: ignore[operator]
    one = abstained(of_file(path, "1.2.3", settings, prompt("box", *BOX)))
    assert one.reason is reason
    assert one.detail.startswith("prompt 5, frame 1 of 1.2.3")


def test_a_prompt_beside_the_region_or_in_a_frame_that_is_not_there_is_an_abstention(
    settings: Analysis, tmp_path: Path
) -> None:
    dataset = bad_input.study(lesion_image())
    beside = findings(dataset, tmp_path, settings, prompt("point", (3.0, 100.0)))
    assert abstained(beside).reason is Reason.OUTSIDE_REGION
    later = findings(dataset, tmp_path, settings, prompt("box", *BOX, number=2))
    assert abstained(later).reason is Reason.UNDECODABLE
    assert "the file holds 1 frames" in abstained(later).detail


@pytest.mark.parametrize("name", ["not-there", "lesion-attention"])
def test_without_a_model_that_outlines_the_rest_is_read_and_the_report_says_so(
    name: str, settings: Analysis, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"joint_bundle": name})
    found = findings(bad_input.study(lesion_image()), tmp_path, other, prompt("box", *BOX))
    one = abstained(found)
    assert one.reason is Reason.MODEL_UNAVAILABLE
    assert one.detail == f"bundle {name}: see `hepanode doctor`"
    assert found.joint_model is None
    assert found.readings


class Blind:
    """A system that sees no lesion anywhere."""

    def read_all(self, image: NDArray[np.uint8], places: Sequence[object]) -> list[JointReading]:
        empty = np.zeros(image.shape, bool)
        one = JointReading(empty, empty.astype(np.float32), {"malignant": 0.5}, {})
        return [one for _ in places]


def test_where_the_model_outlines_nothing_nothing_is_claimed(
    settings: Analysis, tmp_path: Path
) -> None:
    path = bad_input.write(bad_input.study(lesion_image()), tmp_path, "image")
    pathway = PromptedPathway(Blind(), load_bundle("lesion-joint"))
    pathway.read(
        prompt("box", *BOX), read_asked(StoredInstance(path, "1.2"), 1, ((200, 180),), settings)
    )
    concluded = pathway.conclude()
    assert [one.reason for one in concluded.abstentions] == [Reason.NOTHING_OUTLINED]
    assert (concluded.prompted, concluded.heatmaps) == ((), ())
