"""The confound baseline of a fat estimator: the same figures without one look at the echoes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.evaluation.fat import CUTOFFS, at_least

Floats = npt.NDArray[np.floating]


def baseline_estimates(
    features: Floats, fat: Floats, folds: Sequence[Sequence[int]]
) -> npt.NDArray[np.float64]:
    """Out-of-fold (n, 3) fat in %, P(>= 5 %) and P(>= 10 %) by ridge and logistic regression.

    features : (n, f), one row per participant; what is not a number takes the column's mean.
    folds : held-out participants, the same as the model's own. A column is not a number where some
    fold leaves one class only.
    """
    found = np.full((len(fat), 3), np.nan)
    everything = np.arange(len(fat))
    for held in folds:
        train = np.setdiff1d(everything, held)
        rows = np.asarray(held, int)
        found[rows, 0] = _pipeline(Ridge()).fit(features[train], fat[train]).predict(features[rows])
        for column, cutoff in enumerate(CUTOFFS, start=1):
            truth = at_least(fat, cutoff)
            if 0 < truth[train].sum() < len(train):
                model = _pipeline(LogisticRegression(max_iter=2000, class_weight="balanced"))
                model.fit(features[train], truth[train])
                found[rows, column] = model.predict_proba(features[rows])[:, 1]
    return found


def beside(estimates: Floats, baseline: Floats) -> npt.NDArray[np.float64]:
    """The baseline (…, n, 3) where there are estimates of that shape, else not numbers: the two
    are then of the same participants."""
    return np.where(np.isfinite(estimates), baseline, np.nan)


def _pipeline(model: Any) -> Any:
    filled = SimpleImputer(keep_empty_features=True)
    return make_pipeline(filled, StandardScaler(), model)


def participant_geometry(
    geometry: Floats, owner: npt.NDArray[np.intp], view: npt.NDArray[np.intp], count: int
) -> npt.NDArray[np.float64]:
    """(count, views f) the mean geometry of each participant's frames, view by view; not numbers
    where one has no frame of a view.

    geometry : (n, f) of ``models.evaluation.geometry``. owner, view : (n,).
    """
    parts = []
    for number in np.unique(view):
        chosen = view == number
        parts.append(mean_by(owner[chosen], geometry[chosen], count))
    return np.concatenate(parts, axis=1)


def mean_by(owner: npt.NDArray[np.intp], rows: Floats, count: int) -> npt.NDArray[np.float64]:
    """(count, f) the mean of each owner's rows (n, f); not numbers where it has none."""
    total = np.zeros((count, rows.shape[1]))
    np.add.at(total, owner, rows)
    number = np.bincount(owner, minlength=count)[:, None]
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
