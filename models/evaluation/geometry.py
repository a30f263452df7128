"""The confound baseline: what image size and fan geometry say without one look at the echoes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.images import Window


def geometry_features(
    sizes: Sequence[tuple[int, int]], windows: Sequence[Window]
) -> npt.NDArray[np.float64]:
    """(N, 9): image width, height and aspect; fan crop origin, width, height, aspect, share."""
    rows = []
    for (width, height), (x0, y0, x1, y1) in zip(sizes, windows, strict=True):
        fan = ((x1 - x0), (y1 - y0))
        rows.append([width, height, width / height, x0, y0, *fan, fan[0] / fan[1], fan[0] * fan[1]])
    return np.asarray(rows, dtype=np.float64)


def geometry_scores(
    features: npt.NDArray[np.float64],
    truth: npt.NDArray[np.floating],
    folds: Sequence[Sequence[int]],
) -> npt.NDArray[np.float64]:
    """Out-of-fold probability per row by logistic regression; rows of no fold stay NaN.

    folds : held-out indices, the same as the model's own.
    """
    scores = np.full(len(truth), np.nan)
    everything = np.concatenate([np.asarray(fold, int) for fold in folds])
    for held in folds:
        train = np.setdiff1d(everything, held)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        model.fit(features[train], truth[train])
        scores[np.asarray(held, int)] = model.predict_proba(features[np.asarray(held, int)])[:, 1]
    return scores


def geometry_calls(
    features: npt.NDArray[np.float64],
    truth: npt.NDArray[np.integer],
    folds: Sequence[Sequence[int]],
    *,
    balanced: bool,
) -> npt.NDArray[np.int64]:
    """Out-of-fold class per row by multinomial logistic regression; every row is in one fold.

    balanced : all classes weighted alike, the stronger rival of a balanced accuracy; without it
    the common classes are called more often, the stronger rival of an accuracy.
    """
    calls = np.full(len(truth), -1)
    for held in folds:
        train = np.setdiff1d(np.arange(len(truth)), held)
        weight = "balanced" if balanced else None
        model = make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=2000, class_weight=weight)
        )
        model.fit(features[train], truth[train])
        calls[np.asarray(held, int)] = model.predict(features[np.asarray(held, int)])
    return calls
