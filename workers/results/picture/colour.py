"""How a map's values become colours over tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

LEVELS = 256
OPACITY = 0.6
"""At most; speckle and borders must stay readable under the strongest colour."""


@dataclass(frozen=True)
class Colours:
    """colours : (256, 3) uint8. opacity : (256,) uint8, 0 where the map says nothing.

    Level 0 to 255 runs from the least to the greatest value of the scale.
    """

    colours: NDArray[np.uint8]
    opacity: NDArray[np.uint8]

    @property
    def palette(self) -> list[int]:
        return [int(channel) for channel in self.colours.ravel()]


@cache
def colours(signed: bool) -> Colours:
    """A perceptually even map: inferno for 0 to 1, managua for values about 0 (orange above, blue
    below).

    What is stronger differs more from the bare tissue, be that dark or bright. So the dark part
    of either map, which would dim tissue instead of colouring it, and the palest of inferno stay
    out.
    """
    import matplotlib

    steps = np.linspace(0, 1, LEVELS)
    strength = np.abs(2 * steps - 1) if signed else steps
    if signed:
        places = 0.5 + np.sign(steps - 0.5) * (0.2 + 0.3 * strength)
        rgb = matplotlib.colormaps["managua_r"](places)[:, :3]
    else:
        rgb = matplotlib.colormaps["inferno"](0.3 + 0.55 * strength)[:, :3]
    opacity = OPACITY * np.clip((strength - 0.05) / 0.95, 0, 1)
    return Colours(np.rint(255 * rgb).astype(np.uint8), np.rint(255 * opacity).astype(np.uint8))


def scale(values: NDArray[np.float32], signed: bool) -> tuple[float, float]:
    """The values of the colour scale's ends: 0 and 1, or as far on either side as needed.

    A signed scale ends at 1, 2 or 5 times a power of ten, so that its numbers can be read.
    """
    if not signed:
        return 0.0, 1.0
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max(initial=0.0))
    if largest == 0.0:
        return -1.0, 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    end = next((step * power for step in (1, 2, 5) if step * power >= largest), 10 * power)
    return -end, end


def levels(values: NDArray[np.float32], ends: tuple[float, float]) -> NDArray[np.float32]:
    """``values`` as 0..255 of the scale; what is no number shows as nothing (0 of the scale)."""
    low, high = ends
    finite = np.nan_to_num(values, nan=0.0, posinf=high, neginf=low)
    level = (finite - low) / (high - low) * (LEVELS - 1)
    return np.asarray(level.clip(0, LEVELS - 1), dtype=np.float32)
