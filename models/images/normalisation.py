"""Echo normalisation of Schmauch et al. 2019, eq. (1)."""

import numpy as np
import numpy.typing as npt

TARGET_LEVEL = 70.0
"""The common intensity peak of the abdominal wall, in grey levels (paper 1)."""

BLACK = 4
"""Levels up to this count as black: JPEG leaves noise of a few levels around the fan."""

_TOP = 0.2


def echo_scale(image: npt.NDArray[np.uint8]) -> float:
    """The factor 70 / m of eq. (1); m is the median of the top fifth's pixels that are not black.

    image : (H, W) uint8, cropped to the fan. Where the top fifth is all black, m comes from the
    whole image; where that is all black too, the factor is 1.
    """
    top = image[: max(1, round(_TOP * image.shape[0]))]
    for region in (top, image):
        visible = region[region > BLACK]
        if visible.size:
            return TARGET_LEVEL / float(np.median(visible))
    return 1.0


def normalise_echo(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Eq. (1) applied to every pixel: (H, W) float32, clipped to 0..255."""
    scaled = image.astype(np.float32) * np.float32(echo_scale(image))
    return np.asarray(np.minimum(scaled, 255.0), dtype=np.float32)
