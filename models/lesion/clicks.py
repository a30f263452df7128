"""What a user points at, and its Euclidean distance maps (Ryu et al. 2021, paper 4, after Xu et al.
2016)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from models.errors import ImageError

Point = tuple[float, float]
Box = tuple[float, float, float, float]

FARTHEST = 255.0
"""Distances end here; a map without any click holds this value everywhere (paper 4)."""


@dataclass(frozen=True)
class Prompt:
    """foreground, background : clicks x, y in and outside of the lesion. box : x0, y0, x1, y1
    around it. All in pixels of the whole image, whose whole numbers are the middles of pixels.
    At least one foreground click or a box is needed."""

    foreground: tuple[Point, ...] = ()
    background: tuple[Point, ...] = ()
    box: Box | None = None

    def __post_init__(self) -> None:
        numbers = [*self.foreground, *self.background, *([self.box] if self.box else [])]
        if not np.isfinite([value for row in numbers for value in row]).all():
            raise ImageError("a click or box has a coordinate that is not a number")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ImageError(f"box {self.box} needs x0 < x1 and y0 < y1, in pixels")
        if self.box is None and not self.foreground:
            raise ImageError("a prompt needs a click in the lesion or a box around it")

    @property
    def clicks(self) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        """Foreground and background clicks; a box adds its five (paper 4, Fig. 3d)."""
        if self.box is None:
            return self.foreground, self.background
        inside, corners = box_clicks(self.box)
        return (*inside, *self.foreground), (*corners, *self.background)


def box_clicks(box: Box) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """One foreground click at the centre of a box and four background clicks at its corners."""
    x0, y0, x1, y1 = box
    return (((x0 + x1) / 2, (y0 + y1) / 2),), ((x0, y0), (x1, y0), (x0, y1), (x1, y1))


def distance_map(clicks: Sequence[Point], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(H, W) float32: each pixel's Euclidean distance in pixels to the nearest click, at most 255.

    clicks : x, y, taken to the nearest pixel; one outside of the map counts at its edge. Without
    clicks the map is 255 everywhere.
    """
    if not clicks:
        return np.full(shape, FARTHEST, np.float32)
    free = np.ones(shape, bool)
    for x, y in clicks:
        row = min(max(round(y), 0), shape[0] - 1)
        free[row, min(max(round(x), 0), shape[1] - 1)] = False
    return np.asarray(np.minimum(distance_transform_edt(free), FARTHEST), dtype=np.float32)
