"""The hepatorenal index where somebody points: one square in the liver, one in the renal cortex.

The shipped curve was fitted on such squares (``byra-rois``): 28 pixels wide in frames 636 x 434,
the mean of every pixel of each, whether or not both reach the same depths, and the median over a
patient's frames. Outlines of whole organs are read by ``models.fat.hepatorenal.read_index``, which
trims them to common depths; what is small and chosen is taken as it is, as the fit took it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import floor

import numpy as np
import numpy.typing as npt

from models.fat.hepatorenal import DARK, DEPTH_GAP, LEAST, SATURATED

SIDE, OF_HEIGHT = 28, 434
"""Pixels: a square's side, and the height of the frames in which it had it. The height shows the
depth, which differs little between livers, so that this share of it is about 12 mm in any frame,
calibrated or not; the reference kept the share, not the millimetres. It need not be exact: in the
real frames a side of 23 changes the index by 2 % on average and by 4 % at most."""

BLACK = 0.1
"""Share of pixels darker than ``DARK`` from which a square is not all tissue: it reaches beyond the
fan, into a vessel or a shadow. In fourteen squares of Byra's frames there is no such pixel."""

Box = tuple[int, int, int, int]
Place = tuple[float, float]


class Unfit(StrEnum):
    """Why two squares give no index."""

    OUTSIDE = "outside"
    SMALL = "small"
    OVERLAP = "overlap"
    APART = "apart"
    DARK = "dark"
    SATURATED = "saturated"


@dataclass(frozen=True)
class SquaresReading:
    """What one pair of squares says.

    liver, kidney : x0, y0, x1, y1 in pixels of the image, half open. levels : mean echo level
    0..255 of each, not numbers where a square reaches out of the image. depth_gap : how much
    deeper the kidney's square lies, as a share of the image's height. index : liver over kidney,
    or None where ``reason``, which may be of one square, says why there is none.
    """

    liver: Box
    kidney: Box
    levels: tuple[float, float]
    depth_gap: float
    index: float | None = None
    reason: Unfit | None = None
    organ: str = ""


def square_at(place: Place, height: int) -> Box:
    """The square around x, y of an image so high; whole numbers are the middles of pixels."""
    side = round(SIDE * height / OF_HEIGHT)
    x0, y0 = (floor(middle - side / 2 + 0.5) for middle in place)
    return x0, y0, x0 + side, y0 + side


def read_squares(image: npt.NDArray[np.uint8], liver: Place, kidney: Place) -> SquaresReading:
    """The index of one pair. image : (H, W) uint8 echo level of a B-mode region, log-compressed as
    the scanner shows it. liver, kidney : x, y of the middle of each square in it."""
    height, width = image.shape
    boxes = {"liver": square_at(liver, height), "kidney": square_at(kidney, height)}
    nothing = float("nan")
    reading = SquaresReading(
        liver=boxes["liver"],
        kidney=boxes["kidney"],
        levels=(nothing, nothing),
        depth_gap=(boxes["kidney"][1] - boxes["liver"][1]) / height,
    )
    for organ, (x0, y0, x1, y1) in boxes.items():
        if not (x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height):
            return replace(reading, reason=Unfit.OUTSIDE, organ=organ)
        if (x1 - x0) * (y1 - y0) < LEAST:
            return replace(reading, reason=Unfit.SMALL)
    if _overlap(boxes["liver"], boxes["kidney"]):
        return replace(reading, reason=Unfit.OVERLAP)
    squares = {organ: image[y0:y1, x0:x1] for organ, (x0, y0, x1, y1) in boxes.items()}
    levels = float(squares["liver"].mean()), float(squares["kidney"].mean())
    reading = replace(reading, levels=levels)
    for organ, pixels in squares.items():
        if (pixels < DARK).mean() > BLACK:
            return replace(reading, reason=Unfit.DARK, organ=organ)
        if (pixels == 255).mean() > SATURATED:
            return replace(reading, reason=Unfit.SATURATED, organ=organ)
    if abs(reading.depth_gap) > DEPTH_GAP:
        return replace(reading, reason=Unfit.APART)
    return replace(reading, index=levels[0] / levels[1])


def _overlap(one: Box, other: Box) -> bool:
    return all(one[side] < other[side + 2] and other[side] < one[side + 2] for side in (0, 1))
