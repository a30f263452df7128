"""Calibration at equal prior: Platt scaling with both classes weighted alike.

Public sets hold far more diseased than normal images (86 % of Xu et al. 2023 show a mass), and a
probability fitted to that share would cry wolf in a clinic. So scores are calibrated as if both
classes were equally common: probability 0.5 then means that the image speaks for neither.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from models.evaluation.metrics import drawn_anew
from models.platt import Platt

Floats = npt.NDArray[np.floating]

RESAMPLES = 500
"""Of patients, for the covariance of a scaling: each is a fit of its own, of a few milliseconds."""


def fit_platt(truth: Floats, logits: Floats) -> Platt:
    """Platt scaling of logits at equal prior of both classes."""
    model = LogisticRegression(C=1e4, class_weight="balanced")
    model.fit(np.asarray(logits)[:, None], truth)
    return Platt(float(model.coef_[0, 0]), float(model.intercept_[0]))


def fit_platt_by_patient(
    truth: Floats, logits: Floats, patients: Sequence[str], *, resamples: int = RESAMPLES
) -> Platt:
    """``fit_platt`` with the covariance of slope and intercept over resampled patients.

    patients : (n,) whose each row is. A resample of one class only is drawn again.
    """
    fits: list[Platt] = []
    for picked in drawn_anew(len(truth), patients):
        if len(fits) == resamples:
            break
        if truth[picked].min() < truth[picked].max():
            fits.append(fit_platt(truth[picked], logits[picked]))
    spread = np.cov([[fit.slope, fit.intercept] for fit in fits], rowvar=False)
    covariance = (float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1]))
    return replace(fit_platt(truth, logits), covariance=covariance)


def cross_calibrated(truth: Floats, logits: Floats, folds: Sequence[Sequence[int]]) -> Floats:
    """Probability of each row by the scaling that the other folds gave."""
    probability = np.empty(len(truth))
    for held in folds:
        rest = np.setdiff1d(np.arange(len(truth)), held)
        probability[held] = fit_platt(truth[rest], logits[rest])(logits[held])
    return probability


def brier_score(truth: Floats, probability: Floats) -> float:
    """Mean squared error of the probability, both classes weighted alike; 0.25 knows nothing."""
    weight = compute_sample_weight("balanced", truth)
    return float(np.average((probability - truth) ** 2, weights=weight))


def calibration_error(truth: Floats, probability: Floats, bins: int = 10) -> float:
    """Expected calibration error over equal bins, both classes weighted alike."""
    weight = compute_sample_weight("balanced", truth)
    index = np.minimum((probability * bins).astype(int), bins - 1)
    total = 0.0
    for chosen in (index == number for number in range(bins)):
        if chosen.any():
            gap = np.average(probability[chosen] - truth[chosen], weights=weight[chosen])
            total += abs(float(gap)) * float(weight[chosen].sum())
    return total / float(weight.sum())


def confidence_error(right: Floats, probability: Floats, bins: int = 10) -> float:
    """Expected calibration error of several classes (Guo et al. 2017): over equal bins of the
    likeliest class's probability, its mean against the share of right calls.

    right : (n,) 1 where the likeliest class was the right one. probability : (n,) its own.
    """
    index = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [
        abs(float((probability[chosen] - right[chosen]).sum()))
        for chosen in (index == number for number in range(bins))
    ]
    return sum(gaps) / len(right)
