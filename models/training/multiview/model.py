"""The heads of paper 5 fitted together: one per view, one for any view, and the composite model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import TrainingError
from models.evaluation.fat import CUTOFFS
from models.evaluation.fat_baseline import mean_by
from models.fat.multiview import ANY_VIEW, ESTIMATORS, FAT_RANGE, VIEWS
from models.fat.scope import FAMILIAR, Scope
from models.training.multiview.frames import VARIANTS, FatFrames
from models.training.multiview.heads import FOLDS, LinearHead, fit_classifier, fit_regressor

Floats = npt.NDArray[np.floating]
Rows = npt.NDArray[np.intp]

HeadRow = tuple[LinearHead, LinearHead, LinearHead]
"""Fat in %, and the logits of fat >= 5 % and >= 10 %."""

MULTIVIEW = "multiview"
COMPOSITE = "composite"
ROWS = (*ESTIMATORS, MULTIVIEW, COMPOSITE)


@dataclass(frozen=True)
class FatHeads:
    """single : by estimator, in the order of ``ESTIMATORS``; a view with too few participants has
    none. composite : over the features of the four views side by side, None where too few
    participants have all four."""

    single: Mapping[str, HeadRow]
    composite: HeadRow | None


def fit_heads(frames: FatFrames) -> FatHeads:
    """Every head that the participants suffice for, fitted on all variants of their frames.

    TrainingError when they do not suffice for the estimator for any view: the inner grid search
    needs four participants on each side of both cut-offs.
    """
    single: dict[str, HeadRow] = {}
    for number, name in enumerate(ESTIMATORS):
        chosen = (frames.view == number) | (name == ANY_VIEW)
        owner = frames.owner[chosen]
        if missing := _missing(frames.fat[np.unique(owner)]):
            if name == ANY_VIEW:
                raise TrainingError(
                    f"{missing}: the grid search needs {FOLDS} on each side of 5 % and of 10 % fat "
                    "in whatever a fold leaves to fit on; give more participants"
                )
            continue
        features = frames.features[chosen].reshape(-1, frames.features.shape[-1])
        single[name] = _fit_row(features, frames.fat, np.repeat(owner, VARIANTS))
    whole, features = _side_by_side(frames)
    composite = None
    if not _missing(frames.fat[whole]):
        stacked = features.reshape(-1, features.shape[-1])
        composite = _fit_row(stacked, frames.fat, np.repeat(whole, VARIANTS))
    return FatHeads(single, composite)


def estimates(heads: FatHeads, frames: FatFrames) -> dict[str, npt.NDArray[np.float64]]:
    """By estimator, 'multiview' and 'composite': (p, 3) fat in %, P(>= 5 %) and P(>= 10 %) of each
    participant, not numbers where it has no such frame or the heads do not exist.

    As at inference: frames without augmentation, those of one view averaged before the views;
    frames without an estimator of their view count where there are no others.
    """
    plain = frames.features[:, 0]
    count = len(frames.participants)
    found: dict[str, npt.NDArray[np.float64]] = {}
    unknown = np.ones(len(plain), bool)
    for number, name in enumerate(VIEWS):
        chosen = frames.view == number
        found[name] = np.full((count, 3), np.nan)
        if name in heads.single and chosen.any():
            rows = apply_row(heads.single[name], plain[chosen])
            found[name] = mean_by(frames.owner[chosen], rows, count)
            unknown &= ~chosen
    anything = apply_row(heads.single[ANY_VIEW], plain)
    found[ANY_VIEW] = mean_by(frames.owner, anything, count)
    views = np.stack([found[name] for name in VIEWS])
    seen = np.isfinite(views).all(axis=2).any(axis=0)
    found[MULTIVIEW] = mean_by(frames.owner[unknown], anything[unknown], count)
    found[MULTIVIEW][seen] = np.nanmean(views[:, seen], axis=0)
    found[COMPOSITE] = np.full((count, 3), np.nan)
    whole, features = _side_by_side(frames)
    if heads.composite is not None and len(whole):
        found[COMPOSITE][whole] = apply_row(heads.composite, features[:, 0])
    return found


def apply_row(row: HeadRow, features: Floats) -> npt.NDArray[np.float64]:
    """(n, 3) fat in %, P(>= 5 %), P(>= 10 %); the last is held at the one before."""
    fat, logit_5, logit_10 = (head(features) for head in row)
    p_5, p_10 = (1.0 / (1.0 + np.exp(-np.clip(logit, -50, 50))) for logit in (logit_5, logit_10))
    return np.stack([np.clip(fat, *FAT_RANGE), p_5, np.minimum(p_5, p_10)], axis=1)


def fit_scope(frames: FatFrames) -> Scope:
    """The scope of all frames; its limit comes from frames that a scope fitted on the others
    judged, four parts by participant."""
    features = frames.features
    part = np.random.default_rng(0).permutation(len(frames.participants)) % FOLDS
    distances = []
    for number in range(FOLDS):
        held = part[frames.owner] == number
        others = Scope.fit(_flat(features[~held]), _flat(features[held]))
        distances.append(others.distance(_flat(features[held])))
    limit = float(np.percentile(np.concatenate(distances), FAMILIAR))
    return Scope.fit(_flat(features), _flat(features)).limited(limit)


def _fit_row(features: Floats, fat: Floats, owner: Rows) -> HeadRow:
    rows = features.astype(np.float64)
    own = fat[owner]
    low, high = (fit_classifier(rows, own, owner, cutoff) for cutoff in CUTOFFS)
    return fit_regressor(rows, own, owner), low, high


def _missing(fat: Floats) -> str:
    """What these participants do not suffice for, or nothing."""
    for cutoff in CUTOFFS:
        above = int((fat >= cutoff).sum())
        if min(above, len(fat) - above) < FOLDS:
            return f"{len(fat)} participants, {above} of them with {cutoff} % fat or more, are few"
    return ""


def _side_by_side(frames: FatFrames) -> tuple[Rows, npt.NDArray[np.float32]]:
    """The participants with all four views, and their features (k, VARIANTS, 4 C)."""
    count = len(frames.participants)
    width = frames.features.shape[-1]
    means = []
    for number in range(len(VIEWS)):
        chosen = frames.view == number
        rows = frames.features[chosen].reshape(int(chosen.sum()), width * VARIANTS)
        means.append(mean_by(frames.owner[chosen], rows, count))
    stacked = np.stack([mean.reshape(count, VARIANTS, width) for mean in means], axis=2)
    whole = np.flatnonzero(np.isfinite(stacked).all(axis=(1, 2, 3)))
    together = stacked[whole].reshape(len(whole), VARIANTS, len(VIEWS) * width)
    return whole, together.astype(np.float32)


def _flat(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return features.reshape(-1, features.shape[-1])
