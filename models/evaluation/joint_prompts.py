"""Simulated users: clicks and boxes by the rules of Ryu et al. 2021 (paper 4)."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from models.lesion.clicks import Box, Point

MOST_FOREGROUND = 5
MOST_BACKGROUND = 10
NEAR, FAR = 5.0, 40.0
"""Pixels between the lesion and background clicks: the paper says 'a certain distance range', and
these are the margins of Xu et al. 2016, whom it follows."""

JITTER = 0.1
"""How far a user's corner lies off at most, in sides of the tight box: the paper's 'certain degree'
of error, whose size it does not give."""

ENLARGED = 1.1
"""The box is then 'enlarged a little': each side moves out by 5 % of the box."""


def foreground_clicks(
    mask: npt.NDArray[np.bool_], count: int, generator: np.random.Generator
) -> tuple[Point, ...]:
    """``count`` pixels x, y drawn from a lesion's mask (H, W), all of it equally likely."""
    return _draw(np.flatnonzero(mask), mask.shape[1], count, generator)


def background_clicks(
    mask: npt.NDArray[np.bool_], count: int, generator: np.random.Generator
) -> tuple[Point, ...]:
    """``count`` pixels x, y outside of a lesion's mask (H, W), ``NEAR`` to ``FAR`` pixels off;
    fewer where there are none."""
    distance = distance_transform_edt(~mask)
    return _draw(
        np.flatnonzero((distance >= NEAR) & (distance <= FAR)), mask.shape[1], count, generator
    )


def click_sequence(
    mask: npt.NDArray[np.bool_], generator: np.random.Generator
) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """1 to 5 foreground and 0 to 10 background clicks (paper 4), in pixels of the mask."""
    return (
        foreground_clicks(mask, int(generator.integers(1, MOST_FOREGROUND + 1)), generator),
        background_clicks(mask, int(generator.integers(0, MOST_BACKGROUND + 1)), generator),
    )


def jittered_box(
    box: Box, generator: np.random.Generator, jitter: float = JITTER, enlarged: float = ENLARGED
) -> Box:
    """A user's box around a tight one: both corners moved by up to ``jitter`` sides, uniformly and
    each coordinate apart, then the box ``enlarged`` about its centre."""
    x0, y0, x1, y1 = box
    across, down = x1 - x0, y1 - y0
    move = generator.uniform(-jitter, jitter, 4)
    x0, x1 = x0 + move[0] * across, x1 + move[1] * across
    y0, y1 = y0 + move[2] * down, y1 + move[3] * down
    more_x, more_y = (x1 - x0) * (enlarged - 1) / 2, (y1 - y0) * (enlarged - 1) / 2
    return (x0 - more_x, y0 - more_y, x1 + more_x, y1 + more_y)


def _draw(
    allowed: npt.NDArray[np.intp], width: int, count: int, generator: np.random.Generator
) -> tuple[Point, ...]:
    if not len(allowed):
        return ()
    picked = generator.choice(allowed, size=min(count, len(allowed)), replace=False)
    return tuple((float(index % width), float(index // width)) for index in picked)
