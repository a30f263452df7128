"""What the out-of-fold predictions of the lesion detector are worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.calibration import (
    Platt,
    brier_score,
    calibration_error,
    cross_calibrated,
    fit_platt,
)
from models.evaluation.geometry import geometry_scores
from models.evaluation.metrics import (
    RESAMPLES,
    Figure,
    area_under_curve,
    bootstrap,
    sensitivity,
    specificity,
    youden_threshold,
)

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class LabelEvaluation:
    """figures : a card's table. calibration, threshold : what the bundle operates with, fitted on
    all out-of-fold predictions of the label."""

    figures: Mapping[str, Any]
    calibration: Platt
    threshold: float


def evaluate_label(
    truth: Floats,
    logits: Floats,
    geometry: npt.NDArray[np.float64],
    folds: Sequence[Sequence[int]],
    *,
    resamples: int = RESAMPLES,
) -> LabelEvaluation:
    """Figures of one label over the images on which it is known.

    truth : (n,) 0 or 1. logits : (n,) out of fold, as the detector computes them.
    geometry : (n, f) features of the confound baseline. folds : held-out indices.

    Calibration and threshold that figures are reported for are fitted on the other folds.
    """
    baseline = geometry_scores(geometry, truth, folds)
    probability = cross_calibrated(truth, logits, folds)
    called = np.empty(len(truth))
    for held in folds:
        rest = np.setdiff1d(np.arange(len(truth)), held)
        called[held] = logits[held] >= youden_threshold(truth[rest], logits[rest])
    final = fit_platt(truth, logits)

    def lead(truth: Floats, model: Floats, other: Floats) -> float:
        return area_under_curve(truth, model) - area_under_curve(truth, other)

    def figure(statistic: Callable[..., float], *columns: Floats) -> Figure:
        return bootstrap(statistic, *columns, resamples=resamples)

    figures = {
        "auc": figure(area_under_curve, truth, logits).as_card(),
        "auc_geometry_only": figure(area_under_curve, truth, baseline).as_card(),
        "auc_lead_over_geometry": figure(lead, truth, logits, baseline).as_card(),
        "auc_mean_of_folds": round(
            float(np.mean([area_under_curve(truth[held], logits[held]) for held in folds])), 3
        ),
        "sensitivity": figure(sensitivity, truth, called).as_card(),
        "specificity": figure(specificity, truth, called).as_card(),
        "brier": figure(_defined(brier_score), truth, probability).as_card(),
        "calibration_error": figure(_defined(calibration_error), truth, probability).as_card(),
        "positive": int(truth.sum()),
        "negative": int((1 - truth).sum()),
    }
    return LabelEvaluation(figures, final, youden_threshold(truth, final(logits)))


def _defined(score: Callable[[Floats, Floats], float]) -> Callable[[Floats, Floats], float]:
    def on_both_classes(truth: Floats, probability: Floats) -> float:
        if truth.min() == truth.max():
            return float("nan")
        return score(truth, probability)

    return on_both_classes
