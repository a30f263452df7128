"""From a coarse attention map to the polygon of the region that the model attended to."""

from __future__ import annotations

from typing import cast

import numpy as np
from contourpy import LineType, contour_generator
from numpy.typing import NDArray

from workers.findings import Point

_LEVEL = 0.5  # of the map's maximum


def attended_region(
    attention: NDArray[np.float32], window: tuple[int, int, int, int]
) -> tuple[Point, ...]:
    """The closed contour, at half the maximum, around the strongest cell.

    attention : (h, w), 0..1, one value per cell of the window
    window : x0, y0, x1, y1 in source pixels; the polygon stays inside it

    Empty for a map without a maximum above zero.
    """
    height, width = attention.shape
    peak = float(attention.max())
    if not peak > 0:
        return ()
    x0, y0, x1, y1 = window
    # Cells hold their value at their centre; a border of zeros closes every contour.
    padded = np.pad(attention.astype(float), 1)
    x = x0 + (np.arange(-1, width + 1) + 0.5) * (x1 - x0) / width
    y = y0 + (np.arange(-1, height + 1) + 0.5) * (y1 - y0) / height
    row, column = np.unravel_index(int(attention.argmax()), attention.shape)
    centre = (float(x[column + 1]), float(y[row + 1]))
    contours = contour_generator(x, y, padded, line_type=LineType.Separate)
    for line in cast(list[NDArray[np.float64]], contours.lines(_LEVEL * peak)):
        if _encloses(line, centre):
            clipped = np.clip(line, (x0, y0), (x1 - 1, y1 - 1))
            return tuple((round(float(px), 1), round(float(py), 1)) for px, py in clipped)
    return ()


def _encloses(polygon: NDArray[np.float64], point: Point) -> bool:
    """Even-odd rule; ``polygon`` is (N, 2) and closed."""
    x, y = point
    (ax, ay), (bx, by) = polygon[:-1].T, polygon[1:].T
    crosses = (ay > y) != (by > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = ax + (y - ay) * (bx - ax) / (by - ay)
    return bool(np.count_nonzero(crosses & (at > x)) % 2)
