"""Joint segmentation and classification of a lesion that a user points at (Ryu et al. 2021, paper
4), at inference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from models.backbones import BACKBONES, check_backbone
from models.bundle import Bundle
from models.errors import BundleError, ImageError
from models.folding import fold_normalisation
from models.images import Window, content_window, standardised
from models.images.outlines import filled, mask_box
from models.lesion.clicks import Box, Point, Prompt
from models.lesion.joint_network import JointNetwork, Shape
from models.lesion.joint_views import Framing, View, prompt_maps
from models.platt import Platt, intervals
from models.weights import fill, read_weights

_BATCH = 8
"""Looks at a time; with their mirror images the network sees twice as many."""


@dataclass(frozen=True)
class JointReading:
    """What the system says of the lesion at a prompt.

    mask : (H, W) bool in pixels of the whole image; one connected lesion, or nothing where the
    system sees none. probability : (H, W) float32 0..1 of each pixel, 0 outside of what was looked
    at. Both are None in a system that only classifies. probabilities : by label, only labels that
    the system has; 'malignant' is calibrated for equal prior of both classes. logits : the same
    before calibration, by label. intervals : by label, the 95 % interval of its probability, where
    the card has one: of the calibration alone, see ``models.platt``.
    """

    mask: npt.NDArray[np.bool_] | None
    probability: npt.NDArray[np.float32] | None
    probabilities: Mapping[str, float]
    logits: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def malignant(self) -> float | None:
        """The probability of malignancy, None where no such label was trained."""
        return self.probabilities.get("malignant")


@dataclass(frozen=True)
class _Look:
    view: View
    foreground: tuple[Point, ...]
    background: tuple[Point, ...]


class JointSegmenter:
    """Segments and classifies the lesion at a prompt; made by ``load`` from a bundle.

    A box is looked at once. A click is looked at twice: the first look, around the click, finds
    the lesion's box, the second, around that box, outlines it. Each look is averaged with its
    mirror image unless the card says otherwise.
    """

    def __init__(
        self,
        network: JointNetwork,
        backbone: str,
        framing: Framing,
        *,
        calibration: Mapping[str, Mapping[str, Any]] | None = None,
        mirrored: bool = True,
        device: str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self._network = network.to(self._device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._row = BACKBONES[backbone]
        self._framing = framing
        rows = calibration or {}
        self._scaling = {label: Platt.of_card(rows.get(label, {})) for label in network.labels}
        self._mirrored = mirrored

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "JointSegmenter":
        """The system of a bundle; BundleError when the weights do not fit its card."""
        check_backbone(bundle)
        try:
            framing = Framing(**bundle.card["preprocessing"]["framing"])
            shape = Shape(**bundle.card["preprocessing"]["network"])
        except (KeyError, TypeError) as error:
            raise BundleError(
                f"bundle {bundle.name!r}: its card does not say how it looks at an image "
                f"({error}); install it again"
            ) from error
        network = JointNetwork(bundle.backbone, _heads(bundle), shape)
        fill(network, read_weights(bundle), bundle)
        return cls(
            fold_normalisation(network),
            bundle.backbone,
            framing,
            calibration=bundle.card.get("calibration", {}),
            mirrored=bool(bundle.card["preprocessing"].get("flip_average", True)),
            device=device,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """What it has a probability for."""
        return tuple(self._network.labels)

    @property
    def segments(self) -> bool:
        """Whether it outlines lesions; otherwise it only classifies what is in a box."""
        return self._network.sides is not None

    def read(self, image: npt.NDArray[np.uint8], prompt: Prompt) -> JointReading:
        """The lesion at one prompt. image : (H, W) uint8 echo level."""
        return self.read_all(image, [prompt])[0]

    def read_all(
        self, image: npt.NDArray[np.uint8], prompts: Sequence[Prompt]
    ) -> list[JointReading]:
        """The lesion at each prompt, in order, each for itself. ImageError where a prompt lies
        outside of the image, or has no box and the system only classifies."""
        window = content_window(image)
        for prompt in prompts:
            self._check(prompt, image.shape)
        looks = [self._first_look(prompt, window) for prompt in prompts]
        inside, logits = self._see(image, looks)
        again = [
            (number, second)
            for number, (prompt, look) in enumerate(zip(prompts, looks, strict=True))
            if inside is not None and prompt.box is None and not self._framing.whole
            if (second := self._second_look(look, inside[number])) is not None
        ]
        if again and inside is not None:
            better, labels = self._see(image, [look for _, look in again])
            for place, (number, look) in enumerate(again):
                looks[number] = look
                logits[number] = labels[place]
                if better is not None:
                    inside[number] = better[place]
        return [
            self._reading(look, None if inside is None else inside[number], values, image.shape)
            for number, (look, values) in enumerate(zip(looks, logits.tolist(), strict=True))
        ]

    def calibrated(self, label: str, logit: float) -> float:
        """The probability 0..1 of a label for its logit."""
        return float(self._scaling[label](np.asarray(logit)))

    def _check(self, prompt: Prompt, shape: tuple[int, ...]) -> None:
        height, width = shape
        inside, _ = prompt.clicks
        if any(not (-0.5 <= x < width and -0.5 <= y < height) for x, y in inside):
            raise ImageError(
                f"the prompt lies outside of the image, which is {width} x {height} pixels"
            )
        if not self.segments and prompt.box is None:
            raise ImageError("a system that only classifies needs a box around the lesion")

    def _first_look(self, prompt: Prompt, window: Window) -> _Look:
        if self._framing.whole:
            view = self._framing.of_window(window)
        elif prompt.box is not None:
            view = self._framing.of_box(prompt.box)
        else:
            view = self._framing.of_clicks(prompt.foreground, window)
        return _Look(view, *prompt.clicks)

    def _second_look(self, look: _Look, inside: npt.NDArray[np.float32]) -> _Look | None:
        """Around what the first look found, if it found anything."""
        found = lesion_at(inside >= 0.5, look.view.points(look.foreground))
        if not found.any():
            return None
        box = box_in_image(look.view, mask_box(found))
        return replace(look, view=self._framing.of_box(box))

    @torch.inference_mode()
    def _see(
        self, image: npt.NDArray[np.uint8], looks: Sequence[_Look]
    ) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32]]:
        """Probability per pixel of each look, None without a segmentation branch, and logits."""
        inside, logits = [], []
        for start in range(0, len(looks), _BATCH):
            tensors = [
                network_input(
                    look.view,
                    standardised(look.view.cut(image), self._row.mean, self._row.std),
                    look.foreground if self.segments else None,
                    look.background,
                )
                for look in looks[start : start + _BATCH]
            ]
            batch = torch.from_numpy(np.stack(tensors)).to(self._device)
            count = len(batch)
            if self._mirrored:
                batch = torch.cat([batch, batch.flip(3)])
            seen = self._network(batch.contiguous(memory_format=torch.channels_last))
            logits.append(_mean(seen.labels, count))
            if seen.mask is not None:
                maps = torch.sigmoid(seen.mask)
                inside.append(_mean(torch.cat([maps[:count], maps[count:].flip(2)]), count))
        return (np.concatenate(inside) if inside else None), np.concatenate(logits)

    def _reading(
        self,
        look: _Look,
        inside: npt.NDArray[np.float32] | None,
        values: Sequence[float],
        shape: tuple[int, ...],
    ) -> JointReading:
        logits = dict(zip(self._network.labels, values, strict=True))
        mask = whole = None
        if inside is not None:
            whole = look.view.spread(inside, (shape[0], shape[1]))
            mask = lesion_at(whole >= 0.5, look.foreground)
        return JointReading(
            mask=mask,
            probability=whole,
            probabilities={label: self.calibrated(label, value) for label, value in logits.items()},
            logits=logits,
            intervals=intervals(self._scaling, logits),
        )


def _mean(values: torch.Tensor, count: int) -> npt.NDArray[np.float32]:
    """(count, …): of each look and, where there are as many more, its mirror image."""
    each = values.reshape(len(values) // count, count, *values.shape[1:])
    mean: npt.NDArray[np.float32] = each.mean(dim=0).float().cpu().numpy()
    return mean


def network_input(
    view: View,
    grey: npt.NDArray[np.float32],
    foreground: Sequence[Point] | None,
    background: Sequence[Point],
) -> npt.NDArray[np.float32]:
    """(3, size, size): the grey view and both distance maps; (1, size, size) without clicks.

    grey : (size, size), standardised. foreground, background : in pixels of the whole image.
    """
    if foreground is None:
        return grey[None]
    return np.concatenate([grey[None], prompt_maps(view, foreground, background)])


def lesion_at(inside: npt.NDArray[np.bool_], clicks: Sequence[Point]) -> npt.NDArray[np.bool_]:
    """The one connected region that holds most clicks, the largest of those; holes are filled."""
    if not inside.any():
        return inside
    x0, y0, x1, y1 = (int(edge) for edge in mask_box(inside))
    part = (slice(y0, y1 + 1), slice(x0, x1 + 1))  # what is empty need not be searched
    regions, _ = ndimage.label(inside[part])
    size = np.bincount(regions.ravel()).astype(np.float64)
    for x, y in clicks:
        row, column = round(y) - y0, round(x) - x0
        if 0 <= row < regions.shape[0] and 0 <= column < regions.shape[1]:
            size[regions[row, column]] += inside.size
    size[0] = 0
    found = np.zeros_like(inside)
    found[part] = filled(regions == int(size.argmax()))
    return found


def box_in_image(view: View, box: Box) -> Box:
    """A box in pixels of a view as a box in pixels of the whole image."""
    across, down = (view.x1 - view.x0) / view.size, (view.y1 - view.y0) / view.size
    x0, y0, x1, y1 = box
    return (
        view.x0 + x0 * across,
        view.y0 + y0 * down,
        view.x0 + (x1 + 1) * across - 1,
        view.y0 + (y1 + 1) * down - 1,
    )


def _heads(bundle: Bundle) -> tuple[str, ...]:
    return tuple(label for label in bundle.labels if label != MASK)


MASK = "mask"
"""How a card's labels say that the system outlines the lesion."""

SYSTEM = JointSegmenter
