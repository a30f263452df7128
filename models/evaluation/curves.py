"""The numbers behind charts: ROC with its band, calibration, net benefit, limits of agreement."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, t
from sklearn.metrics import roc_curve

from models.evaluation.metrics import drawn_anew

Floats = npt.NDArray[np.floating]

GRID = np.linspace(0.0, 1.0, 101)
"""False positive rates at which a ROC band is given."""

RESAMPLES = 1000


@dataclass(frozen=True)
class Roc:
    """false_positive, true_positive : the empirical curve. low, high : (101,) pointwise 95 % band
    of the true positive rate at ``GRID``, resampling patients."""

    false_positive: Floats
    true_positive: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Calibration:
    """Bins of about equally many cases. predicted : (k,) mean probability. observed : (k,) share
    of positives, low and high its 95 % interval (Wilson, of as many as there are patients in the
    bin). count : (k,) cases."""

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    count: npt.NDArray[np.integer]


@dataclass(frozen=True)
class NetBenefit:
    """model, low, high : (n,) net benefit at each threshold with a 95 % band. treat_all : (n,)."""

    thresholds: Floats
    model: Floats
    low: Floats
    high: Floats
    treat_all: Floats


@dataclass(frozen=True)
class Limit:
    """A level of a Bland-Altman plot with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LimitsOfAgreement:
    """Bland and Altman 1986: mean difference, and the lower and upper limit that 95 % of
    differences lie within if they are normal."""

    bias: Limit
    lower: Limit
    upper: Limit


def share(truth: Floats, prior: float | None) -> float:
    """The share of positives that is reckoned with: ``prior``, or that of the cases."""
    return float(np.mean(truth)) if prior is None else prior


def roc_with_band(
    truth: Floats,
    score: Floats,
    patients: Iterable[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Roc:
    """The ROC curve of a binary question. truth : (n,) 0 or 1, both present. score : (n,).
    patients : (n,), as ``bootstrap`` takes them."""
    draws = drawn_anew(len(truth), patients, seed)
    order = np.argsort(-score, kind="stable")
    last_of_ties = np.flatnonzero(np.diff(score[order], append=-np.inf))
    rates: list[Floats] = []
    while len(rates) < resamples:
        # Sorted once and counted anew for each resample: ten times faster.
        drawn = np.bincount(next(draws), minlength=len(truth))[order]
        called = np.cumsum(drawn)[last_of_ties]
        hits = np.cumsum(drawn * truth[order])[last_of_ties]
        if 0 < hits[-1] < called[-1]:
            wrong = (called - hits) / (called[-1] - hits[-1])
            rates.append(np.interp(GRID, [0, *wrong], [0, *(hits / hits[-1])]))
    low, high = np.percentile(rates, [2.5, 97.5], axis=0)
    false_positive, true_positive, _ = roc_curve(truth, score)
    return Roc(false_positive, true_positive, low, high)


def calibration(
    truth: Floats,
    probability: Floats,
    prior: float | None = None,
    patients: Iterable[str] | None = None,
    bins: int = 10,
) -> Calibration:
    """Observed against predicted probability; fewer bins where there are under ten cases for each.

    truth : (n,) 0 or 1, both present. prior : positives and negatives are weighed so that this is
    the share of positives; None weighs all cases alike. The Wilson interval of the plain share is
    carried over by the same change of odds. patients : (n,) whose each case is, for those of one
    are alike; None where each has one.
    """
    positives = np.count_nonzero(truth) / len(truth)
    prior = share(truth, prior)
    ratio = prior / (1 - prior) / (positives / (1 - positives))
    weight = np.where(truth == 1, ratio, 1.0)
    owners = np.arange(len(truth)) if patients is None else np.asarray(list(patients))
    bins = max(1, min(bins, len(truth) // 10))
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, probability, side="right")
    rows = []
    for number in np.unique(place):
        chosen = place == number
        hits, count = int(truth[chosen].sum()), int(chosen.sum())
        independent = len(np.unique(owners[chosen]))
        told = binomtest(round(hits * independent / count), independent)
        interval = told.proportion_ci(method="wilson")
        rows.append(
            (
                np.average(probability[chosen], weights=weight[chosen]),
                *(_moved(value, ratio) for value in (hits / count, interval.low, interval.high)),
                count,
            )
        )
    predicted, observed, low, high, counts = np.asarray(rows).T
    return Calibration(predicted, observed, low, high, counts.astype(int))


def _moved(probability: float, ratio: float) -> float:
    """A probability whose odds are multiplied by a ratio."""
    return ratio * probability / (ratio * probability + 1 - probability)


def net_benefit(
    truth: Floats,
    probability: Floats,
    prior: float | None = None,
    patients: Iterable[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> NetBenefit:
    """Decision curve after Vickers and Elkin 2006: with share of positives q and threshold p,
    benefit = q * sensitivity - (1 - q) * (1 - specificity) * p / (1 - p); to treat none has 0.

    truth : (n,) 0 or 1, both present. prior : q; None takes the share among the cases. patients :
    (n,), as ``bootstrap`` takes them.
    """
    thresholds = np.linspace(0.01, 0.99, 99)
    draws = drawn_anew(len(truth), patients, seed)
    curves: list[Floats] = []
    while len(curves) < resamples:
        picked = next(draws)
        if 0 < np.count_nonzero(truth[picked]) < len(picked):
            curves.append(_benefit(truth[picked], probability[picked], thresholds, prior))
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
    model = _benefit(truth, probability, thresholds, prior)
    treat_all = _benefit(truth, np.ones(len(truth)), thresholds, prior)
    return NetBenefit(thresholds, model, low, high, treat_all)


def _benefit(truth: Floats, probability: Floats, thresholds: Floats, prior: float | None) -> Floats:
    prior = share(truth, prior)
    sensitivity = _reaching(probability[truth == 1], thresholds)
    false_positive = _reaching(probability[truth == 0], thresholds)
    harm = thresholds / (1 - thresholds)
    return np.asarray(prior * sensitivity - (1 - prior) * false_positive * harm)


def _reaching(probability: Floats, thresholds: Floats) -> Floats:
    """The share of probabilities at or above each threshold."""
    below = np.searchsorted(np.sort(probability), thresholds, side="left")
    return np.asarray(1.0 - below / len(probability))


def limits_of_agreement(reference: Floats, estimate: Floats) -> LimitsOfAgreement:
    """Bias and limits of agreement of ``estimate - reference``, at least two pairs; intervals as
    Bland and Altman give them, with a limit's standard error of sqrt(3 / n) deviations."""
    difference = estimate - reference
    count = len(difference)
    bias, deviation = float(difference.mean()), float(difference.std(ddof=1))
    quantile = float(t.ppf(0.975, count - 1))
    of_bias = quantile * deviation / np.sqrt(count)
    of_limit = quantile * deviation * np.sqrt(3 / count)

    def limit(value: float, margin: float) -> Limit:
        return Limit(value, value - margin, value + margin)

    return LimitsOfAgreement(
        bias=limit(bias, of_bias),
        lower=limit(bias - 1.96 * deviation, of_limit),
        upper=limit(bias + 1.96 * deviation, of_limit),
    )
