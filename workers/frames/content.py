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


def colour_overlay(rgb: NDArray[np.uint8]) -> float:
    """The share of the lit pixels that a colour Doppler box or another colour map covers.

    rgb : (H, W, 3) uint8, a B-mode region

    A tinted B-mode has one colour per echo level, so a pixel counts as overlay by its distance
    from the median colour of its level, not by its saturation. An opening drops what is thin:
    calipers, text, ECG trace and the outline of an empty box.
    """
    step = max(1, -(-max(rgb.shape[:2]) // _WORK))
    small = np.asarray(Image.fromarray(rgb).reduce(step)).astype(np.int16)
    level = small.max(axis=2)
    chroma = np.stack([small[..., 0] - small[..., 1], small[..., 2] - small[..., 1]], axis=-1)
    if not np.abs(chroma).max() > _DEVIATION:
        return 0.0
    lit = level > LIT
    bins = level // (256 // _BINS)
    tint = np.zeros((_BINS, 2), np.float32)
    for index in np.unique(bins[lit]):
        tint[index] = np.median(chroma[lit & (bins == index)], axis=0)
    deviating = lit & (np.linalg.norm(chroma - tint[bins], axis=-1) > _DEVIATION)
    overlay = ndimage.binary_opening(deviating, np.ones((3, 3), bool))
    return float(overlay.sum() / max(1, lit.sum()))


def lit_share(grey: NDArray[np.uint8]) -> float:
    """The share of pixels with a visible echo."""
    return float((grey > LIT).mean())
