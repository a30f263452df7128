"""Fitting the hepatorenal curve on patients whose fat is known."""

import numpy as np
import numpy.typing as npt
from scipy.stats import theilslopes
from sklearn.linear_model import LogisticRegression

from models.errors import TrainingError
from models.evaluation.fat import CUTOFFS, at_least
from models.fat.hepatorenal_curve import COVERED, HepatorenalCurve, angle_of

Floats = npt.NDArray[np.floating]

FEWEST = 4
"""Patients on each side of a cut-off, below which no probability is fitted."""

RESAMPLES = 200


def fit_curve(
    index: Floats, fat: Floats, seed: int = 0, resamples: int = RESAMPLES
) -> HepatorenalCurve:
    """The curve of n patients: index (n,), fat (n,) in %.

    The line is that of Theil and Sen, which a few odd livers do not bend. The interval's reach is
    the quantile of what each patient misses a line fitted to the others by (jackknife). The
    logits are weakly regularised, both classes weighted alike. TrainingError with fewer than
    ``FEWEST`` patients on a side of a cut-off.
    """
    for cutoff in CUTOFFS:
        above = int(at_least(fat, cutoff).sum())
        if min(above, len(fat) - above) < FEWEST:
            raise TrainingError(
                f"{len(fat)} patients, {above} of them with {cutoff} % fat or more, are few: give "
                f"{FEWEST} on each side of 5 % and of 10 %, in whatever a fold leaves to fit on"
            )
    level, angle = np.log(index), angle_of(fat)
    rank = min(len(fat), int(np.ceil(COVERED * (len(fat) + 1))))
    generator = np.random.default_rng(seed)
    logits, resampled = [], []
    for cutoff in CUTOFFS:
        truth = at_least(fat, cutoff)
        logits.append(_logit(level, truth))
        resampled.append(
            [_logit(level[rows], truth[rows]) for rows in _draws(truth, resamples, generator)]
        )
    return HepatorenalCurve(
        line=_line(level, angle),
        reach=float(np.sort(_missed(level, angle))[rank - 1]),
        p_5=logits[0],
        p_10=logits[1],
        resampled_5=np.asarray(resampled[0]),
        resampled_10=np.asarray(resampled[1]),
        known=(float(index.min()), float(index.max())),
    )


def check_rises(curve: HepatorenalCurve) -> None:
    """TrainingError where the fitted index does not rise with fat: then it says nothing."""
    if min(curve.line[0], curve.p_5[0], curve.p_10[0]) <= 0:
        raise TrainingError(
            "the hepatorenal index does not rise with fat in these patients; look at the regions, "
            "whether liver and kidney were exchanged, and at the reference"
        )


def _line(level: Floats, angle: Floats) -> npt.NDArray[np.float64]:
    """(2,) slope and intercept."""
    found = theilslopes(angle, level)
    return np.asarray([found.slope, found.intercept], dtype=np.float64)


def _missed(level: Floats, angle: Floats) -> npt.NDArray[np.float64]:
    """(n,) how far each patient lies from the line of the others."""
    found = np.empty(len(level))
    for one in range(len(level)):
        line = _line(np.delete(level, one), np.delete(angle, one))
        found[one] = abs(np.polyval(line, level[one]) - angle[one])
    return found


def _logit(level: Floats, truth: Floats) -> npt.NDArray[np.float64]:
    """(2,) slope and intercept, the penalty taken on the standardised level."""
    mean, scale = float(level.mean()), float(level.std()) or 1.0
    model = LogisticRegression(class_weight="balanced")
    model.fit(((level - mean) / scale)[:, None], truth)
    slope = float(model.coef_[0, 0]) / scale
    return np.asarray([slope, float(model.intercept_[0]) - slope * mean])


def _draws(truth: Floats, count: int, generator: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Resampled patients, each draw with both classes."""
    found: list[npt.NDArray[np.intp]] = []
    while len(found) < count:
        rows = generator.integers(0, len(truth), len(truth))
        if 0 < truth[rows].sum() < len(rows):
            found.append(rows)
    return found
