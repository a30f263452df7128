"""Livers and what is none, as the gate sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data import Case
from models.errors import TrainingError
from models.evaluation.folds import patient_folds
from models.frame.gate import Gate
from models.training.features import features_of, pooled
from models.training.options import Options

LEAST = 5
"""Patients with a liver, below which nothing can be held out."""


@dataclass(frozen=True)
class GateSamples:
    """n images, the first ``own`` of which count; the others are only learned from.

    ids, patients : of each. kinds : what each shows, '' for a liver; 'heart (simulated)' and
    'heart' are one kind to whoever holds it out. features : (n, C). geometry : (n, 9).
    """

    ids: tuple[str, ...]
    patients: tuple[str, ...]
    kinds: tuple[str, ...]
    features: npt.NDArray[np.float32]
    geometry: npt.NDArray[np.float64]
    own: int

    @property
    def foreign(self) -> npt.NDArray[np.bool_]:
        """(n,) true where there is no liver."""
        return np.array([bool(kind) for kind in self.kinds])

    def kind_folds(self, seed: int) -> list[list[int]]:
        """Held-out places, a fold per kind: all images of the kind, and a share of the livers, so
        that both sides of a comparison are judged by a fit that saw neither."""
        roots = [kind.partition(" (")[0] for kind in self.kinds[: self.own]]
        names = sorted(set(roots) - {""})
        liver = [place for place, root in enumerate(roots) if not root]
        shares = patient_folds(
            ["liver"] * len(liver), [self.patients[place] for place in liver], len(names), seed
        )
        return [
            [place for place, root in enumerate(roots) if root == name]
            + [liver[index] for index in share]
            for name, share in zip(names, shares, strict=True)
        ]

    def subject_folds(self, count: int, seed: int) -> list[list[int]]:
        """Held-out places, by patient or foreign subject, the kinds in about equal shares."""
        owners = list(self.patients[: self.own])
        strata = ["foreign" if kind else "liver" for kind in self.kinds[: self.own]]
        return patient_folds(strata, owners, count, seed)


def gate_samples(
    cases: Sequence[Case], options: Options, backbone: str, gate: Gate | None = None
) -> GateSamples:
    """Features of all cases and of the extra ones, about 50 ms each on one core.

    gate : whose network makes the features; without one the backbone's ImageNet weights do.
    TrainingError without two kinds of foreign images or enough livers to hold some out, and where a
    name stands for a patient and for a foreign subject.
    """
    everything = [*cases, *options.extra]
    kinds = tuple(case.kind or "" for case in everything)
    roots = {kind.partition(" (")[0] for kind in kinds[: len(cases)]} - {""}
    livers = {case.patient for case in cases if not case.kind}
    if len(roots) < 2 or len(livers) < max(LEAST, len(roots)):
        raise TrainingError(
            f"{len(livers)} patients with a liver and {len(roots)} kinds of foreign images are too "
            "few: `hepanode models foreign` writes a manifest of both"
        )
    if both := livers & {case.patient for case in everything if case.kind}:
        raise TrainingError(f"{min(both)} has images with and without a kind; name them apart")
    read = pooled(backbone, options) if gate is None else gate.features
    features, geometry = features_of(everything, options, read)
    return GateSamples(
        ids=tuple(case.id for case in everything),
        patients=tuple(case.patient for case in everything),
        kinds=kinds,
        features=features,
        geometry=geometry,
        own=len(cases),
    )
