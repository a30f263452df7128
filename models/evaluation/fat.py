"""What estimates of liver fat are worth, against MRI or biopsy of the same participants."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from models.evaluation.metrics import (
    Figure,
    Statistic,
    area_under_curve,
    bootstrap,
    over_repeats,
    ranks,
    sensitivity,
    specificity,
)
from models.evaluation.outcome import Agreement, Chart, Scores

Floats = npt.NDArray[np.floating]

CUTOFFS = (5, 10)
"""Fat in %: a liver is fatty from 5 %, and a usual patient of trials from 10 % (paper 5)."""


def fat_figures(reference: Floats, estimates: Floats) -> dict[str, Figure]:
    """Figures of one estimator, by name, with bootstrap intervals over participants.

    reference : (n,) %. estimates : (n, 3) fat in %, P(>= 5 %) and P(>= 10 %), not a number
    where there is none; (r, n, 3) of r repeats, whose figures' means are given. Without
    participants on both sides of a cut-off its figures do not exist, and without two different fat
    fractions no correlation does.
    """
    reference = np.asarray(reference, dtype=np.float64)
    repeats = estimates.reshape(-1, len(reference), 3)
    figures: dict[str, Figure] = {}

    def add(name: str, statistic: Statistic, truth: Floats, *columns: Floats) -> None:
        mean = over_repeats(statistic)
        if len(truth) and np.isfinite(mean(truth, *columns)):
            figures[name] = bootstrap(mean, truth, *columns)

    truth, *fat = known_rows(reference, *repeats[:, :, 0])
    for name, statistic in _AGREEMENT.items():
        add(f"fat_{name}", statistic, truth, *fat)
    for column, cutoff in enumerate(CUTOFFS, start=1):
        truth, *probability = known_rows(at_least(reference, cutoff), *repeats[:, :, column])
        if 0 < truth.sum() < len(truth):
            called = [(row >= 0.5).astype(float) for row in probability]
            add(f"fat_auc_{cutoff}", area_under_curve, truth, *probability)
            add(f"fat_sensitivity_{cutoff}", sensitivity, truth, *called)
            add(f"fat_specificity_{cutoff}", specificity, truth, *called)
    return figures


def fat_charts(
    title: str, reference: Floats, estimates: Floats, baseline: Floats | None = None
) -> tuple[Chart, ...]:
    """Bland-Altman and scatter of the fat fraction, and the two questions with their ROC."""
    measured, fat = known_rows(np.asarray(reference, dtype=np.float64), estimates[:, 0])
    charts: list[Chart] = [Agreement(f"fat, {title}", "%", measured, fat)]
    for column, cutoff in enumerate(CUTOFFS, start=1):
        known = np.isfinite(estimates[:, column])
        truth = at_least(reference, cutoff)[known]
        if 0 < truth.sum() < len(truth):
            beside = None if baseline is None else baseline[known, column]
            complete = beside is not None and bool(np.isfinite(beside).all())
            charts.append(
                Scores(
                    title=f"fat at least {cutoff} %, {title}",
                    truth=truth,
                    probability=estimates[known, column],
                    baseline=beside if complete else None,
                )
            )
    return tuple(charts)


def card_figures(
    figures: Mapping[str, Figure], baseline: Mapping[str, Figure], suffix: str
) -> dict[str, Any]:
    """Figures as a card holds them, each with its baseline's beside it as ``<name>_<suffix>``."""
    rows: dict[str, Any] = {}
    for name, figure in figures.items():
        key = name.removeprefix("fat_")
        rows[key] = figure.as_card()
        if name in baseline:
            rows[f"{key}_{suffix}"] = baseline[name].as_card()
    return rows


def known_rows(reference: Floats, *estimates: Floats) -> list[Floats]:
    """All where the estimates are numbers."""
    known = np.isfinite(estimates).all(axis=0)
    return [reference[known], *(estimate[known] for estimate in estimates)]


def at_least(fat: Floats, cutoff: float) -> Floats:
    """(n,) 1 where the fat fraction is the cut-off or more."""
    return np.asarray(fat >= cutoff, dtype=np.float64)


def spearman(truth: Floats, estimate: Floats) -> float:
    """Spearman's rank correlation; not a number where either is constant."""
    return pearson(ranks(truth), ranks(estimate))


def pearson(truth: Floats, estimate: Floats) -> float:
    """Pearson's correlation; not a number where either is constant."""
    if len(truth) < 2:
        return float("nan")
    x, y = truth - truth.mean(), estimate - estimate.mean()
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / length if length > 1e-12 else float("nan")


def mean_absolute_error(truth: Floats, estimate: Floats) -> float:
    """In the unit of the truth."""
    return float(np.abs(estimate - truth).mean())


def bias(truth: Floats, estimate: Floats) -> float:
    """Mean of estimate minus truth (Bland and Altman)."""
    return float((estimate - truth).mean())


def lower_limit(truth: Floats, estimate: Floats) -> float:
    """Lower 95 % limit of agreement: bias - 1.96 standard deviations (Bland and Altman)."""
    return bias(truth, estimate) - 1.96 * _spread(truth, estimate)


def upper_limit(truth: Floats, estimate: Floats) -> float:
    """Upper 95 % limit of agreement: bias + 1.96 standard deviations (Bland and Altman)."""
    return bias(truth, estimate) + 1.96 * _spread(truth, estimate)


def meng_test(reference: Floats, first: Floats, second: Floats) -> tuple[float, float]:
    """z and two-sided p that two estimates correlate with one reference equally well.

    On Spearman's correlations (paper 5, statistical analysis). Not numbers with fewer than four
    participants or a constant column.
    """
    z = meng_z(
        spearman(reference, first),
        spearman(reference, second),
        spearman(first, second),
        len(reference),
    )
    return z, float(2.0 * norm.sf(abs(z)))


def meng_z(first: float, second: float, between: float, count: int) -> float:
    """The difference of two correlations with one variable, in standard errors (Meng, Rosenthal and
    Rubin 1992, eq. 1 to 3).

    first, second : the two correlations. between : that of the two correlated variables. count :
    cases. Not a number where one correlation is none, or perfect.
    """
    correlations = np.abs([first, second, between])
    if count < 4 or not np.isfinite(correlations).all() or correlations.max() > 1 - 1e-9:
        return float("nan")
    squared = (first**2 + second**2) / 2.0
    f = min(1.0, (1.0 - between) / (2.0 * (1.0 - squared)))
    h = (1.0 - f * squared) / (1.0 - squared)
    difference = np.arctanh(first) - np.arctanh(second)
    return float(difference * np.sqrt((count - 3) / (2.0 * (1.0 - between) * h)))


def _spread(truth: Floats, estimate: Floats) -> float:
    return float((estimate - truth).std(ddof=1)) if len(truth) > 1 else float("nan")


_AGREEMENT: Mapping[str, Callable[[Floats, Floats], float]] = {
    "spearman": spearman,
    "pearson": pearson,
    "mae": mean_absolute_error,
    "bias": bias,
    "limit_low": lower_limit,
    "limit_high": upper_limit,
}
