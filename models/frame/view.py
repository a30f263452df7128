"""Which of the four liver views does a frame show, where nothing says it?

A multinomial logistic regression on the square roots of an ImageNet backbone's pooled features. A
head fitted on simulated frames calls nearly every real one a view of liver and kidney: a frame gets
a view only where it is like those fitted on (``models.fat.scope``) and the probability suffices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from models.backbones import BACKBONES, check_backbone
from models.bundle import Bundle
from models.errors import BundleError
from models.fat.multiview import VIEWS
from models.fat.scope import Scope
from models.frame.features import Features
from models.weights import read_weights

_HEAD = "view.head"
_LIMIT = "view.limit"


@dataclass(frozen=True)
class ViewReading:
    """probabilities : by view. limit : the smallest that is believed. familiar : whether the frame
    is like those that the head was fitted on; where it is not, the probabilities mean nothing."""

    probabilities: Mapping[str, float]
    limit: float
    familiar: bool

    @property
    def likeliest(self) -> str:
        return max(self.probabilities, key=lambda view: self.probabilities[view])

    @property
    def view(self) -> str | None:
        """The likeliest view; None where it is not known, never a guess."""
        sure = self.probabilities[self.likeliest] >= self.limit
        return self.likeliest if self.familiar and sure else None


@dataclass(frozen=True)
class Head:
    """probability = softmax(weight · sqrt(features) + bias). weight : (V, C). bias : (V,). scope :
    measures the distance from the frames fitted on, and has its limit. limit : the smallest
    probability that is believed."""

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    scope: Scope
    limit: float

    def probabilities(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(n, V) from pooled features (n, C), which are not negative."""
        roots = np.sqrt(np.maximum(features, 0.0)).astype(np.float64)
        return np.asarray(softmax(roots @ self.weight.T + self.bias, axis=1))

    def familiar(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """(n,) whether the frames are like those fitted on."""
        return np.asarray(self.scope.distance(features) <= self.scope.limit)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a bundle keeps: weight and bias side by side, the limit, and the scope."""
        return {
            _HEAD: torch.tensor(np.column_stack([self.weight, self.bias])),
            _LIMIT: torch.tensor([self.limit], dtype=torch.float64),
            **self.scope.tensors(),
        }

    @classmethod
    def take(cls, tensors: dict[str, torch.Tensor], views: int, channels: int) -> Self | None:
        """Takes the head out of a bundle's tensors; None where it is missing or does not fit."""
        rows = tensors.pop(_HEAD, torch.empty(0)).numpy()
        limit = tensors.pop(_LIMIT, torch.empty(0)).numpy()
        try:
            scope = Scope.take(tensors)
        except KeyError:
            return None
        if rows.shape != (views, channels + 1) or limit.shape != (1,):
            return None
        if scope.mean.shape != (channels,):
            return None
        return cls(rows[:, :-1], rows[:, -1], scope, float(limit[0]))


class ViewClassifier:
    """Names the view of frames; made by ``load`` from a bundle."""

    def __init__(self, features: Features, head: Head, bundle: Bundle) -> None:
        self.bundle = bundle
        self.features = features
        self._head = head

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "ViewClassifier":
        """The classifier of a bundle; BundleError when the weights do not fit its card."""
        check_backbone(bundle)
        if len(bundle.labels) < 2 or not set(bundle.labels) <= set(VIEWS):
            raise BundleError(
                f"bundle {bundle.name!r}: its card has the views {', '.join(bundle.labels)}; "
                f"expected some of {', '.join(VIEWS)}"
            )
        tensors = read_weights(bundle)
        head = Head.take(tensors, len(bundle.labels), BACKBONES[bundle.backbone].channels)
        if head is None:
            raise BundleError(
                f"bundle {bundle.name!r}: its head does not fit its views and the features of "
                f"{bundle.backbone}; fit it again"
            )
        return cls(Features.of_bundle(bundle, tensors, device), head, bundle)

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[ViewReading]:
        """One reading per frame, in order. images : (H, W) uint8 echo level each, of any sizes."""
        return self.of_features(self.features(images)[0]) if images else []

    def of_features(self, features: npt.NDArray[np.float32]) -> list[ViewReading]:
        """One reading per row of pooled features (n, C)."""
        rows = self._head.probabilities(features).tolist()
        familiar = self._head.familiar(features).tolist()
        return [
            ViewReading(dict(zip(self.bundle.labels, row, strict=True)), self._head.limit, known)
            for row, known in zip(rows, familiar, strict=True)
        ]


SYSTEM = ViewClassifier
