"""The hepatorenal index where somebody points: one square in the liver, one in the renal cortex.

The shipped curve was fitted on such squares (``byra-rois``): 28 pixels wide in frames 636 x 434,
the mean of every pixel of each, whether or not both reach the same depths, and the median over a
patient's frames. Outlines of whole organs are read by ``models.fat.hepatorenal.read_index``, which
trims them to common depths; what is small and chosen is taken as it is, as the fit took it.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import floor

import numpy as np
import numpy.typing as npt

from models.fat.hepatorenal import DARK, DEPTH_GAP, LEAST, SATURATED

SIDE, OF_HEIGHT = 28, 434
"""Pixels: a square's side, and the height of the frames in which it had it. The height shows the
depth, which differs little between livers: so many pixels of it are about as many millimetres in
any frame, calibrated or not, and the reference's own millimetres are not known."""

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
    gap = (boxes["kidney"][1] - boxes["liver"][1]) / height
    nothing = (float("nan"), float("nan"))

    def unfit(
        reason: Unfit, organ: str = "", levels: tuple[float, float] = nothing
    ) -> SquaresReading:
        return SquaresReading(**boxes, levels=levels, depth_gap=gap, reason=reason, organ=organ)

    for organ, (x0, y0, x1, y1) in boxes.items():
        if not (0 <= x0 and x1 <= width and 0 <= y0 and y1 <= height):
            return unfit(Unfit.OUTSIDE, organ)
        if (x1 - x0) * (y1 - y0) < LEAST:
            return unfit(Unfit.SMALL)
    if _overlap(boxes["liver"], boxes["kidney"]):
        return unfit(Unfit.OVERLAP)
    pixels = {organ: image[y0:y1, x0:x1] for organ, (x0, y0, x1, y1) in boxes.items()}
    levels = (float(pixels["liver"].mean()), float(pixels["kidney"].mean()))
    for organ, square in pixels.items():
        if (square < DARK).mean() > BLACK:
            return unfit(Unfit.DARK, organ, levels)
        if (square == 255).mean() > SATURATED:
            return unfit(Unfit.SATURATED, organ, levels)
    if abs(gap) > DEPTH_GAP:
        return unfit(Unfit.APART, levels=levels)
    return SquaresReading(**boxes, levels=levels, depth_gap=gap, index=levels[0] / levels[1])


def _overlap(one: Box, other: Box) -> bool:
    return all(one[side] < other[side + 2] and other[side] < one[side + 2] for side in (0, 1))
