"""What the systems of papers 2 and 3 say of what was outlined in a box, with random weights."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.bundle import Bundle
from models.errors import BundleError
from models.evaluation.temperature import tempered
from models.lesion.region import Region
from models.registry import SHIPPED, open_system, read_bundle
from node.settings import Analysis
from tests import bad_input
from tests.workers.test_prompted import BOX, TIGHT, findings, lesion_image, only, prompt
from workers.analysis.regions import ClassReader, MalignancyReader, factors_of
from workers.findings import Reason

IMAGE = lesion_image()


def opened(folder: Path) -> tuple[Any, Bundle]:
    bundle = read_bundle(folder)
    return open_system(bundle), bundle


@pytest.fixture
def settings(bundles: Path, region_bundles: Path) -> Analysis:
    return Analysis(
        bundle_folders=(region_bundles, bundles),
        fan_liver_bundle="",
        dcnn_us_bundle="lesion-dcnn-us",
        roi_bundle="lesion-roi",
        device="cpu",
        threads=1,
    )


def test_malignancy_takes_the_factors_that_are_known_and_names_the_others(
    region_bundles: Path,
) -> None:
    system, bundle = opened(region_bundles / "lesion-dcnn-us")
    region = Region(IMAGE, TIGHT)
    (alone,) = system.read([[region]])
    image = math.log(alone.image_probability / (1 - alone.image_probability))
    reading = MalignancyReader(system, bundle, {"age": 70.0}).read([region])
    assert reading is not None
    expected = 1 / (1 + math.exp(-(0.5 + 2.0 * image + 0.02 * (70 - 50))))
    assert reading.probabilities == {"malignant": pytest.approx(expected)}
    said = reading.conditions["malignant"]
    assert said.startswith("if it is a lesion; calibrated as if both answers")
    assert "clinical factors: age" in said
    assert "taken as average: hepatitis" in said
    names = [one.name for one in reading.nomogram]
    assert names[2:4] == ["age (years): 70", "history of hepatitis: not known"]
    unread = MalignancyReader(system, bundle, {}).read([region])
    assert unread is not None
    assert unread.nomogram == ()
    assert reading.model.figures == (
        "in an expert's outline: AUC 0.75 (0.50 to 0.88), from image geometry alone 0.62"
    )


def test_malignancy_averages_the_frames_that_show_a_lesion_best() -> None:
    """Four at most, as the paper does; a lesion in a still image has one."""
    system, bundle = opened(SHIPPED / "lesion-dcnn-us")
    x0, y0, x1, y1 = TIGHT
    regions = [Region(IMAGE, (x0 + 4 * n, y0, x1 + 4 * n, y1 + n)) for n in range(5)]
    logits = [
        math.log(one.image_probability / (1 - one.image_probability))
        for one in system.read([[region] for region in regions])
    ]
    reader = MalignancyReader(system, bundle, {})
    for count, words in ((1, None), (3, "over the 3 frames"), (5, "over the 4 frames")):
        reading = reader.read(regions[:count])
        assert reading is not None
        mean = float(np.mean(logits[: min(count, 4)]))
        assert reading.probabilities["malignant"] == pytest.approx(1 / (1 + math.exp(-mean)))
        assert ("mean over" in reading.conditions["malignant"]) == (words is not None)
        assert words is None or words in reading.conditions["malignant"]


def test_the_shipped_one_says_how_surely_its_probability_is_calibrated() -> None:
    reading = MalignancyReader(*opened(SHIPPED / "lesion-dcnn-us"), {}).read([Region(IMAGE, TIGHT)])
    assert reading is not None
    sure = reading.bounds["malignant"]
    assert sure.value == reading.probabilities["malignant"]
    assert 0 < sure.low < sure.value < sure.high < 1


def test_classes_are_all_of_the_model(region_bundles: Path) -> None:
    reading = ClassReader(*opened(region_bundles / "lesion-roi"), {}).read([Region(IMAGE, TIGHT)])
    assert reading is not None
    assert list(reading.probabilities) == ["none", "benign", "malignant"] == [*reading.conditions]
    assert sum(reading.probabilities.values()) == pytest.approx(1)
    assert "equally frequent; not calibrated; read in" in reading.conditions["benign"]


def test_classes_are_calibrated_where_the_card_has_a_temperature(region_bundles: Path) -> None:
    bundle = read_bundle(region_bundles / "lesion-roi")
    calibration = {"temperature": 3.0, "interval_95": [2.0, 5.0]}
    warm = replace(bundle, card={**bundle.card, "calibration": calibration})
    plain, calibrated = (
        ClassReader(open_system(one), one, {}).read([Region(IMAGE, TIGHT)])
        for one in (bundle, warm)
    )
    assert plain is not None
    assert calibrated is not None
    said = np.array([list(plain.probabilities.values())])
    expected = tempered(said, 3.0)[0].tolist()
    assert list(calibrated.probabilities.values()) == pytest.approx(expected, abs=1e-6)
    assert "equally frequent; calibrated in an expert's box" in calibrated.conditions["benign"]
    assert plain.bounds == {}
    assert [*calibrated.bounds] == [*plain.probabilities]
    for name, sure in calibrated.bounds.items():
        assert sure.low < sure.high
        assert sure.low <= sure.value == calibrated.probabilities[name] <= sure.high


def test_an_answer_that_is_no_number_is_none(region_bundles: Path) -> None:
    system, bundle = opened(region_bundles / "lesion-roi")
    with torch.no_grad():
        system._network.output.bias.fill_(math.nan)
    assert ClassReader(system, bundle, {}).read([Region(IMAGE, TIGHT)]) is None


@pytest.mark.parametrize("reader", [MalignancyReader, ClassReader])
def test_a_bundle_of_another_system_is_refused(reader: Any, bundles: Path) -> None:
    with pytest.raises(BundleError, match=r"name one of .* in analysis\.(dcnn_us|roi)_bundle"):
        reader(None, read_bundle(bundles / "lesion-attention"), {})


def test_only_the_factors_of_the_bundles_model_are_input(
    region_bundles: Path, bundles: Path
) -> None:
    known = {"age": 70.0, "sex": 1.0, "hepatitis": 0.0}
    assert factors_of(read_bundle(region_bundles / "lesion-dcnn-us"), known) == {
        "age": 70.0,
        "hepatitis": 0.0,
    }
    assert factors_of(read_bundle(bundles / "lesion-attention"), known) == {}
    assert factors_of(None, known) == {}


def test_what_is_outlined_in_a_box_is_read_by_each(settings: Analysis, tmp_path: Path) -> None:
    found = findings(bad_input.study(IMAGE), tmp_path, settings, prompt("box", *BOX))
    lesion = only(found)
    assert [one.model.name for one in lesion.readings] == ["lesion-dcnn-us", "lesion-roi"]
    assert found.region_models == tuple(one.model for one in lesion.readings)
    caption = found.heatmaps[-1].caption
    assert any(line.startswith("lesion-dcnn-us: malignant ") for line in caption)
    assert any(line.startswith("lesion-roi: none ") for line in caption)


def test_what_is_outlined_at_a_click_is_not(settings: Analysis, tmp_path: Path) -> None:
    clicks = prompt("point", (200.0, 180.0))
    found = findings(bad_input.study(IMAGE), tmp_path, settings, clicks)
    assert only(found).readings == ()
    assert found.region_models == ()


def test_the_liver_beside_a_lesion_holds_no_other_that_was_outlined(
    settings: Analysis, tmp_path: Path
) -> None:
    """The second lesion takes the largest square of liver away: the first is read with another."""
    second = np.where(np.roll(IMAGE < 40, 150, axis=1), IMAGE // 4, IMAGE).astype(np.uint8)
    boxes = [prompt("box", *BOX), replace(prompt("box", (280.0, 130.0), (420.0, 230.0)), id=6)]
    dataset = bad_input.study(second)
    alone = only(findings(dataset, tmp_path, settings, boxes[0], name="alone"))
    both = findings(dataset, tmp_path, settings, *boxes, name="both").prompted
    assert both[0].outline == alone.outline
    assert both[0].readings[0].probabilities != alone.readings[0].probabilities
    assert both[0].readings[1].probabilities == pytest.approx(alone.readings[1].probabilities)


def test_without_a_usable_bundle_the_rest_stands_and_it_is_said(
    settings: Analysis, tmp_path: Path
) -> None:
    wrong = settings.model_copy(update={"roi_bundle": "lesion-attention"})
    found = findings(bad_input.study(IMAGE), tmp_path, wrong, prompt("box", *BOX))
    assert [one.model.name for one in only(found).readings] == ["lesion-dcnn-us"]
    (missing,) = [one for one in found.abstentions if one.subject == "malignancy"]
    assert missing.reason is Reason.MODEL_UNAVAILABLE
    assert "lesion-attention" in missing.detail


def test_nobody_reads_regions_unless_it_is_wanted(bundles: Path, tmp_path: Path) -> None:
    """In a box as a user draws it the shipped DCNN-US is not better than geometry alone."""
    usual = Analysis(bundle_folders=(bundles,), fan_liver_bundle="", device="cpu", threads=1)
    found = findings(bad_input.study(IMAGE), tmp_path, usual, prompt("box", *BOX))
    assert only(found).readings == ()
    assert not [one for one in found.abstentions if one.subject == "malignancy"]
