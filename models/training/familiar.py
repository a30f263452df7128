"""Which frames are like those learned from: fitted on features of a frozen backbone."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.data import Case
from models.evaluation.folds import case_folds
from models.fat.scope import Scope
from models.lesion.familiar import Familiar
from models.training.features import features_of, pooled
from models.training.options import Options

WITHIN = 95.0
"""Percentile of the distances up to which a frame is familiar. Less than where unfamiliar frames go
unanswered: a caveat costs little, and one that is missing may cost much."""


def fit_familiar(
    cases: Sequence[Case], backbone: str, folds: int, options: Options
) -> tuple[Familiar, dict[str, Any]]:
    """And what a card says of it. The limit is what ``WITHIN`` of the cases keep, each by the other
    folds; by all where there are no ``folds``. 50 ms of a core a case."""
    read = pooled(backbone, options)
    features, _ = features_of(cases, options, read)
    everything = Scope.fit(features, features)
    distance = everything.distance(features)
    for held in case_folds(cases, folds, options.seed) if folds else ():
        rest = features[np.setdiff1d(np.arange(len(cases)), held)]
        distance[held] = Scope.fit(rest, rest).distance(features[held])
    limit = float(np.percentile(distance, WITHIN))
    card = {
        "network": read.digest,
        "backbone": backbone,
        "limit": round(limit, 3),
        "rule": f"{WITHIN:.0f} % of the images lie within"
        + (f", each by those of the other {folds} folds" if folds else ", each by all"),
    }
    return Familiar(read.digest, everything.limited(limit)), card
