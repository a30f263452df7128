"""Masks as polygons."""

from typing import cast

import numpy as np
import numpy.typing as npt
from contourpy import LineType, contour_generator
from scipy import ndimage

from models.images.outlines import filled, mask_box

Polygon = tuple[tuple[float, float], ...]


def mask_outline(mask: npt.NDArray[np.bool_], tolerance: float = 1.5) -> Polygon | None:
    """The outer outline of a mask's largest connected part as corners x, y; None without one.

    mask : (H, W). tolerance : pixels that the polygon may lie off the mask's edge (Douglas and
    Peucker 1973). Whole numbers are the middles of pixels, one digit is kept after the point.
    Parts of under nine pixels are none.
    """
    if not mask.any():
        return None
    x0, y0, x1, y1 = (int(edge) for edge in mask_box(mask))
    parts, _ = ndimage.label(mask[y0 : y1 + 1, x0 : x1 + 1])
    sizes = np.bincount(parts.ravel())[1:]
    if sizes.max() < 9:
        return None
    whole = filled(parts == 1 + int(sizes.argmax()))
    # A border of nothing closes every contour, and the level makes it run on the outermost pixels.
    padded = np.pad(whole.astype(float), 1)
    generator = contour_generator(z=padded, line_type=LineType.Separate)
    lines = cast(list[npt.NDArray[np.float64]], generator.lines(0.5))
    line = max(lines, key=len) + np.array((x0 - 1.0, y0 - 1.0))
    far = int(np.argmax(((line - line[0]) ** 2).sum(axis=1)))
    kept = [*_simplified(line[: far + 1], tolerance)[:-1], *_simplified(line[far:], tolerance)[:-1]]
    height, width = mask.shape
    corners = np.clip(np.asarray(kept), 0.0, (width - 1.0, height - 1.0)).round(1)
    return tuple((float(x), float(y)) for x, y in corners) if len(corners) >= 3 else None


def _simplified(line: npt.NDArray[np.float64], tolerance: float) -> list[npt.NDArray[np.float64]]:
    """The points that keep a line within the tolerance, its ends always among them."""
    if len(line) < 3:
        return list(line)
    start, chord = line[0], line[-1] - line[0]
    away = line[1:-1] - start
    off = np.abs(chord[0] * away[:, 1] - chord[1] * away[:, 0]) / max(np.hypot(*chord), 1e-9)
    split = 1 + int(off.argmax())
    if off[split - 1] <= tolerance:
        return [line[0], line[-1]]
    return [*_simplified(line[: split + 1], tolerance)[:-1], *_simplified(line[split:], tolerance)]
