"""Figures for cards: areas, correlations and rates with bootstrapped 95 % intervals."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_curve

Floats = npt.NDArray[np.floating]
Statistic = Callable[..., float]
_Rows = npt.NDArray[np.integer]

RESAMPLES = 2000


@dataclass(frozen=True)
class Figure:
    """A statistic with its 95 % interval (percentile bootstrap over patients) and the number of
    cases."""

    value: float
    low: float
    high: float
    cases: int

    def as_card(self) -> dict[str, object]:
        """The form cards hold: value, interval and cases, rounded to three digits."""
        return {
            "value": round(self.value, 3),
            "interval_95": [round(self.low, 3), round(self.high, 3)],
            "cases": self.cases,
        }


def bootstrap(
    statistic: Statistic,
    *columns: npt.NDArray[Any],
    patients: Iterable[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figure:
    """A statistic over cases with a 95 % interval, resampling whole patients.

    columns : arrays of one row per case, resampled together. patients : whose each case is, for
    those of one are alike; None where each has one. A resample on which the statistic is not
    defined (one class only) is drawn again, ten times as often as there are resamples; where that
    does not suffice, the ends are NaN.
    """
    cases = len(columns[0])
    draws = drawn_anew(cases, patients, seed)
    values: list[float] = []
    for picked in islice(draws, 10 * resamples):
        value = statistic(*(column[picked] for column in columns))
        if np.isfinite(value):
            values.append(value)
        if len(values) == resamples:
            break
    ends = np.percentile(values, [2.5, 97.5]) if len(values) == resamples else (np.nan, np.nan)
    return Figure(float(statistic(*columns)), float(ends[0]), float(ends[1]), cases)


def drawn_anew(cases: int, patients: Iterable[str] | None, seed: int = 0) -> Iterator[_Rows]:
    """Without end, the cases of as many patients as there are, drawn with replacement.

    patients : of each case, None where each has one.
    """
    generator = np.random.default_rng(seed)
    count, rows = (cases, _same) if patients is None else _by_patient(patients)
    while True:
        yield rows(generator.integers(0, count, count))


def over_repeats(statistic: Statistic) -> Statistic:
    """The mean of a statistic over the repeats of a protocol, of which each has a column after the
    truth: what one network is worth, where the mean of their answers would be an ensemble's."""

    def mean(truth: Floats, *repeats: Floats) -> float:
        return float(np.mean([statistic(truth, column) for column in repeats]))

    return mean


def _same(picked: _Rows) -> _Rows:
    return picked


def _by_patient(patients: Iterable[str]) -> tuple[int, Callable[[_Rows], _Rows]]:
    """How many patients there are, and what gives the cases of some of them."""
    patients = list(patients)
    number = {patient: place for place, patient in enumerate(dict.fromkeys(patients))}
    owner = np.asarray([number[patient] for patient in patients])
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner)
    starts = np.cumsum(counts) - counts

    def rows(picked: _Rows) -> _Rows:
        lengths = counts[picked]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.asarray(order[np.repeat(starts[picked], lengths) + within])

    return len(counts), rows


def area_under_curve(truth: Floats, score: Floats) -> float:
    """ROC AUC by Mann and Whitney's ranks; not a number where the truth has one class only."""
    positive = int(np.count_nonzero(truth))
    negative = len(truth) - positive
    if not positive or not negative:
        return float("nan")
    total = float(ranks(score)[truth == 1].sum())
    return (total - positive * (positive + 1) / 2) / (positive * negative)


def ranks(values: Floats) -> Floats:
    """(n,) ranks from 1, ties sharing their mean. A bootstrap calls this thousands of times, and
    scipy's ``rankdata`` spends most of its time on looking at its argument."""
    order = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    after = np.append(first[1:], len(values))
    found = np.empty(len(values))
    found[order] = np.repeat((first + after + 1) / 2.0, after - first)
    return found


def sensitivity(truth: Floats, positive: Floats) -> float:
    """The share of positive cases that were called positive."""
    return _share(positive[truth == 1] == 1)


def specificity(truth: Floats, positive: Floats) -> float:
    """The share of negative cases that were called negative."""
    return _share(positive[truth == 0] == 0)


def youden_threshold(truth: Floats, score: Floats) -> float:
    """The score, at or above which a case is positive, of largest sensitivity + specificity."""
    false_positive, true_positive, thresholds = roc_curve(truth, score)
    return float(thresholds[1:][np.argmax((true_positive - false_positive)[1:])])


def cross_called(truth: Floats, score: Floats, folds: Iterable[Iterable[int]]) -> Floats:
    """(n,) 1 where the score reaches the cut-off of largest Youden index among the other folds."""
    called = np.empty(len(truth))
    for fold in folds:
        held = np.asarray(list(fold), int)
        rest = np.setdiff1d(np.arange(len(truth)), held)
        called[held] = score[held] >= youden_threshold(truth[rest], score[rest])
    return called


def _share(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else float("nan")
