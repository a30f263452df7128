"""Figures, calibration, folds and the confound baseline."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.data import Case
from models.evaluation.attention import (
    Readings,
    cells_in_box,
    challenge_score,
    evaluate_readings,
    localisation,
)
from models.evaluation.calibration import brier_score, calibration_error, fit_platt
from models.evaluation.folds import patient_folds
from models.evaluation.geometry import geometry_features, geometry_scores
from models.evaluation.lesion import evaluate_label
from models.evaluation.metrics import (
    area_under_curve,
    bootstrap,
    sensitivity,
    specificity,
    youden_threshold,
)
from models.training.options import Options


def scores(count: int = 300, prevalence: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = (generator.random(count) < prevalence).astype(float)
    return truth, truth * 1.5 + generator.normal(size=count)


def test_area_under_curve_counts_ties_as_half() -> None:
    truth, score = scores()
    score = score.round(1)
    assert area_under_curve(truth, score) == pytest.approx(roc_auc_score(truth, score))
    assert np.isnan(area_under_curve(np.ones(4), np.arange(4.0)))


def test_interval_covers_the_value_and_narrows_with_cases() -> None:
    few = bootstrap(area_under_curve, *(column[:60] for column in scores()), resamples=300)
    many = bootstrap(area_under_curve, *scores(1200), resamples=300)
    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low
    assert many.cases == 1200


def test_youden_threshold_is_where_both_rates_are_largest() -> None:
    truth, score = np.array([0, 0, 0, 1, 1, 1.0]), np.array([0.1, 0.2, 0.6, 0.5, 0.7, 0.8])
    threshold = youden_threshold(truth, score)
    called = (score >= threshold).astype(float)
    assert sensitivity(truth, called) + specificity(truth, called) == pytest.approx(5 / 3)


def test_calibration_is_for_equal_prior_whatever_the_set_held() -> None:
    truth, score = scores(4000, prevalence=0.9)
    probability = fit_platt(truth, score)(score)
    between = np.abs(score - 0.75) < 0.2  # as likely from either class
    assert probability[between].mean() == pytest.approx(0.5, abs=0.05)
    assert calibration_error(truth, probability) < 0.06
    assert brier_score(truth, probability) < brier_score(truth, np.full(4000, 0.5))


def test_folds_keep_a_patient_together() -> None:
    patients = [f"p{number // 3}" for number in range(90)]
    strata = ["a" if number % 2 else "b" for number in range(90)]
    folds = patient_folds(strata, patients)
    assert sorted(index for fold in folds for index in fold) == list(range(90))
    owners = [{patients[index] for index in fold} for fold in folds]
    assert not owners[0] & owners[1]
    assert not owners[1] & owners[2]


def test_geometry_alone_finds_a_set_that_two_scanners_made() -> None:
    truth = np.arange(60) % 2.0
    sizes = [(1024, 768) if value else (720, 576) for value in truth]
    windows = [(10, 10, width - 10, height - 10) for width, height in sizes]
    folds = [list(range(start, 60, 3)) for start in range(3)]
    found = geometry_scores(geometry_features(sizes, windows), truth, folds)
    assert area_under_curve(truth, found) == 1.0
    same = geometry_features([(720, 576)] * 60, [(0, 0, 700, 500)] * 60)
    assert area_under_curve(truth, geometry_scores(same, truth, folds)) <= 0.5


def test_a_label_is_reported_beside_its_confound_baseline() -> None:
    truth, score = scores()
    geometry = np.random.default_rng(1).normal(size=(300, 3))
    folds = [list(range(start, 300, 3)) for start in range(3)]
    evaluation = evaluate_label(truth, score[None], geometry, [folds], resamples=60)
    figures = evaluation.figures
    assert figures["auc"]["value"] == pytest.approx(area_under_curve(truth, score), abs=1e-3)
    assert figures["auc_geometry_only"]["value"] < 0.65
    low, high = figures["auc_lead_over_geometry"]["interval_95"]
    assert low < figures["auc_lead_over_geometry"]["value"] < high
    assert 0.3 < evaluation.threshold < 0.7


def test_an_attention_peak_counts_where_the_box_is() -> None:
    cells = np.zeros((3, 4))
    cells[1, 2] = 1.0  # of the window 100..500 x 50..350: columns 300 to 400, rows 150 to 250
    window = (100, 50, 500, 350)

    def hit(*box: float) -> bool:
        case = Case("a", "a", Path("a.png"), boxes=(box,))
        return bool(cells_in_box(cells.shape, window, case)[1, 2])

    assert hit(390, 240, 450, 300)
    assert not hit(401, 150, 450, 250)
    assert not hit(300, 251, 400, 300)
    case = Case("a", "a", Path("a.png"), boxes=((310, 160, 390, 240),))
    found = localisation([case], [window], [[cells]])
    assert found is not None
    assert [figure.value for figure in found] == [1.0, pytest.approx(1 / 12)]


def test_the_score_of_equation_4() -> None:
    known = {"detection_auc": 0.9, "malignancy_auc": 0.8, "cyst_auc": 0.6, "metastasis_auc": 1.0}
    assert challenge_score(known) == pytest.approx(0.5 * 0.9 + 0.3 * 0.8 + 0.2 * 0.8)
    assert challenge_score({"detection_auc": 0.9, "malignancy_auc": 0.8}) is None


def test_a_label_of_one_answer_has_no_area_and_a_note_says_so(tmp_path: Path) -> None:
    cases = [Case(str(n), str(n), tmp_path, labels={"lesion": 0}) for n in range(4)]
    readings = Readings(
        labels=("lesion", "malignant"),
        logits=np.zeros((1, 4, 2)),
        probability=np.full((4, 2), 0.5),
        attention=[[np.ones((2, 3), np.float32)] * 4],
        windows=[(0, 0, 30, 20)] * 4,
        sizes=[(30, 20)] * 4,
    )
    options = Options(tmp_path, read=lambda case: np.zeros((20, 30), np.uint8))
    found = evaluate_readings(cases, readings, None, "by hand", options)
    assert found.figures == {}
    assert any("of lesion, malignant: these cases hold one answer" in n for n in found.notes)
