"""Where the two squares of a hepatorenal index may go in a frame whose liver and kidney are found.

As people set them in the frames that the shipped curve was fitted on (``byra-rois``, 440 pairs):
side by side across the border of both organs, their middles 1.5 to 2.6 sides apart, about as deep.
A proposal: whether the squares show even parenchyma and cortex, a person says.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.fat.squares import OF_HEIGHT, SIDE, Place, SquaresReading, read_squares

NEAR, FAR = 1.5, 2.6
"""Sides between the middles of two squares."""

INSIDE = 0.98
"""Share of a square that lies in its organ: an outline is not exact."""

CORTEX = 0.85
"""Sides from the kidney's edge to the middle of a square, at most: deeper lies the bright sinus."""

EVEN = 0.5
"""Share of all pairs, the most even ones, among which the middle index is taken: vessels and
shadows make a square uneven."""

_STEP = 0.25

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FoundSquares:
    """Two squares, by their middles in pixels of the image. reading : what they say. pairs : among
    how many even pairs the index is the middle one. low, high : of those, the quarter and three
    quarters."""

    liver: Place
    kidney: Place
    reading: SquaresReading
    pairs: int
    low: float
    high: float


def find_squares(image: npt.NDArray[np.uint8], liver: Mask, kidney: Mask) -> FoundSquares | None:
    """The pair of the middle index among the even ones; None where no pair finds room.

    image : (H, W) uint8 echo level of a B-mode region. liver, kidney : (H, W) of it.
    """
    found = list(_pairs(image, liver & ~kidney, kidney))
    if not found:
        return None
    found.sort(key=lambda row: row[0])
    even = [row[1:] for row in found[: max(1, round(EVEN * len(found)))]]
    indices = np.array([reading.index for _, _, reading in even])
    low, middle, high = np.percentile(indices, (25, 50, 75))
    place, other, reading = even[int(np.abs(indices - middle).argmin())]
    return FoundSquares(place, other, reading, len(even), float(low), float(high))


def _pairs(
    image: npt.NDArray[np.uint8], liver: Mask, kidney: Mask
) -> Iterator[tuple[float, Place, Place, SquaresReading]]:
    """Each with how uneven it is: the standard deviation over the mean, of both squares."""
    side = round(SIDE * image.shape[0] / OF_HEIGHT)
    cortex = ndimage.distance_transform_edt(kidney) <= CORTEX * side
    spots = [_room(liver, side), _room(kidney, side, cortex)]
    if not all(map(len, spots)):
        return
    near, far = NEAR * side, FAR * side
    uneven = _unevenness(image, side)
    for y, x in spots[1]:
        away = np.hypot(spots[0][:, 0] - y, spots[0][:, 1] - x)
        for row, column in spots[0][(away >= near) & (away <= far)]:
            places = (float(column), float(row)), (float(x), float(y))
            reading = read_squares(image, *places)
            if reading.index is not None:
                yield float(uneven[row, column] + uneven[y, x]), *places, reading


def _room(mask: Mask, side: int, middle: Mask | bool = True) -> npt.NDArray[np.intp]:
    """(n, 2) rows and columns, on a grid, of the middles of squares in a mask. middle : where the
    middles may lie."""
    share = ndimage.uniform_filter(mask.astype(np.float32), side, mode="constant")
    step = max(1, round(_STEP * side))
    rows, columns = np.nonzero(((share >= INSIDE) & middle)[::step, ::step])
    return np.stack([rows * step, columns * step], axis=1)


def _unevenness(image: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.float32]:
    level = image.astype(np.float32)
    mean = ndimage.uniform_filter(level, side)
    variance = ndimage.uniform_filter(level**2, side) - mean**2
    return np.asarray(np.sqrt(np.maximum(variance, 0)) / np.maximum(mean, 1), np.float32)
