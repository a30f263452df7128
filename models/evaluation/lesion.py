"""What the out-of-fold predictions of the lesion detector are worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.calibration import (
    brier_score,
    calibration_error,
    cross_calibrated,
    fit_platt_by_patient,
)
from models.evaluation.geometry import geometry_scores
from models.evaluation.metrics import (
    RESAMPLES,
    Figure,
    area_under_curve,
    bootstrap,
    cross_called,
    over_repeats,
    sensitivity,
    specificity,
    youden_threshold,
)
from models.evaluation.robustness import Shift
from models.platt import Platt

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class LabelEvaluation:
    """figures : a card's table. calibration, threshold : what the bundle operates with, fitted on
    all out-of-fold predictions of the label. baseline : (n,) what geometry says of the same images,
    out of fold. sizes, sizes_baseline : the area under the curve within each group of image sizes,
    and the baseline's. robustness : how far it moves, by change of the images."""

    figures: Mapping[str, Any]
    calibration: Platt
    threshold: float
    baseline: npt.NDArray[np.float64]
    sizes: Mapping[str, Figure] = field(default_factory=dict)
    sizes_baseline: Mapping[str, Figure] = field(default_factory=dict)
    robustness: Mapping[str, Shift] = field(default_factory=dict)

    def as_card(self) -> dict[str, Any]:
        """The label's table of a card's figures."""
        groups: dict[str, Mapping[str, Figure] | Mapping[str, Shift]] = {
            "auc_within_sizes": self.sizes,
            "auc_within_sizes_geometry_only": self.sizes_baseline,
            "robustness": self.robustness,
        }
        return dict(self.figures) | {
            name: {key: row.as_card() for key, row in rows.items()}
            for name, rows in groups.items()
            if rows
        }


def evaluate_label(
    truth: Floats,
    logits: Floats,
    geometry: npt.NDArray[np.float64],
    folds: Sequence[Sequence[Sequence[int]]],
    patients: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
) -> LabelEvaluation:
    """Figures of one label over the images on which it is known.

    truth : (n,) 0 or 1. logits : (r, n) out of fold in each repeat, as the detector computes them.
    geometry : (n, f) features of the confound baseline. folds : held-out indices of each repeat.
    patients : (n,), as ``bootstrap`` takes them.

    Figures are means over the repeats. Calibration and threshold that they are reported for are
    fitted on the other folds.
    """
    baseline = geometry_scores(geometry, truth, folds[0])
    repeats = list(zip(logits, folds, strict=True))
    probability = [cross_calibrated(truth, *repeat) for repeat in repeats]
    called = [cross_called(truth, *repeat) for repeat in repeats]
    every, pooled = np.tile(truth, len(logits)), np.concatenate(list(logits))
    owners = [str(place) for place in range(len(truth))] if patients is None else list(patients)
    final = fit_platt_by_patient(every, pooled, owners * len(logits))
    areas = areas_of_folds(truth, logits, folds)

    def lead(truth: Floats, other: Floats, *models: Floats) -> float:
        return over_repeats(area_under_curve)(truth, *models) - area_under_curve(truth, other)

    def figure(statistic: Callable[..., float], *columns: Floats) -> Figure:
        return bootstrap(statistic, truth, *columns, patients=patients, resamples=resamples)

    figures = {
        "auc": figure(over_repeats(area_under_curve), *logits).as_card(),
        "auc_geometry_only": figure(area_under_curve, baseline).as_card(),
        "auc_lead_over_geometry": figure(lead, baseline, *logits).as_card(),
        "auc_mean_of_folds": round(float(np.mean(areas)), 3),
        "auc_sd_of_folds": round(float(np.std(areas, ddof=1)), 3),
        "sensitivity": figure(over_repeats(sensitivity), *called).as_card(),
        "specificity": figure(over_repeats(specificity), *called).as_card(),
        "brier": figure(over_repeats(_defined(brier_score)), *probability).as_card(),
        "calibration_error": figure(
            over_repeats(_defined(calibration_error)), *probability
        ).as_card(),
        "positive": int(truth.sum()),
        "negative": int((1 - truth).sum()),
    }
    return LabelEvaluation(figures, final, youden_threshold(every, final(pooled)), baseline)


def areas_of_folds(
    truth: Floats, logits: Floats, folds: Sequence[Sequence[Sequence[int]]]
) -> npt.NDArray[np.float64]:
    """The area under the curve within each fold of each repeat that holds both answers: paper 1
    reports their mean and standard deviation over 3 x 3 folds.

    truth : (n,), not a number where it is not known. logits : (r, n). folds : of each repeat.
    """
    areas = []
    for repeat, parts in zip(logits, folds, strict=True):
        for part in parts:
            held = [index for index in part if np.isfinite(truth[index])]
            areas.append(area_under_curve(truth[held], repeat[held]))
    return np.asarray([area for area in areas if np.isfinite(area)])


def _defined(score: Callable[[Floats, Floats], float]) -> Callable[[Floats, Floats], float]:
    def on_both_classes(truth: Floats, probability: Floats) -> float:
        if truth.min() == truth.max():
            return float("nan")
        return score(truth, probability)

    return on_both_classes
