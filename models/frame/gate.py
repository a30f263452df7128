"""Is it a liver at all? Every model answers whatever it is shown; this one says when not to ask.

Two halves over an ImageNet backbone's pooled features of the echo content: a ridge regression on
their square roots (liver -1, foreign 1) knows what it was shown, and the distance from known livers
(``models.fat.scope``) what it was not. On kinds that were held out the sum does better than either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES, check_backbone
from models.bundle import Bundle
from models.errors import BundleError
from models.fat.scope import Scope
from models.frame.features import Features
from models.weights import read_weights

_HEAD = "gate.head"
_DISTANCE = 1.5
"""What a unit of ln(distance) adds to the score: three times as much as regression, in standard
deviations among livers; less did worse on real images of held-out kinds."""


@dataclass(frozen=True)
class Verdict:
    """score : larger is more foreign, about 0 for a liver. limit : the largest of a liver."""

    score: float
    limit: float

    @property
    def is_liver(self) -> bool:
        """Whether models may read the frame; a score that is no number is no liver."""
        return self.score <= self.limit


@dataclass(frozen=True)
class Head:
    """score = weight · sqrt(features) + bias + 1.5 ln(distance). weight : (C,). scope : measures
    the distance from livers. limit : the largest score of a liver."""

    weight: npt.NDArray[np.float32]
    bias: float
    scope: Scope
    limit: float

    def scores(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(n,) from pooled features (n, C), which are not negative."""
        roots = np.sqrt(np.maximum(features, 0.0))
        distance = np.log(np.maximum(self.scope.distance(features), 1e-6))
        return np.asarray(roots @ self.weight + self.bias + _DISTANCE * distance, dtype=np.float64)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a bundle keeps: weight, bias and limit in one row, and the scope."""
        row = torch.tensor([*self.weight.tolist(), self.bias, self.limit])
        return {_HEAD: row, **self.scope.tensors()}

    @classmethod
    def take(cls, tensors: dict[str, torch.Tensor], channels: int) -> Self | None:
        """Takes the head out of a bundle's tensors; None where it is missing or does not fit."""
        row = tensors.pop(_HEAD, torch.empty(0)).numpy()
        try:
            scope = Scope.take(tensors)
        except KeyError:
            return None
        if row.shape != (channels + 2,) or scope.mean.shape != (channels,):
            return None
        return cls(row[:-2].astype(np.float32), float(row[-2]), scope, float(row[-1]))


class Gate:
    """Says of each frame if models may read it; made by ``load`` from a bundle."""

    def __init__(self, features: Features, head: Head, bundle: Bundle) -> None:
        self.bundle = bundle
        self.features = features
        self._head = head

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "Gate":
        """The gate of a bundle; BundleError when the weights do not fit its card."""
        check_backbone(bundle)
        tensors = read_weights(bundle)
        head = Head.take(tensors, BACKBONES[bundle.backbone].channels)
        if head is None:
            raise BundleError(
                f"bundle {bundle.name!r}: its head does not fit the features of "
                f"{bundle.backbone}; fit it again"
            )
        return cls(Features.of_bundle(bundle, tensors, device), head, bundle)

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Verdict]:
        """One verdict per frame, in order. images : (H, W) uint8 echo level each, of any sizes."""
        return self.of_features(self.features(images)[0]) if images else []

    def of_features(self, features: npt.NDArray[np.float32]) -> list[Verdict]:
        """One verdict per row of pooled features (n, C)."""
        return [Verdict(float(one), self._head.limit) for one in self._head.scores(features)]


SYSTEM = Gate
