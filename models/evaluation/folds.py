"""Cross-validation folds that never divide a patient."""

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from models.data import Case


def patient_folds(
    strata: Sequence[str], patients: Sequence[str], folds: int = 3, seed: int = 0
) -> list[list[int]]:
    """The held-out indices of each fold, with the strata in about equal shares; a stratum of fewer
    cases than folds goes as far as it goes, and where all are so rare none counts."""
    if max(Counter(strata).values()) < folds:
        strata = ["alike"] * len(strata)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    empty = np.zeros(len(strata))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [held.tolist() for _, held in splitter.split(empty, strata, patients)]


def case_folds(cases: Sequence[Case], folds: int, seed: int) -> list[list[int]]:
    """The held-out places of each fold, with every combination of labels in about equal shares.

    Every system that divides the same cases by this divides them alike: what the network of one
    system says of a fold may be given to that of another.
    """
    strata = [str(sorted(case.labels.items())) for case in cases]
    return patient_folds(strata, [case.patient for case in cases], folds, seed)


def possible_folds(
    strata: Sequence[str], patients: Sequence[str], most: int, seed: int = 0
) -> list[list[int]]:
    """As many folds as the rarest stratum has patients, ``most`` at most, each of which leaves
    every stratum to fit on; none where that takes more patients, or a second stratum."""
    kinds = set(strata)
    owners = Counter(kind for kind, _ in set(zip(strata, patients, strict=True)))
    for count in range(min([most, *owners.values()]), 1, -1) if len(kinds) > 1 else ():
        folds = patient_folds(strata, patients, count, seed)
        rests = (set(range(len(strata))) - set(held) for held in folds)
        if all({strata[index] for index in rest} == kinds for rest in rests):
            return folds
    return []


def folds_among(known: Sequence[int], folds: Sequence[Sequence[int]]) -> list[list[int]]:
    """The folds of all cases as places in ``known``, that holds the places of some in order."""
    row = {int(place): number for number, place in enumerate(known)}
    return [[row[place] for place in fold if place in row] for fold in folds]


def answered(answers: Iterable[tuple[str, int]], folds: int) -> bool:
    """Whether both answers to a question come from as many patients as there are folds: with fewer,
    what a fold leaves may hold one answer only.

    answers : patient, and 0 or 1. folds : 0 where nothing is held out.
    """
    owners = Counter(answer for _, answer in set(answers))
    return min(owners[0], owners[1]) >= max(1, folds)


def left_out(labels: Sequence[str], kept: Sequence[str], folds: int) -> list[str]:
    """A sentence for each label that is not kept, for it is not ``answered``."""
    return [
        f"{label!r} is left out: each of its answers must come from {folds} patients or more, one "
        "for each fold"
        for label in labels
        if label not in kept
    ]
