"""Fitting the gate's two halves, and the score up to which a frame counts as liver."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge

from models.fat.scope import Scope
from models.frame.gate import Head
from models.training.gate.samples import GateSamples

REFUSED = 0.01
"""The share of liver images, judged out of fold, that the limit lets be refused."""

STRENGTH = 1.0
"""Of the penalty, per feature; a tenth of it was worse on kinds that were held out."""

Floats = npt.NDArray[np.floating]


def fit_head(samples: GateSamples, places: Sequence[int], limit: float = np.inf) -> Head:
    """The head fitted on the images at ``places``; its scope on the livers among them.

    Features are standardised under the weights of ``balance``; one that hardly varies is not
    blown up.
    """
    chosen = np.asarray(places, int)
    weight = balance([(samples.kinds[p], samples.patients[p]) for p in chosen])
    roots = np.sqrt(np.maximum(samples.features[chosen], 0.0)).astype(np.float64)
    mean = np.average(roots, axis=0, weights=weight)
    spread = np.sqrt(np.average((roots - mean) ** 2, axis=0, weights=weight))
    spread = np.maximum(spread, 0.1 * np.median(spread) + 1e-9)
    target = np.where(samples.foreign[chosen], 1.0, -1.0)
    model = Ridge(alpha=STRENGTH * roots.shape[1])
    model.fit((roots - mean) / spread, target, sample_weight=weight)
    slope = model.coef_ / spread
    bias = float(model.intercept_ - slope @ mean)
    liver = samples.features[chosen][~samples.foreign[chosen]]
    return Head(np.asarray(slope, np.float32), bias, Scope.fit(liver, liver), limit)


def balance(owners: Sequence[tuple[str, str]]) -> npt.NDArray[np.float64]:
    """(n,) weights of mean 1: livers and foreign images weigh alike, within the foreign ones every
    kind, within a kind every subject, and within a subject every image.

    owners : kind ('' for a liver) and patient of each image.
    """
    images = Counter(owners)
    subjects = Counter(kind for kind, _ in images)
    foreign = len(subjects) - ("" in subjects)
    share = [
        1.0 / (images[kind, owner] * subjects[kind] * (foreign if kind else 1))
        for kind, owner in owners
    ]
    return np.asarray(share) * len(owners) / sum(share)


def out_of_fold(samples: GateSamples, folds: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
    """(own,) the score of each image by a head that was fitted on the other folds and on what is
    only learned from."""
    scores = np.full(samples.own, np.nan)
    for held in folds:
        others = np.setdiff1d(np.arange(len(samples.ids)), held)
        head = fit_head(samples, others.tolist())
        scores[list(held)] = head.scores(samples.features[list(held)])
    return scores


def limit_of(liver: Floats) -> float:
    """The smallest score of a liver image above which at most ``REFUSED`` of them lie."""
    return float(np.quantile(liver, 1.0 - REFUSED, method="higher"))


def refusals(
    scores: Floats, foreign: npt.NDArray[np.bool_], folds: Sequence[Sequence[int]]
) -> npt.NDArray[np.bool_]:
    """(own,) whether each image is refused, under the limit that the livers of the other folds
    set: no image has a say in the limit that it is judged by."""
    refused = np.zeros(len(scores), bool)
    for held in folds:
        own = np.zeros(len(scores), bool)
        own[list(held)] = True
        refused[own] = scores[own] > limit_of(scores[~own & ~foreign])
    return refused
