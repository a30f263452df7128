"""What the fat estimator's predictions on held-out participants are worth."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.evaluation.metrics import area_under_curve, bootstrap

Floats = npt.NDArray[np.floating]


def evaluate_estimates(fat: Floats, estimates: Floats) -> dict[str, Any]:
    """Figures of one estimator. fat : (n,) truth in %. estimates : (n, 3) fat in %, P(>= 5 %) and
    P(>= 10 %)."""
    return {
        "spearman": bootstrap(spearman, fat, estimates[:, 0]).as_card(),
        "pearson": bootstrap(pearson, fat, estimates[:, 0]).as_card(),
        "mean_absolute_error": bootstrap(mean_absolute_error, fat, estimates[:, 0]).as_card(),
        "bias": bootstrap(bias, fat, estimates[:, 0]).as_card(),
        "auc_5": bootstrap(area_under_curve, _at_least(fat, 5.0), estimates[:, 1]).as_card(),
        "auc_10": bootstrap(area_under_curve, _at_least(fat, 10.0), estimates[:, 2]).as_card(),
    }


def geometry_only(train: Floats, train_fat: Floats, test: Floats, fat: Floats) -> Mapping[str, Any]:
    """The same figures from frame size and fan geometry alone; rows are participants."""
    columns = [
        make_pipeline(StandardScaler(), LinearRegression()).fit(train, train_fat).predict(test)
    ]
    for cutoff in (5.0, 10.0):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        model.fit(train, _at_least(train_fat, cutoff))
        columns.append(model.predict_proba(test)[:, 1])
    return evaluate_estimates(fat, np.stack(columns, axis=1))


def spearman(truth: Floats, estimate: Floats) -> float:
    """Spearman's rank correlation."""
    return float(stats.spearmanr(truth, estimate).statistic)


def pearson(truth: Floats, estimate: Floats) -> float:
    """Pearson's correlation."""
    return float(stats.pearsonr(truth, estimate).statistic)


def mean_absolute_error(truth: Floats, estimate: Floats) -> float:
    """In the unit of the truth."""
    return float(np.abs(estimate - truth).mean())


def bias(truth: Floats, estimate: Floats) -> float:
    """Mean of estimate minus truth (Bland and Altman)."""
    return float((estimate - truth).mean())


def _at_least(fat: Floats, cutoff: float) -> Floats:
    return np.asarray(fat >= cutoff, dtype=np.float64)
