"""Sparse linear heads over frozen features: L1 logistic regression and Lasso (paper 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from models.evaluation.calibration import fit_platt

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

    def fit(rows: Rows, strength: float) -> LinearHead:
        scaler = StandardScaler().fit(features[rows])
        model = LogisticRegression(
            C=strength,
            l1_ratio=1.0,
            solver="liblinear",
            class_weight="balanced",
            max_iter=400,
            intercept_scaling=50.0,  # liblinear penalises the intercept: make that cheap
        )
        model.fit(scaler.transform(features[rows]), truth[rows])
        return _unscaled(scaler, model.coef_[0], float(model.intercept_[0]), strength)

    def score(head: LinearHead, rows: Rows) -> float:
        return float(roc_auc_score(truth[rows], head(features[rows])))

    folds = _folds(_strata(fat), groups)
    head = _search(fit, score, CLASSIFIER_GRID, folds)
    held_out = np.empty(len(fat))
    for train, held in folds:
        held_out[held] = fit(train, head.strength)(features[held])
    scaling = fit_platt(truth, held_out)
    return LinearHead(
        head.weight * scaling.slope,
        head.bias * scaling.slope + scaling.intercept,
        head.strength,
    )


def fit_regressor(features: Floats, fat: Floats, groups: Rows) -> LinearHead:
    """Lasso for the fat fraction in %, participants weighted by the inverse frequency of theirs.

    alpha is chosen by four-fold grid search on the weighted squared error.
    """
    weight = inverse_frequency(fat)

    def fit(rows: Rows, strength: float) -> LinearHead:
        scaler = StandardScaler().fit(features[rows])
        model = Lasso(alpha=strength, max_iter=3000, tol=1e-3)
        model.fit(scaler.transform(features[rows]), fat[rows], sample_weight=weight[rows])
        return _unscaled(scaler, model.coef_, float(model.intercept_), strength)

    def score(head: LinearHead, rows: Rows) -> float:
        error = (head(features[rows]) - fat[rows]) ** 2
        return -float(np.average(error, weights=weight[rows]))

    return _search(fit, score, LASSO_GRID, _folds(_strata(fat), groups))


def inverse_frequency(fat: Floats) -> npt.NDArray[np.float64]:
    """(n,) weights of mean 1: one over how many share the fat fraction's bin of 5 %."""
    bins = np.minimum(fat // 5, 6).astype(int)
    weight = 1.0 / np.bincount(bins)[bins]
    return np.asarray(weight / weight.mean())


def _strata(fat: Floats) -> Rows:
    return np.digitize(fat, [5.0, 10.0, 20.0])


def _folds(strata: Rows, groups: Rows) -> list[tuple[Rows, Rows]]:
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    return list(splitter.split(strata, strata, groups))


def _search(
    fit: Callable[[Rows, float], LinearHead],
    score: Callable[[LinearHead, Rows], float],
    grid: Sequence[float],
    folds: Sequence[tuple[Rows, Rows]],
) -> LinearHead:
    means = [
        np.mean([score(fit(train, strength), held) for train, held in folds]) for strength in grid
    ]
    everything = np.sort(np.concatenate([held for _, held in folds]))
    return fit(everything, grid[int(np.argmax(means))])


def _unscaled(scaler: StandardScaler, weight: Floats, bias: float, strength: float) -> LinearHead:
    """The head for features as they are, so that its weights serve the activation map."""
    plain = np.asarray(weight / scaler.scale_, dtype=np.float64)
    return LinearHead(plain, bias - float(plain @ scaler.mean_), strength)
