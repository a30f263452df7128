"""Frames of known view, as the view classifier sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data import Case
from models.errors import TrainingError
from models.fat.multiview import VIEWS
from models.frame.features import Features
from models.frame.view import ViewClassifier
from models.training.features import features_of, pooled
from models.training.options import Options

UNKNOWN = -1


@dataclass(frozen=True)
class ViewSamples:
    """n frames, the first ``own`` of which count; the others are only learned from.

    cases, patients : of each. views : those that can be named. targets : (n,) places in ``views``,
    ``UNKNOWN`` where nobody said the view. features : (n, C). geometry : (n, 9).
    """

    cases: tuple[Case, ...]
    patients: tuple[str, ...]
    views: tuple[str, ...]
    targets: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    geometry: npt.NDArray[np.float64]
    own: int

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """(own,) whether somebody said the view."""
        return np.asarray(self.targets[: self.own] != UNKNOWN)

    def strata(self, places: Sequence[int]) -> list[str]:
        return [str(self.targets[place]) for place in places]


def labelled_samples(cases: Sequence[Case], options: Options, name: str, folds: int) -> ViewSamples:
    """The cases whose view is known, and of the extra ones the same; views that frames of fewer
    patients than ``folds``, at least five, show are left out. name : of the backbone.

    TrainingError with fewer than two views.
    """
    least = max(5, folds)
    views = tuple(
        view
        for view in VIEWS
        if len({case.patient for case in cases if case.view == view}) >= least
    )
    if len(views) < 2:
        raise TrainingError(
            f"{least} patients or more must show each of at least two views, named in the column "
            f"'view'; there are {len(views)} such views"
        )
    own = [case for case in cases if case.view in views]
    extra = [case for case in options.extra if case.view in views]
    if both := {case.patient for case in own} & {case.patient for case in extra}:
        raise TrainingError(f"{min(both)} is among the cases and the extra ones; name them apart")
    return _samples(own, extra, views, options, pooled(name, options))


def judged_samples(
    cases: Sequence[Case], options: Options, classifier: ViewClassifier
) -> ViewSamples:
    """All cases as a bundle sees them; a view that it does not know is unknown."""
    return _samples(cases, (), classifier.bundle.labels, options, classifier.features)


def _samples(
    cases: Sequence[Case],
    extra: Sequence[Case],
    views: tuple[str, ...],
    options: Options,
    read: Features,
) -> ViewSamples:
    everything = (*cases, *extra)
    features, geometry = features_of(everything, options, read)
    return ViewSamples(
        cases=everything,
        patients=tuple(case.patient for case in everything),
        views=views,
        targets=np.asarray(
            [views.index(case.view) if case.view in views else UNKNOWN for case in everything]
        ),
        features=features,
        geometry=geometry,
        own=len(cases),
    )
