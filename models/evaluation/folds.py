"""Cross-validation folds that never divide a patient."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold


def patient_folds(
    strata: Sequence[str], patients: Sequence[str], folds: int = 3, seed: int = 0
) -> list[list[int]]:
    """The held-out indices of each fold, with the strata in about equal shares."""
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    empty = np.zeros(len(strata))
    return [held.tolist() for _, held in splitter.split(empty, strata, patients)]
