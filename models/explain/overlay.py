"""A map drawn over its image, for people who look at an evaluation."""

import numpy as np
import numpy.typing as npt
from PIL import Image

COLOUR = (255, 96, 0)
STRENGTH = 0.6


def overlay(image: npt.NDArray[np.uint8], cells: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """(H, 2 W, 3): the image, and beside it the same tinted where a map is high.

    image : (H, W) uint8. cells : (h, w) 0..1 over the whole image.
    """
    size = (image.shape[1], image.shape[0])
    smooth = Image.fromarray(cells.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    share = STRENGTH * np.clip(np.asarray(smooth), 0.0, 1.0)[:, :, None]
    grey = np.repeat(image[:, :, None], 3, axis=2)
    tinted = (1 - share) * grey + share * np.array(COLOUR)
    return np.concatenate([grey, np.round(tinted).astype(np.uint8)], axis=1)
