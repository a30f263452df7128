"""What the pixels of a region say: colour overlay, darkness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

LIT = 24
"""Echo levels above this can be seen on a screen."""

_WORK = 256
_BINS = 16
_DEVIATION = 40
_COMMON = 0.05


def colour_overlay(rgb: NDArray[np.uint8]) -> float:
    """The share of the lit pixels that a colour Doppler box or another colour map covers.

    rgb : (H, W, 3) uint8, a B-mode region

    A tinted B-mode has one colour per echo level, so a pixel counts as overlay by its distance
    from the colour of its level, not by its saturation. An opening drops what is thin: calipers,
    text, ECG trace and the outline of an empty box.
    """
    step = max(1, -(-max(rgb.shape[:2]) // _WORK))
    small = np.asarray(Image.fromarray(rgb).reduce(step)).astype(np.float32)
    level = small.max(axis=2)
    chroma = np.stack([small[..., 0] - small[..., 1], small[..., 2] - small[..., 1]], axis=-1)
    lit = level > LIT
    deviating = lit & (np.linalg.norm(chroma, axis=-1) > _DEVIATION)
    if not deviating.any():
        return 0.0
    constant, scaled = _tint(level, chroma, lit)
    for tint in (constant, scaled):
        deviating &= np.linalg.norm(chroma - tint, axis=-1) > _DEVIATION
    overlay = ndimage.binary_opening(deviating, np.ones((3, 3), bool))
    return float(overlay.sum() / lit.sum())


def _tint(
    level: NDArray[np.float32], chroma: NDArray[np.float32], lit: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The chroma that the image's own tint has at each pixel's level.

    Medians of the levels that many pixels have; rare levels, which a Doppler box may own, take
    the nearest of them, once as it is and once in proportion to the level.
    """
    width = 256 // _BINS
    bins = (level // width).astype(np.intp)
    common = np.flatnonzero(np.bincount(bins[lit], minlength=_BINS) >= _COMMON * lit.sum())
    medians = np.array([np.median(chroma[lit & (bins == index)], axis=0) for index in common])
    centres = (common + 0.5) * width
    constant = np.stack([np.interp(level, centres, medians[:, axis]) for axis in (0, 1)], axis=-1)
    ratio = level / np.clip(level, centres[0], centres[-1])
    return constant.astype(np.float32), (constant * ratio[..., None]).astype(np.float32)


def lit_share(grey: NDArray[np.uint8]) -> float:
    """The share of pixels with a visible echo."""
    return float((grey > LIT).mean())
