"""The connected parts of a mask."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_CORNERS_TOO = np.ones((3, 3), bool)

Place = tuple[slice, slice]


def connected_parts(
    mask: npt.NDArray[np.bool_], *, corners: bool
) -> Iterator[tuple[Place, npt.NDArray[np.bool_]]]:
    """Of each part of a mask (H, W), the rows and columns in which it lies and which pixels there
    are its own. corners : pixels that touch at a corner are of one part; else at an edge only."""
    labelled, _ = ndimage.label(mask, _CORNERS_TOO if corners else None)
    for number, place in enumerate(ndimage.find_objects(labelled), start=1):
        yield place, labelled[place] == number
