"""The supervised-attention lesion detector (Schmauch et al. 2019, paper 1) at inference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES
from models.bundle import Bundle
from models.errors import BundleError
from models.folding import fold_normalisation
from models.images import Window, imagenet_tensor
from models.lesion.network import AttentionNetwork
from models.lesion.preprocessing import prepare
from models.weights import fill, read_weights

_BATCH = 4


@dataclass(frozen=True)
class AttentionReading:
    """What the detector says of one image.

    probabilities : by label, only labels that the bundle has. 'lesion' is the probability that
    the image shows a focal lesion. 'malignant' is conditional on a lesion being present: it was
    trained on images with a mass only and means nothing where 'lesion' is low. Both are
    calibrated for equal prior of their two classes (Platt scaling in the card).
    attention : (h, w) float32 0..1, the local prediction per cell, over the window.
    window : x0, y0, x1, y1 of the given image, the fan crop that the attention covers.
    """

    probabilities: Mapping[str, float]
    attention: npt.NDArray[np.float32]
    window: Window


class AttentionDetector:
    """Reads B-mode images of the liver; made by ``load`` from a bundle."""

    def __init__(self, network: AttentionNetwork, bundle: Bundle, device: str) -> None:
        preprocessing = bundle.card["preprocessing"]
        self.bundle = bundle
        self._device = torch.device(device)
        self._network = fold_normalisation(network).to(self._device)
        self._network.to(memory_format=torch.channels_last)
        self._flip = bool(preprocessing.get("flip_average", False))
        scaling = [bundle.card.get("calibration", {}).get(label, {}) for label in bundle.labels]
        self._slope = torch.tensor([float(row.get("slope", 1.0)) for row in scaling])
        self._intercept = torch.tensor([float(row.get("intercept", 0.0)) for row in scaling])

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "AttentionDetector":
        """The detector of a bundle; BundleError when the weights do not fit its card."""
        if bundle.backbone not in BACKBONES:
            raise BundleError(
                f"bundle {bundle.name!r}: there is no backbone {bundle.backbone!r}; "
                f"there are {', '.join(BACKBONES)}"
            )
        focus = bundle.card["preprocessing"].get("focus", [1.0])
        network = AttentionNetwork(bundle.backbone, bundle.labels, focus)
        fill(network, read_weights(bundle), bundle)
        return cls(network, bundle, device)

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[AttentionReading]:
        """One reading per image, in order.

        images : (H, W) uint8 echo level each, of any sizes. Where the card asks for it, logits and
        attention are the mean of the image and its mirror.
        """
        return [
            reading
            for start in range(0, len(images), _BATCH)
            for reading in self._read_batch(images[start : start + _BATCH])
        ]

    def _read_batch(self, images: Sequence[npt.NDArray[np.uint8]]) -> Iterator[AttentionReading]:
        prepared = [prepare(image) for image in images]
        row = BACKBONES[self.bundle.backbone]
        tensor = imagenet_tensor([image.grey for image in prepared], row.mean, row.std)
        logits, local = forward_flipped(
            self._network,
            tensor.to(self._device, memory_format=torch.channels_last),
            flip=self._flip,
        )
        probabilities = torch.sigmoid(logits.cpu() * self._slope + self._intercept).tolist()
        attention = local.cpu().numpy()
        for image, values, cells in zip(prepared, probabilities, attention, strict=True):
            yield AttentionReading(
                probabilities=dict(zip(self.bundle.labels, values, strict=True)),
                attention=cells,
                window=image.window,
            )


@torch.inference_mode()
def forward_flipped(
    network: AttentionNetwork, images: torch.Tensor, *, flip: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, L) and attention 0..1 (N, h, w), averaged over the mirror image where asked."""
    labels, local = network(images)
    attention = torch.sigmoid(local)
    if flip:
        # The features are 345 pixels wide over 11 cells: a mirrored map lands on the same cells.
        mirrored = network(images.flip(3))
        labels = (labels + mirrored.labels) / 2
        attention = (attention + torch.sigmoid(mirrored.local).flip(2)) / 2
    return labels, attention


SYSTEM = AttentionDetector
