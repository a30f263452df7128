"""One lesion in one image, as the systems that read regions of interest take it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]
Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Region:
    """image : (H, W) uint8 echo level. box : x0, y0, x1, y1 of the lesion in its pixels. liver,
    fan : outlines, where they are known. others : boxes of further lesions in the image."""

    image: npt.NDArray[np.uint8]
    box: Box
    liver: Outline | None = None
    fan: Outline | None = None
    others: tuple[Box, ...] = ()
