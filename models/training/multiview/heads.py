"""Sparse linear heads over frozen features: L1 logistic regression and Lasso (paper 5)."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import StratifiedKFold

from models.evaluation.calibration import fit_platt
from models.evaluation.metrics import area_under_curve

Floats = npt.NDArray[np.floating]
Rows = npt.NDArray[np.intp]

CLASSIFIER_GRID = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
LASSO_GRID = (0.03, 0.1, 0.3, 0.6, 1.0)
FOLDS = 4


@dataclass(frozen=True)
class LinearHead:
    """value = weight . features + bias, on features as the backbone gives them.

    strength : the regularisation that the inner grid search chose (C or alpha).
    """

    weight: npt.NDArray[np.float64]
    bias: float
    strength: float

    def __call__(self, features: Floats) -> Floats:
        return np.asarray(features @ self.weight + self.bias)


def fit_classifier(features: Floats, fat: Floats, groups: Rows, cutoff: float) -> LinearHead:
    """L1 logistic regression for fat >= cutoff, classes weighted by inverse frequency.

    features : (n, C). fat : (n,) per cent. groups : (n,) participants, never divided by a fold.
    C is chosen by stratified four-fold grid search on the AUC, which does not care how far the
    penalty shrank the logits: the chosen head is then calibrated on its held-out logits (Platt).
    """
    truth = (fat >= cutoff).astype(int)

    def fit(scaled: Floats, rows: Rows, strength: float) -> tuple[Floats, float]:
        model = LogisticRegression(
            C=strength,
            l1_ratio=1.0,
            solver="liblinear",
            class_weight="balanced",
            max_iter=400,
            intercept_scaling=50.0,  # liblinear penalises the intercept: make that cheap
        )
        model.fit(scaled, truth[rows])
        return model.coef_[0], float(model.intercept_[0])

    def score(logits: Floats, rows: Rows) -> float:
        return area_under_curve(truth[rows], logits)

    found = _search(features, fit, score, CLASSIFIER_GRID, _folds(truth, groups))
    scaling = fit_platt(truth, found.held_out)
    return LinearHead(
        found.head.weight * scaling.slope,
        found.head.bias * scaling.slope + scaling.intercept,
        found.head.strength,
    )


def fit_regressor(features: Floats, fat: Floats, groups: Rows) -> LinearHead:
    """Lasso for the fat fraction in %, participants weighted by the inverse frequency of theirs.

    alpha is chosen by four-fold grid search on the weighted squared error.
    """
    weight = inverse_frequency(fat)

    def fit(scaled: Floats, rows: Rows, strength: float) -> tuple[Floats, float]:
        model = Lasso(alpha=strength, max_iter=3000, tol=1e-3)
        model.fit(scaled, fat[rows], sample_weight=weight[rows])
        return model.coef_, float(model.intercept_)

    def score(estimate: Floats, rows: Rows) -> float:
        return -float(np.average((estimate - fat[rows]) ** 2, weights=weight[rows]))

    return _search(features, fit, score, LASSO_GRID, _folds(fat, groups)).head


def inverse_frequency(fat: Floats) -> npt.NDArray[np.float64]:
    """(n,) weights of mean 1: one over how many share the fat fraction's bin of 5 %."""
    bins = np.minimum(fat // 5, 6).astype(int)
    weight = 1.0 / np.bincount(bins)[bins]
    return np.asarray(weight / weight.mean())


def fat_strata(fat: Floats, folds: int) -> Rows:
    """(n,) the quarter of each participant's fat fraction, or fewer parts, so that each part has a
    participant for every fold."""
    parts = min(4, max(1, len(fat) // folds))
    ranks = np.argsort(np.argsort(fat, kind="stable"), kind="stable")
    return np.asarray(ranks * parts // len(fat))


def _folds(values: Floats | Rows, groups: Rows) -> list[tuple[Rows, Rows]]:
    """Train and held-out rows, stratified over participants: by class, or by quarters of fat."""
    _, first, owner = np.unique(groups, return_index=True, return_inverse=True)
    own = values[first]
    strata = own if own.dtype.kind == "i" else fat_strata(np.asarray(own, np.float64), FOLDS)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return [
        (np.flatnonzero(np.isin(owner, train)), np.flatnonzero(np.isin(owner, held)))
        for train, held in splitter.split(strata, strata)
    ]


@dataclass(frozen=True)
class _Found:
    """head : fitted on everything with the best strength. held_out : (n,) what heads of that
    strength say of the rows that they did not see."""

    head: LinearHead
    held_out: npt.NDArray[np.float64]


def _search(
    features: Floats,
    fit: Callable[[Floats, Rows, float], tuple[Floats, float]],
    score: Callable[[Floats, Rows], float],
    grid: Sequence[float],
    folds: Sequence[tuple[Rows, Rows]],
) -> _Found:
    """fit : standardised features of some rows, those rows and a strength to weight and bias."""
    held_out = np.empty((len(grid), len(features)))
    scores = np.empty((len(grid), len(folds)))
    with warnings.catch_warnings():
        # The weakest penalties do not settle; the score decides whether they are any good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for column, (train, held) in enumerate(folds):
            standard = _Standard.of(features[train])
            scaled = standard(features[train])
            for row, strength in enumerate(grid):
                head = standard.head(*fit(scaled, train, strength), strength)
                held_out[row, held] = head(features[held])
                scores[row, column] = score(held_out[row, held], held)
        best = int(np.argmax(scores.mean(axis=1)))
        standard, everything = _Standard.of(features), np.arange(len(features))
        fitted = fit(standard(features), everything, grid[best])
    return _Found(standard.head(*fitted, grid[best]), held_out[best])


@dataclass(frozen=True)
class _Standard:
    """mean, scale : (C,) of the features fitted on; a constant feature keeps its scale."""

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def of(cls, features: Floats) -> "_Standard":
        scale = features.std(axis=0)
        return cls(features.mean(axis=0), np.where(scale > 1e-9, scale, 1.0))

    def __call__(self, features: Floats) -> npt.NDArray[np.float64]:
        return np.asarray((features - self.mean) / self.scale)

    def head(self, weight: Floats, bias: float, strength: float) -> LinearHead:
        """The head for features as they are, so that its weights serve the activation map."""
        plain = np.asarray(weight / self.scale, dtype=np.float64)
        return LinearHead(plain, bias - float(plain @ self.mean), strength)
