"""Frames changed as scanners change them, what that does to an area, and areas by image size."""

from pathlib import Path

import numpy as np
import pytest

from models.data import Case
from models.evaluation.attention import Readings, evaluate_readings
from models.evaluation.changes import CHANGES, TITLES, without_fan_mask
from models.evaluation.metrics import Figure
from models.evaluation.robustness import Shift, moved, shifts
from models.evaluation.sizes import OTHERS, areas_by_size
from models.images import content_window
from models.training.options import Options


def sector(shape: tuple[int, int] = (300, 400), level: int = 90) -> np.ndarray:
    """A fan of speckle on black: at row r it is 0.8 r + 40 pixels wide."""
    rows, columns = np.indices(shape)
    inside = (np.abs(columns - shape[1] / 2) <= 0.4 * rows + 20) & (rows >= 20) & (rows < 280)
    speckle = np.random.default_rng(0).integers(level - 30, level + 30, shape)
    return np.where(inside, speckle, 0).astype(np.uint8)


def test_every_change_has_a_title_and_leaves_what_it_was_given() -> None:
    assert list(TITLES) == list(CHANGES)
    image = sector()
    before = image.copy()
    for name, change in CHANGES.items():
        found = change(image)
        assert found.dtype == np.uint8, name
        assert found.ndim == 2, name
        assert not np.array_equal(found, image), name
        assert np.array_equal(image, before), name


@pytest.mark.parametrize("name", CHANGES)
def test_a_black_frame_stays_one(name: str) -> None:
    assert CHANGES[name](np.zeros((40, 60), np.uint8)).max() == 0


def test_six_decibels_are_twenty_five_and_a_half_levels_of_what_is_seen() -> None:
    image = np.array([[0, 4, 5, 100, 240]], np.uint8)
    assert CHANGES["gain_plus_6_db"](image).tolist() == [[0, 4, 30, 126, 255]]  # halves to even
    assert CHANGES["gain_minus_6_db"](image).tolist() == [[0, 4, 0, 74, 214]]


def test_gamma_keeps_black_and_white_and_bends_between() -> None:
    image = np.array([[0, 64, 255]], np.uint8)
    assert CHANGES["gamma_0.7"](image).tolist() == [[0, round(255 * (64 / 255) ** 0.7), 255]]
    assert CHANGES["gamma_1.4"](image).tolist() == [[0, 37, 255]]  # 255 * 0.251 ** 1.4 = 36.8


def test_a_tighter_crop_cuts_a_twentieth_of_the_echo_content_at_each_edge() -> None:
    image = np.zeros((150, 180), np.uint8)
    image[20:120, 30:150] = np.arange(100, 220)
    cut = CHANGES["tighter_crop"](image)
    assert np.array_equal(cut, image[25:115, 36:144])


def test_another_scanners_frame_has_its_size_and_the_same_proportions() -> None:
    small, large = np.full((300, 400), 90, np.uint8), np.full((600, 1200), 90, np.uint8)
    assert CHANGES["other_scanner_size"](small).shape == (768, 1024)
    assert content_window(CHANGES["other_scanner_size"](small)) == (0, 0, 1024, 768)
    found = CHANGES["other_scanner_size"](large)
    assert found.shape == (576, 720)
    rows = np.flatnonzero(found[:, 360] > 0)
    assert len(rows) == 360  # half of the width, in the middle
    assert rows[0] == 108


def test_without_its_mask_a_fan_fills_its_box_with_its_own_speckle() -> None:
    image = sector()
    found = without_fan_mask(image)
    x0, y0, x1, y1 = content_window(image)
    assert (image[y0:y1, x0:x1] == 0).mean() > 0.3
    assert (found[y0:y1, x0:x1] > 30).all()
    assert found[y0:y1, x0:x1].std() == pytest.approx(image[image > 0].std(), rel=0.15)
    outside = np.ones(image.shape, bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(found[outside], image[outside])
    middle = slice(190, 210)
    assert np.array_equal(found[60:250, middle], image[60:250, middle])
    assert content_window(found) == (x0, y0, x1, y1)


def test_what_the_fan_mask_hid_mirrors_the_tissue_at_its_edge() -> None:
    """An edge at column 40, lit to the right: the pixel d left of it shows the one d right."""
    image = np.zeros((100, 140), np.uint8)
    image[:20] = image[20:, 40:] = 1
    image = image * (20 + np.arange(140, dtype=np.uint8))
    found = without_fan_mask(image)
    row = found[70].astype(int)
    edge = np.flatnonzero(np.diff(row) > 0)[0]
    assert 40 <= edge <= 44  # the outermost pixels of a fan are dim and do not count
    assert row[edge - 10] == row[edge + 10]


def test_an_area_moves_by_what_the_changed_readings_say() -> None:
    truth = np.array([0.0, 0, 1, 1])
    logits = np.array([[0.0, 1, 2, 3]])
    changed = {"flip": logits, "no_fan_mask": np.array([[0.0, 2.5, 2, 3]])}
    found = shifts(truth, logits, changed, list("abcd"))
    assert found["flip"].difference == Figure(0.0, 0.0, 0.0, 4)
    assert found["flip"].tolerated
    worse = found["no_fan_mask"]
    assert worse.area.value == pytest.approx(0.75)
    assert worse.difference.value == pytest.approx(-0.25)
    assert worse.difference.low <= -0.25 <= worse.difference.high <= 0
    (sentence,) = moved("malignant", found)
    assert "'malignant'" in sentence
    assert "fan mask removed, tissue in the corners -0.250" in sentence
    assert "left and right" not in sentence


def test_a_paired_interval_is_narrower_than_that_of_an_area_alone() -> None:
    generator = np.random.default_rng(0)
    truth = (np.arange(120) % 2).astype(float)
    logits = truth + generator.normal(size=120)
    changed = logits + 0.1 * generator.normal(size=120)
    found = shifts(truth, logits[None], {"flip": changed[None]}, [str(n) for n in range(120)])
    shift = found["flip"]
    assert shift.difference.high - shift.difference.low < (shift.area.high - shift.area.low) / 3


def test_sizes_of_few_patients_or_of_one_answer_stand_together() -> None:
    sizes = [(720, 576)] * 24 + [(1024, 768)] * 22 + [(640, 480)] * 12
    truth = np.array([0.0, 1] * 12 + [1.0] * 22 + [0.0, 1] * 6)
    score = np.concatenate([truth[:24], -truth[24:]])
    patients = [str(number) for number in range(58)]
    found = areas_by_size(truth, score[None], sizes, patients)
    assert {name: (area.value, area.cases) for name, area in found.items()} == {
        "720x576 pixels": (1.0, 24),
        OTHERS: (0.0, 34),
    }
    same = ["one"] * 24 + patients[24:]  # of one patient a size is no group
    assert list(areas_by_size(truth, score[None], sizes, same)) == [OTHERS]


def test_an_evaluation_says_both_under_keys_of_their_own(tmp_path: Path) -> None:
    truth = np.arange(24) % 2
    cases = [Case(str(n), str(n), tmp_path, labels={"lesion": int(truth[n])}) for n in range(24)]
    logits = np.stack([truth + 0.01 * np.arange(24)], axis=1)[None]
    readings = Readings(
        labels=("lesion",),
        logits=logits,
        probability=np.full((24, 1), 0.5),
        attention=[[np.ones((2, 3), np.float32)] * 24],
        windows=[(0, 0, 30, 20)] * 24,
        sizes=[(30, 20)] * 24,
        changed={"flip": -logits},
    )
    options = Options(tmp_path, read=lambda case: np.zeros((20, 30), np.uint8))
    found = evaluate_readings(cases, readings, None, "by hand", options)
    assert found.strata["30x20 pixels"]["detection_auc"].value == 1.0
    assert found.robustness["flip"]["detection_auc"].area.value == 0.0
    said = found.as_json()
    assert list(said["figures"]) == ["detection_auc"]
    assert said["robustness"]["flip"]["detection_auc"]["difference"]["value"] == -1.0


def test_a_card_holds_figures_with_intervals() -> None:
    shift = Shift(Figure(0.9, 0.85, 0.95, 10), Figure(-0.0123, -0.02, 0.001, 10))
    assert shift.as_card() == {
        "auc": {"value": 0.9, "interval_95": [0.85, 0.95], "cases": 10},
        "auc_change": {"value": -0.012, "interval_95": [-0.02, 0.001], "cases": 10},
    }
