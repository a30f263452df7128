"""Temperature scaling of a classifier of several classes (Guo et al. 2017), all weighted alike.

One number divides every logit: what is called stays what it was, and how sure it is changes.
"""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from models.evaluation.metrics import RESAMPLES, drawn_anew

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]

_FARTHEST = 20.0  # a set of a few images, all called right, would be scaled without end
_TINY = 1e-12


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """(n, k): what a softmax of the logits over ``temperature`` gives.

    probabilities : (n, k) of a softmax; its logarithms are the logits up to what a softmax drops.
    """
    logits = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_temperature(truth: Integers, probabilities: Floats) -> float:
    """The temperature of the least log loss; over 1 where the classifier was too sure of itself.

    truth : (n,) places among the classes. probabilities : (n, k) on cases it was not fitted on.
    """
    most = float(np.log(_FARTHEST))
    found = minimize_scalar(
        lambda power: log_loss(truth, tempered(probabilities, float(np.exp(power)))),
        bounds=(-most, most),
        method="bounded",
    )
    return float(np.exp(found.x))


class Temperature(NamedTuple):
    """With its 95 % interval over resampled patients."""

    value: float
    low: float
    high: float


def fit_temperature_by_patient(
    truth: Integers,
    probabilities: Floats,
    patients: Sequence[str],
    *,
    resamples: int = RESAMPLES,
) -> Temperature:
    """``fit_temperature`` with its interval. patients : (n,) whose each row is."""
    found = [
        fit_temperature(truth[picked], probabilities[picked])
        for picked in islice(drawn_anew(len(truth), patients), resamples)
    ]
    low, high = np.percentile(found, [2.5, 97.5])
    return Temperature(fit_temperature(truth, probabilities), float(low), float(high))


def cross_tempered(
    truth: Integers, probabilities: Floats, folds: Sequence[Sequence[int]]
) -> Floats:
    """(n, k): each row by the temperature that the other folds gave."""
    found = np.empty(probabilities.shape)
    for held in folds:
        rest = np.setdiff1d(np.arange(len(truth)), held)
        temperature = fit_temperature(truth[rest], probabilities[rest])
        found[list(held)] = tempered(probabilities[list(held)], temperature)
    return found


def log_loss(truth: Integers, probabilities: Floats) -> float:
    """Mean of minus the logarithm of the true class's probability, all classes weighted alike; of k
    classes, log k knows nothing."""
    said = probabilities[np.arange(len(truth)), truth]
    return float(np.average(-np.log(np.maximum(said, _TINY)), weights=_weights(truth)))


def confidence_error(truth: Integers, probabilities: Floats, bins: int = 10) -> float:
    """Expected calibration error of what is called: over equal bins of its probability, how far the
    share of right calls lies from it, all classes weighted alike."""
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == truth).astype(float)
    weight = _weights(truth)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=weight * (confidence - right), minlength=bins)
    return float(np.abs(gaps).sum() / weight.sum())


def _weights(truth: Integers) -> Floats:
    """(n,) such that every class that is there weighs the same."""
    return np.asarray(1.0 / np.maximum(np.bincount(truth), 1)[truth])
