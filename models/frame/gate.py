"""Is it a liver at all? Every model answers whatever it is shown; this one says when not to ask.

Two halves over an ImageNet backbone's pooled features of the echo content: a ridge regression on
their square roots (liver -1, foreign 1) knows what it was shown, and the distance from known livers
(``models.fat.scope``) what it was not. On kinds that were held out the sum does better than either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES, build_backbone
from models.bundle import Bundle
from models.errors import BundleError
from models.fat.preprocessing import prepare
from models.fat.scope import Scope
from models.folding import fold_normalisation
from models.images import Window, imagenet_tensor
from models.weights import fill, read_weights

_BATCH = 4
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

    def __str__(self) -> str:
        return f"score {self.score:.2f}, a liver has at most {self.limit:.2f}"


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


class Features:
    """Pooled features of a backbone in inference, the same in fitting and in the node."""

    def __init__(self, network: torch.nn.Module, backbone: str, device: str) -> None:
        self._row = BACKBONES[backbone]
        self._device = torch.device(device)
        self._network = fold_normalisation(network).to(self._device)
        self._network.to(memory_format=torch.channels_last)

    def __call__(
        self, images: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], list[Window]]:
        """(n, C) features of images (H, W) uint8, cropped to their echo content, and the crops."""
        frames = [prepare(image) for image in images]
        tensor = imagenet_tensor([one.grey for one in frames], self._row.mean, self._row.std)
        with torch.inference_mode():
            tensor = tensor.to(self._device, memory_format=torch.channels_last)
            pooled = self._network(tensor).float().mean(dim=(2, 3)).cpu().numpy()
        return pooled, [one.window for one in frames]


class Gate:
    """Says of each frame if models may read it; made by ``load`` from a bundle."""

    def __init__(self, features: Features, head: Head, bundle: Bundle) -> None:
        self.bundle = bundle
        self.features = features
        self._head = head

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "Gate":
        """The gate of a bundle; BundleError when the weights do not fit its card."""
        if bundle.backbone not in BACKBONES:
            raise BundleError(
                f"bundle {bundle.name!r}: there is no backbone {bundle.backbone!r}; "
                f"there are {', '.join(BACKBONES)}"
            )
        tensors = read_weights(bundle)
        head = Head.take(tensors, BACKBONES[bundle.backbone].channels)
        if head is None:
            raise BundleError(
                f"bundle {bundle.name!r}: its head does not fit the features of "
                f"{bundle.backbone}; fit it again"
            )
        network = build_backbone(bundle.backbone)
        fill(network, tensors, bundle)
        return cls(Features(network, bundle.backbone, device), head, bundle)

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Verdict]:
        """One verdict per frame, in order. images : (H, W) uint8 echo level each, of any sizes."""
        return list(self._read(images))

    def of_features(self, features: npt.NDArray[np.float32]) -> list[Verdict]:
        """One verdict per row of pooled features (n, C)."""
        return [Verdict(float(one), self._head.limit) for one in self._head.scores(features)]

    def _read(self, images: Sequence[npt.NDArray[np.uint8]]) -> Iterator[Verdict]:
        for start in range(0, len(images), _BATCH):
            features, _ = self.features(images[start : start + _BATCH])
            yield from self.of_features(features)


SYSTEM = Gate
