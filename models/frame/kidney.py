"""Where a kidney lies in a frame, for the hepatorenal index.

A decoder of its own on the encoder of ``models.frame.fan_liver``. No kidney is outlined in any real
frame that can be had, so the decoder learns from simulated ones, and the encoder is kept as real
frames taught it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.frame.fan_liver import FanLiver, Mask, largest_part

STRUCTURE = "kidney"

LEVEL = 0.3
"""Probability from which a pixel is kidney; chosen with ten real frames in view (``byra-ten``)."""

SMALLEST = 0.01
"""Share of the frame below which a part of the map is no kidney. Of 260 simulated kidneys the
smallest covers 5 %."""


class Kidney:
    """Finds a kidney; made by ``load`` from a bundle. maps : of a network that knows it alone."""

    def __init__(self, maps: FanLiver) -> None:
        self._maps = maps

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "Kidney":
        """The system of a bundle; BundleError when the weights do not fit its card."""
        return cls(FanLiver.load(bundle, device, known=(STRUCTURE,)))

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Mask]:
        """Of each frame, in order, (H, W) bool, one connected part without holes; empty where there
        is no kidney. images : (H, W) uint8 echo level each, of any sizes."""
        found = []
        for maps in self._maps.maps(images):
            part = largest_part(maps[STRUCTURE] >= LEVEL)
            found.append(part if part.mean() >= SMALLEST else np.zeros_like(part))
        return found


SYSTEM = Kidney
