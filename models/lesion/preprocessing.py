"""From a frame to the detector's input, the same in training and at inference."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.images import Window, content_window, crop, echo_scale, resize

SIZE = (240, 345)
"""Height and width of the network's input (paper 1; the other is ``LARGE``)."""

LARGE = (480, 690)


@dataclass(frozen=True)
class PreparedImage:
    """grey : (H, W) float32 levels 0..255, echo-normalised; window : the fan crop it shows."""

    grey: npt.NDArray[np.float32]
    window: Window


def prepare(image: npt.NDArray[np.uint8], size: tuple[int, int] = SIZE) -> PreparedImage:
    """Crop to the fan, resize to (height, width), and normalise the echo level (eq. 1).

    The factor of eq. (1) comes from the crop at full resolution; it is applied after resizing,
    which is the same up to the clipping at 255 and much cheaper.
    """
    window = content_window(image)
    inside = crop(image, window)
    small = resize(inside, size).astype(np.float32) * np.float32(echo_scale(inside))
    return PreparedImage(np.minimum(small, np.float32(255.0)), window)
