"""Repeats of a protocol: a figure is the mean over them, never that of the networks together."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data import Case
from models.data.lesion import Lesion
from models.evaluation.attention import Readings, evaluate_readings
from models.evaluation.classes import class_figures
from models.evaluation.fat import fat_figures
from models.evaluation.joint import BOX, CLICK, TIGHT, Assessed, evaluate_lesions
from models.evaluation.lesion import areas_of_folds, evaluate_label
from models.evaluation.metrics import area_under_curve, bootstrap
from models.registry import read_bundle
from models.systems import protocol, system
from models.training.options import Options

pytestmark = pytest.mark.usefixtures("few_resamples")

COUNT = 24
TRUTH = np.arange(COUNT) % 2.0


def repeats() -> np.ndarray:
    """(2, COUNT) two networks that err, each where the other is right: their mean is perfect."""
    error = np.where(np.arange(COUNT) % 4 < 2, 1.5, -1.5)
    return np.stack([TRUTH + error, TRUTH - error])


def mean_area() -> float:
    area = float(np.mean([area_under_curve(TRUTH, row) for row in repeats()]))
    assert area < 0.8
    assert area_under_curve(TRUTH, repeats().mean(axis=0)) == 1
    return area


def folds(shift: int = 0) -> list[list[int]]:
    """Three, of pairs of cases."""
    return [[n for n in range(COUNT) if (n // 2 + shift) % 3 == part] for part in range(3)]


def test_a_cards_figures_are_means_over_the_repeats() -> None:
    geometry = np.random.default_rng(0).normal(size=(COUNT, 2))
    found = evaluate_label(TRUTH, repeats(), geometry, [folds(), folds(1)]).figures
    assert found["auc"]["value"] == pytest.approx(mean_area(), abs=1e-3)
    areas = areas_of_folds(TRUTH, repeats(), [folds(), folds(1)])
    assert len(areas) == 6
    assert found["auc_mean_of_folds"] == pytest.approx(areas.mean(), abs=1e-3)
    assert found["auc_sd_of_folds"] == pytest.approx(areas.std(ddof=1), abs=1e-3)


def test_the_area_of_a_fold_takes_what_is_known_and_both_answers() -> None:
    truth = np.array([0, 1, np.nan, 1, 1, 0.0])
    logits = np.array([[0, 1, 9, 2, 3, 4.0]])
    assert areas_of_folds(truth, logits, [[[0, 1, 2], [3], [4, 5]]]).tolist() == [1.0, 0.0]


def test_the_attention_detector_is_reported_by_repeat_and_by_fold(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 60), 90, np.uint8)).save(tmp_path / "a.png")
    cases = [
        Case(
            str(number),
            str(number),
            tmp_path / "a.png",
            labels={"lesion": int(value), "malignant": int(value), "cyst": int(1 - value)},
            boxes=((0.0, 0.0, 20.0, 20.0),),
        )
        for number, value in enumerate(TRUTH)
    ]
    hit, miss = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)
    hit[0, 0] = miss[1, 2] = 1
    logits = np.stack([repeats(), repeats(), -repeats()], axis=2)
    readings = Readings(
        labels=("lesion", "malignant", "cyst"),
        logits=logits,
        probability=np.full((COUNT, 3), 0.5),
        attention=[[hit] * COUNT, [miss] * COUNT],
        windows=[(0, 0, 60, 40)] * COUNT,
        sizes=[(60, 40)] * COUNT,
        folds=[folds(), folds(1)],
    )
    found = evaluate_readings(cases, readings, None, "by hand", Options(tmp_path))
    assert found.figures["detection_auc"].value == pytest.approx(mean_area())
    assert found.figures["attention_peak_in_box"].value == 0.5
    assert found.figures["challenge_score"].value == pytest.approx(mean_area())
    assert (
        found.figures["challenge_score"].low < mean_area() < found.figures["challenge_score"].high
    )
    areas = areas_of_folds(TRUTH, repeats(), [folds(), folds(1)])
    said = f"detection_auc over 6 folds: {areas.mean():.3f} ± {areas.std(ddof=1):.3f} (mean ± SD"
    assert any(note.startswith(said) for note in found.notes)
    assert any("means over 2 repeats" in note for note in found.notes)


def test_the_joint_system_is_reported_by_repeat() -> None:
    grey = np.zeros((40, 60), np.uint8)
    lesions = [
        Lesion(
            str(n), str(n), grey, grey, None, (0, 0, 9, 9), (0, 0, 60, 40), {"malignant": int(t)}
        )
        for n, t in enumerate(TRUTH)
    ]
    names = (BOX, TIGHT, CLICK)
    assessed = [
        [
            Assessed(
                overlaps=dict.fromkeys(names, level),
                rivals=dict.fromkeys(names, 0.5),
                logits={"malignant": float(logit)},
            )
            for logit in row
        ]
        for level, row in zip((0.6, 0.8), repeats(), strict=True)
    ]
    probability = {"malignant": np.full(COUNT, 0.5)}
    found = evaluate_lesions(lesions, assessed, probability, None, "by hand")
    assert found.figures["malignancy_auc"].value == pytest.approx(mean_area())
    assert found.figures[BOX].value == pytest.approx(0.7)
    assert found.figures[f"{BOX}_lead"].value == pytest.approx(0.2)
    assert any("means over 2 repeats" in note for note in found.notes)


def test_fat_is_reported_by_repeat() -> None:
    fat = np.where(TRUTH == 1, 8.0, 2.0)
    both = np.stack(
        [
            np.stack([fat + gap, row, row], axis=1)
            for gap, row in zip((2, -4), repeats(), strict=True)
        ]
    )
    found = fat_figures(fat, both)
    assert found["fat_auc_5"].value == pytest.approx(mean_area())
    assert found["fat_mae"].value == pytest.approx(3)  # of the mean estimate it would be 1


def test_many_images_of_two_patients_are_two_cases() -> None:
    patients = ["a", "b"] * 12
    values = bootstrap(lambda column: float(column.mean()), TRUTH, patients=patients)
    assert (values.low, values.high, values.cases) == (0, 1, COUNT)
    alone = bootstrap(lambda column: float(column.mean()), TRUTH)
    assert alone.high - alone.low < 0.6
    apart = bootstrap(lambda column: float(column.mean()), TRUTH, patients=map(str, range(COUNT)))
    assert apart == alone
    one = class_figures(np.zeros(COUNT, int), TRUTH.astype(int), ("x", "y"), patients)
    assert (one["accuracy"].low, one["accuracy"].high) == (0, 1)


@pytest.mark.usefixtures("tiny_backbone")
@pytest.mark.parametrize("name", ["attention", "joint"])
def test_a_bundle_is_calibrated_on_every_repeat(tmp_path: Path, name: str) -> None:
    generator = np.random.default_rng(0)
    cases = []
    for number in range(8):
        image = generator.integers(60, 120, (120, 160)).astype(np.uint8)
        image[40:80, 50:100] = 220 if number % 2 else 15
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        corners = ((50.0, 40.0), (100.0, 40.0), (100.0, 80.0), (50.0, 80.0))
        cases.append(
            Case(
                str(number),
                str(number),
                tmp_path / f"{number}.png",
                labels={"lesion": 1, "malignant": number % 2},
                masses=(corners,),
                boxes=((50.0, 40.0, 100.0, 80.0),),
            )
        )
    options = Options(tmp_path / "run", backbone="tiny", epochs=1, folds=2, repeats=2)
    bundle = read_bundle(protocol(system(name)).train(cases, options))
    assert set(bundle.card["calibration"]) == {"malignant"}
    figures = bundle.card["figures"]
    figures = figures["malignant"] if name == "attention" else figures
    assert figures["auc" if name == "attention" else "malignancy_auc"]["cases"] == 8
    assert "2 x 2-fold" in bundle.card["protocol"]["evaluation"]
