"""Fitting the view head: penalty, temperature and both limits come from frames held out inside."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from models.errors import TrainingError
from models.evaluation.folds import possible_folds
from models.fat.scope import Scope
from models.frame.view import Head
from models.training.view.samples import ViewSamples

GRID = (0.001, 0.01, 0.1)
"""Inverse strengths of the L2 penalty."""

INNER = 4

RIGHT = 0.99
"""The share of right calls among the held-out ones that a probability must have to be believed."""

FAMILIAR = 95.0
"""Percentile of the held-out frames' distances up to which a frame counts as familiar. Stricter
than the fat estimator: a wrong view is worse than none."""

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Fitted:
    """strength : that the inner folds chose. temperature : that the logits were divided by."""

    head: Head
    strength: float
    temperature: float


def fit_head(samples: ViewSamples, places: Sequence[int]) -> Fitted:
    """The head fitted on the frames at ``places``, whose views are known.

    Inner folds by patient choose the penalty by the log loss of calibrated probabilities, and give
    the temperature and both limits. TrainingError where the patients do not suffice for two.
    """
    chosen = np.asarray(places, int)
    truth = samples.targets[chosen]
    features = samples.features[chosen]
    roots = np.sqrt(np.maximum(features, 0.0)).astype(np.float64)
    owners = [samples.patients[place] for place in chosen]
    logits = np.empty((len(GRID), len(chosen), len(samples.views)))
    distance = np.empty(len(chosen))
    folds = possible_folds(samples.strata(chosen.tolist()), owners, INNER)
    if not folds:
        raise TrainingError(
            "a fold leaves too few patients of some view to choose anything on: give more, or "
            "fewer folds"
        )
    for held in folds:
        rest = np.setdiff1d(np.arange(len(chosen)), held)
        distance[held] = Scope.fit(features[rest], features[rest]).distance(features[held])
        for number, strength in enumerate(GRID):
            weight, bias = regression(roots[rest], truth[rest], strength)
            logits[number, held] = roots[held] @ weight.T + bias
    temperatures = [temperature_of(truth, row) for row in logits]
    losses = [
        log_loss(truth, softmax(row / one, axis=1))
        for row, one in zip(logits, temperatures, strict=True)
    ]
    best = int(np.argmin(losses))
    temperature = temperatures[best]
    weight, bias = regression(roots, truth, GRID[best])
    head = Head(
        weight=np.asarray(weight / temperature, np.float32),
        bias=np.asarray(bias / temperature, np.float32),
        scope=Scope.fit(features, features).limited(float(np.percentile(distance, FAMILIAR))),
        limit=limit_of(truth, softmax(logits[best] / temperature, axis=1)),
    )
    return Fitted(head, GRID[best], temperature)


def regression(
    roots: Floats, truth: npt.NDArray[np.integer], strength: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weight (V, C) and bias (V,) of a logistic regression on standardised features, for features
    as they are; one that hardly varies is not blown up."""
    mean, spread = roots.mean(axis=0), roots.std(axis=0)
    spread = np.maximum(spread, 0.1 * np.median(spread) + 1e-9)
    model = LogisticRegression(C=strength, max_iter=2000, tol=1e-3)
    model.fit((roots - mean) / spread, truth)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # of two classes it keeps one row
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    plain = weight / spread
    return plain, bias - plain @ mean


def temperature_of(truth: npt.NDArray[np.integer], logits: Floats) -> float:
    """What to divide logits by so that their probabilities fit the truth best (Guo et al. 2017)."""

    def loss(logarithm: float) -> float:
        return log_loss(truth, softmax(logits / np.exp(logarithm), axis=1))

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded").x))


def log_loss(truth: npt.NDArray[np.integer], probabilities: Floats) -> float:
    """Mean of -ln of the probability that the truth was given."""
    given = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(given, 1e-12)).mean())


def limit_of(truth: npt.NDArray[np.integer], probabilities: Floats) -> float:
    """The smallest probability, at least one half, such that ``RIGHT`` of the calls at or above it
    are right; more than 1 where there is none."""
    surest = probabilities.max(axis=1)
    order = np.argsort(-surest, kind="stable")
    right = (probabilities.argmax(axis=1) == truth)[order]
    share = np.cumsum(right) / np.arange(1, len(right) + 1)
    enough = np.flatnonzero(share >= RIGHT)
    return max(0.5, float(surest[order][enough[-1]])) if len(enough) else float("inf")
