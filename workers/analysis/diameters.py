"""The longest diameter of an outline and the longest one perpendicular to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.findings import Diameters, Point, Spacing


def diameters(outline: Sequence[Point], spacing: Spacing | None) -> Diameters:
    """Both diameters, as they are measured for RECIST and WHO: in millimetres where calibrated.

    outline : at least three corners, pixels. The short axis lies within the outline.
    """
    scale = np.array([spacing.column, spacing.row] if spacing else [1.0, 1.0])
    corners = np.asarray(outline, dtype=float) * scale
    apart = np.linalg.norm(corners[:, None] - corners[None], axis=-1)
    start, end = np.unravel_index(int(apart.argmax()), apart.shape)
    length = float(apart[start, end])
    along = (corners[end] - corners[start]) / max(length, 1e-9)
    across = np.array([-along[1], along[0]])
    at, low, high = _longest_chord(corners @ along, corners @ across, length)
    short = [at * along + side * across for side in (low, high)]
    return Diameters(
        long_axis=(_point(corners[start] / scale), _point(corners[end] / scale)),
        short_axis=(_point(short[0] / scale), _point(short[1] / scale)),
        long_mm=length if spacing else None,
        short_mm=high - low if spacing else None,
    )


def _longest_chord(
    t: NDArray[np.float64], s: NDArray[np.float64], length: float
) -> tuple[float, float, float]:
    """Where along t, from and to where along s, the polygon's longest chord of constant t runs.

    Between two corners a chord's length is linear in t, so the longest one is at a corner: just
    before or behind it, for the corner itself lies on two edges.
    """
    best = (float(t[0]), float(s[0]), float(s[0]))
    next_t, next_s = np.roll(t, -1), np.roll(s, -1)
    step = 1e-6 * length
    for at in np.concatenate([t - step, t + step]):
        crosses = (t > at) != (next_t > at)
        share = (at - t[crosses]) / (next_t[crosses] - t[crosses])
        met = np.sort(s[crosses] + share * (next_s[crosses] - s[crosses]))
        for low, high in zip(met[::2], met[1::2], strict=True):
            if high - low > best[2] - best[1]:
                best = (float(at), float(low), float(high))
    return best


def _point(values: NDArray[np.float64]) -> Point:
    return (round(float(values[0]), 1), round(float(values[1]), 1))
