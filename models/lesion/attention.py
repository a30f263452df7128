"""The supervised-attention lesion detector (Schmauch et al. 2019, paper 1) at inference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.backbones import BACKBONES
from models.bundle import Bundle
from models.errors import BundleError
from models.folding import fold_normalisation
from models.images import Window, imagenet_tensor
from models.lesion.familiar import Familiar
from models.lesion.network import AttentionNetwork
from models.lesion.preprocessing import SIZE, prepare
from models.platt import Platt, intervals
from models.weights import fill, read_weights

PRESENCE = "lesion"
_BATCH = 4


@dataclass(frozen=True)
class AttentionReading:
    """What the detector says of one image.

    probabilities : by label, only labels that the bundle has. 'lesion' is the probability that
    the image shows a focal lesion. 'malignant' and the types are conditional on a lesion being
    present: they were trained on images with a mass only and mean nothing where 'lesion' is low.
    All are calibrated for equal prior of their two classes (Platt scaling in the card).
    logits : by label, before that calibration. intervals : by label, the 95 % interval of its
    probability, where the card has one: of the calibration alone, see ``models.platt``.
    attention : (h, w) float32 0..1, the local prediction per cell, over the window.
    window : x0, y0, x1, y1 of the given image, the fan crop that the attention covers.
    """

    probabilities: Mapping[str, float]
    logits: Mapping[str, float]
    attention: npt.NDArray[np.float32]
    window: Window
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """One network of the ensemble. size : (height, width) of its input. labels : those that it
    speaks for: the paper keeps separate best weights per task."""

    backbone: str
    size: tuple[int, int]
    focus: tuple[float, ...]
    labels: tuple[str, ...]
    network: AttentionNetwork


class AttentionDetector:
    """Reads B-mode images of the liver; made by ``load`` from a bundle.

    A label's logit is the mean over the members that speak for it, the attention the mean over
    those that say whether there is a lesion.
    """

    def __init__(
        self,
        members: Sequence[Member],
        bundle: Bundle,
        device: str,
        familiar: Familiar | None = None,
    ) -> None:
        self.bundle = bundle
        self.familiar = familiar
        self._device = torch.device(device)
        self._members = tuple(members)
        for member in members:
            fold_normalisation(member.network).to(self._device)
            member.network.to(memory_format=torch.channels_last)
        self._flip = bool(bundle.card["preprocessing"].get("flip_average", False))
        rows = bundle.card.get("calibration", {})
        self._scaling = {label: Platt.of_card(rows.get(label, {})) for label in bundle.labels}
        self._slope = torch.tensor([row.slope for row in self._scaling.values()])
        self._intercept = torch.tensor([row.intercept for row in self._scaling.values()])

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "AttentionDetector":
        """The detector of a bundle; BundleError when the weights do not fit its card."""
        tensors = read_weights(bundle)
        familiar = Familiar.of_bundle(bundle, tensors)
        rows = bundle.card.get("members") or [{}]
        members = [_member(row, bundle) for row in rows]
        for number, member in enumerate(members):
            prefix = f"{number}." if "members" in bundle.card else ""
            own = {
                key.removeprefix(prefix): value
                for key, value in tensors.items()
                if key.startswith(prefix)
            }
            fill(member.network, own, bundle)
        unspoken = set(bundle.labels) - {label for member in members for label in member.labels}
        if unspoken:
            raise BundleError(
                f"bundle {bundle.name!r}: no member speaks for {', '.join(sorted(unspoken))}; "
                "correct the card or fit it again"
            )
        return cls(members, bundle, device, familiar)

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
        labels = self.bundle.labels
        total = torch.zeros(len(images), len(labels))
        voices = torch.zeros(len(labels))
        maps: list[torch.Tensor] = []
        windows: list[Window] = []
        for member in self._members:
            prepared = [prepare(image, member.size) for image in images]
            windows = [image.window for image in prepared]
            row = BACKBONES[member.backbone]
            tensor = imagenet_tensor([image.grey for image in prepared], row.mean, row.std)
            logits, local = forward_flipped(
                member.network,
                tensor.to(self._device, memory_format=torch.channels_last),
                flip=self._flip,
            )
            places = [labels.index(label) for label in member.labels]
            total[:, places] += logits.cpu()
            voices[places] += 1
            maps.append(local.cpu())
        logits = total / voices
        probabilities = torch.sigmoid(logits * self._slope + self._intercept)
        attention = mean_attention(maps, [member.labels for member in self._members]).numpy()
        for number, window in enumerate(windows):
            said = dict(zip(labels, logits[number].tolist(), strict=True))
            yield AttentionReading(
                probabilities=dict(zip(labels, probabilities[number].tolist(), strict=True)),
                logits=said,
                attention=attention[number],
                window=window,
                intervals=intervals(self._scaling, said),
            )


def mean_attention(maps: Sequence[torch.Tensor], labels: Sequence[Sequence[str]]) -> torch.Tensor:
    """(N, h, w): the mean of the maps of the members that say whether there is a lesion, of all
    where none does, on the grid of the first of them.

    labels : what each member speaks for.
    """
    presence = [own for own, spoken in zip(maps, labels, strict=True) if PRESENCE in spoken]
    first, *others = presence or maps
    shape = (first.shape[1], first.shape[2])
    resized = [functional.adaptive_avg_pool2d(each[:, None], shape)[:, 0] for each in others]
    return torch.stack([first, *resized]).mean(dim=0)


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


def _member(row: Mapping[str, Any], bundle: Bundle) -> Member:
    """A card's row; what it leaves out is the card's own, as in a bundle of one network."""
    preprocessing = bundle.card["preprocessing"]
    name = str(row.get("backbone", bundle.backbone))
    if name not in BACKBONES:
        raise BundleError(
            f"bundle {bundle.name!r}: there is no backbone {name!r}; "
            f"there are {', '.join(BACKBONES)}"
        )
    height, width = row.get("size", preprocessing.get("size", SIZE))
    focus = tuple(float(scale) for scale in row.get("focus", preprocessing.get("focus", [1.0])))
    labels = tuple(row.get("labels", bundle.labels))
    strangers = set(labels) - set(bundle.labels)
    if strangers:
        raise BundleError(
            f"bundle {bundle.name!r}: a member speaks for {', '.join(sorted(strangers))}, which "
            "'labels' does not name; correct the card"
        )
    return Member(name, (height, width), focus, labels, AttentionNetwork(name, labels, focus))


SYSTEM = AttentionDetector
