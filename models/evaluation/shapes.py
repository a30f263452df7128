"""Simple shapes, the rivals of an outline: they are drawn without a look at the image."""

import numpy as np

from models.data import Box
from models.images.overlap import Mask


def ellipse_mask(box: Box, shape: tuple[int, int]) -> Mask:
    """(H, W): the ellipse drawn in a box x0, y0, x1, y1."""
    x0, y0, x1, y1 = box
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    across = (columns - (x0 + x1) / 2) / max((x1 - x0) / 2, 0.5)
    down = (rows - (y0 + y1) / 2) / max((y1 - y0) / 2, 0.5)
    return np.asarray(across**2 + down**2 <= 1.0)


def disc_mask(centre: tuple[float, float], radius: float, shape: tuple[int, int]) -> Mask:
    """(H, W): a disc of a radius in pixels around x, y."""
    x, y = centre
    return ellipse_mask((x - radius, y - radius, x + radius, y + radius), shape)
