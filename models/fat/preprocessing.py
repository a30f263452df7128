"""From a frame to the estimator's input, the same in fitting and at inference (paper 5)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.images import Window, content_window, crop, resize

SIZE = (224, 224)
"""Height and width of the network's input (paper 5)."""


@dataclass(frozen=True)
class PreparedFrame:
    """grey : (224, 224) uint8, bicubic; window : the fan crop it shows."""

    grey: npt.NDArray[np.uint8]
    window: Window


def prepare(image: npt.NDArray[np.uint8]) -> PreparedFrame:
    """Crop to the fan, without borders and annotations, and resize; the echo level is kept, for
    brightness is part of what fat does."""
    window = content_window(image)
    return PreparedFrame(resize(crop(image, window), SIZE, method="bicubic"), window)
