"""Where the ultrasound fan, the liver and focal masses lie in a frame of which nothing is known.

No system of the papers has this part; it joins them. The detector (paper 1) says whether there is
a lesion, this says where to look for one, and the joint system (paper 4) draws its outline.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage

from models.backbones import BACKBONES, check_backbone
from models.bundle import Bundle
from models.errors import BundleError
from models.folding import fold_normalisation
from models.frame.fan_liver_network import FanLiverNetwork
from models.images import Window, content_window, crop, normalise_echo, standardised
from models.images.outlines import filled
from models.weights import fill, read_weights

SIZE = (224, 304)
"""Height and width that the network sees, about the shape of a fan."""

MARGIN = 0.04
"""What is seen around the echo content, in shares of its sides: it may have been cut too tight."""

STRUCTURES = ("fan", "liver", "mass", "malignant")
"""Those that a bundle may have. 'malignant' is conditional on a pixel being part of a mass."""

_BATCH = 2
"""Frames at a time; with their mirror images the network sees twice as many."""

Mask = npt.NDArray[np.bool_]
Map = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Anatomy:
    """What one frame of H x W pixels shows; None where the bundle does not know the structure.

    fan, liver : (H, W) bool, one connected part without holes, the liver inside the fan. mass :
    (H, W) float32 0..1, how likely each pixel is part of a focal mass. malignant : (H, W) float32
    0..1, if it is.
    """

    fan: Mask | None
    liver: Mask | None
    mass: Map | None
    malignant: Map | None = None

    def tissue(self, shape: tuple[int, int]) -> Mask:
        """(H, W) of the frame: fan and liver, the whole frame where neither is known."""
        known = [mask for mask in (self.fan, self.liver) if mask is not None]
        return np.logical_or.reduce(known) if known else np.ones(shape, bool)


class FanLiver:
    """Finds fan, liver and masses; made by ``load`` from a bundle."""

    def __init__(
        self, network: FanLiverNetwork, backbone: str, *, mirrored: bool = True, device: str = "cpu"
    ) -> None:
        self._device = torch.device(device)
        self._network = network.to(self._device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._row = BACKBONES[backbone]
        self._mirrored = mirrored

    @classmethod
    def load(
        cls, bundle: Bundle, device: str = "cpu", known: Sequence[str] = STRUCTURES
    ) -> "FanLiver":
        """The system of a bundle; BundleError when the weights do not fit its card, or it has
        structures that are not known here."""
        check_backbone(bundle)
        if unknown := set(bundle.labels) - set(known):
            raise BundleError(
                f"bundle {bundle.name!r}: nothing here reads {', '.join(sorted(unknown))}; "
                "correct the card"
            )
        network = load_network(bundle)
        mirrored = bool(bundle.card["preprocessing"].get("flip_average", True))
        return cls(fold_normalisation(network), bundle.backbone, mirrored=mirrored, device=device)

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Anatomy]:
        """One per frame, in order. images : (H, W) uint8 echo level each, of any sizes."""
        return [_anatomy(found) for found in self.maps(images)]

    def maps(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[dict[str, Map]]:
        """Of each frame, in order, the maps by structure, (H, W) float32 0..1."""
        return [
            found
            for start in range(0, len(images), _BATCH)
            for found in self._maps(images[start : start + _BATCH])
        ]

    @torch.inference_mode()
    def _maps(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[dict[str, Map]]:
        windows = [seen_window(image) for image in images]
        seen = [
            standardised(prepare(image, window), self._row.mean, self._row.std)[None]
            for image, window in zip(images, windows, strict=True)
        ]
        batch = torch.from_numpy(np.stack(seen)).to(self._device)
        count = len(batch)
        if self._mirrored:
            batch = torch.cat([batch, batch.flip(3)])
        maps = torch.sigmoid(self._network(batch.contiguous(memory_format=torch.channels_last)))
        if self._mirrored:
            maps = (maps[:count] + maps[count:].flip(3)) / 2
        structures = self._network.structures
        return [
            {
                name: spread(each, window, (image.shape[0], image.shape[1]))
                for name, each in zip(structures, own, strict=True)
            }
            for own, window, image in zip(maps.float().cpu().numpy(), windows, images, strict=True)
        ]


def load_network(bundle: Bundle) -> FanLiverNetwork:
    """The network of a bundle with its weights; BundleError when they do not fit."""
    network = FanLiverNetwork(bundle.backbone, bundle.labels)
    fill(network, read_weights(bundle), bundle)
    return network


def _anatomy(found: dict[str, Map]) -> Anatomy:
    fan = largest_part(found["fan"] >= 0.5) if "fan" in found else None
    liver = None
    if "liver" in found:
        inside = found["liver"] >= 0.5
        liver = largest_part(inside if fan is None else inside & fan)
    return Anatomy(fan, liver, found.get("mass"), found.get("malignant"))


def seen_window(image: npt.NDArray[np.uint8]) -> Window:
    """The echo content of a frame and a margin around it, inside the image."""
    height, width = image.shape
    x0, y0, x1, y1 = content_window(image)
    across, down = round((x1 - x0) * MARGIN), round((y1 - y0) * MARGIN)
    return (max(0, x0 - across), max(0, y0 - down), min(width, x1 + across), min(height, y1 + down))


def prepare(image: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.uint8]:
    """(224, 304): the window of a frame, its echoes normalised (paper 1, eq. 1)."""
    grey = normalise_echo(crop(image, window)).round().astype(np.uint8)
    height, width = SIZE
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR))


def spread(values: Map, window: Window, shape: tuple[int, int]) -> Map:
    """(H, W) float32: a map (h, w) over a window back in the whole frame, 0 outside."""
    x0, y0, x1, y1 = window
    whole = np.zeros(shape, np.float32)
    resized = Image.fromarray(values).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR)
    whole[y0:y1, x0:x1] = np.asarray(resized)
    return whole


def largest_part(mask: Mask) -> Mask:
    """The largest connected part, its holes filled; an empty mask stays empty."""
    parts, count = ndimage.label(mask)
    if count > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        mask = parts == sizes.argmax()
    return filled(mask)


SYSTEM = FanLiver
