"""Outlines as masks, and what is asked of masks."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage


def outline_mask(
    outlines: Sequence[Sequence[tuple[float, float]]], shape: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """(H, W), true inside any of the polygons and on their lines.

    outlines : corners x, y; whole numbers are the middles of pixels. shape : H, W.
    """
    picture = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(picture)
    for outline in outlines:
        draw.polygon([(x, y) for x, y in outline], fill=1, outline=1)
    return np.asarray(picture, dtype=bool)


def mask_box(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1: the middles of the outermost pixels of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1]))


def filled(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(H, W): the mask with its holes, which are what no path leads out of past its pixels."""
    if not mask.any():
        return mask
    x0, y0, x1, y1 = (int(edge) for edge in mask_box(mask))
    part = (slice(y0, y1 + 1), slice(x0, x1 + 1))
    empty, _ = ndimage.label(np.pad(~mask[part], 1, constant_values=True))
    whole = np.zeros_like(mask)
    whole[part] = (empty != empty[0, 0])[1:-1, 1:-1]
    return whole
