"""The test of DeLong et al. 1988 for ROC areas, by the ranks of Sun and Xu 2014."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class DeLong:
    """Two areas, their difference (first less second), its standard error, and the two-sided
    p-value of there being none; p is 1 where the two scores rank every case alike."""

    first: float
    second: float
    difference: float
    error: float
    p: float


def delong_test(truth: Floats, first: Floats, second: Floats) -> DeLong:
    """Two scores of the same cases, (n,) each. truth : (n,) 0 or 1, at least two of each."""
    areas, covariance = delong_covariance(truth, np.stack([first, second]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return _compared(areas[0], areas[1], variance)


def delong_test_unpaired(
    truth: Floats, score: Floats, other_truth: Floats, other_score: Floats
) -> DeLong:
    """One score on two groups of cases that share none, such as two strata."""
    (first,), variance = delong_covariance(truth, score[None])
    (second,), other = delong_covariance(other_truth, other_score[None])
    return _compared(first, second, variance[0, 0] + other[0, 0])


def delong_covariance(
    truth: Floats, scores: Floats
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The areas (k,) of k scores and their covariance (k, k).

    truth : (n,). scores : (k, n). ValueError with fewer than two cases of either class. A
    component (eq. 5 of DeLong et al.) is the share of the other class that a case is ranked
    rightly against, ties counted half; midranks give all of them in n log n steps.
    """
    positive, negative = scores[:, truth == 1], scores[:, truth == 0]
    m, n = positive.shape[1], negative.shape[1]
    if m < 2 or n < 2:
        raise ValueError(f"{m} positive and {n} negative cases: DeLong's test needs two of each")
    ranks = rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    of_positive = (ranks[:, :m] - rankdata(positive, axis=1)) / n
    of_negative = 1.0 - (ranks[:, m:] - rankdata(negative, axis=1)) / m
    areas = of_positive.mean(axis=1)
    covariance = np.atleast_2d(np.cov(of_positive)) / m + np.atleast_2d(np.cov(of_negative)) / n
    return areas, covariance


def _compared(first: float, second: float, variance: float) -> DeLong:
    difference = float(first - second)
    error = math.sqrt(max(0.0, float(variance)))
    if error > 1e-12:
        p = float(2 * norm.sf(abs(difference) / error))
    else:
        p = 1.0 if abs(difference) < 1e-12 else 0.0
    return DeLong(float(first), float(second), difference, error, p)
