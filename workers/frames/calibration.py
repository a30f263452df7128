"""Millimetres per pixel of an ultrasound region, where they can be believed."""

from __future__ import annotations

from workers.findings import Spacing
from workers.frames.regions import CENTIMETRE, Candidate

_ANISOTROPY = 0.05
_PLAUSIBLE_MM = (0.01, 2.0)
"""From 1 cm over a thousand pixels to 40 cm over two hundred."""


def spacing(candidate: Candidate) -> tuple[Spacing | None, str]:
    """Spacing of the region, or None and why there is none.

    Physical Delta X and Y (0018,602C), (0018,602E) in cm per pixel; PS3.3 C.8.5.5.1.15 to .17.
    Pixel Spacing is not looked at: ultrasound gives it no meaning for the region.
    """
    region = candidate.region
    if region is None:
        return None, candidate.note
    if region.units != (CENTIMETRE, CENTIMETRE):
        return None, "the units of the ultrasound region are not centimetres"
    column, row = abs(region.delta_x) * 10, abs(region.delta_y) * 10
    low, high = _PLAUSIBLE_MM
    if not (low <= column <= high and low <= row <= high):
        return None, f"{column:g} x {row:g} mm per pixel is not plausible"
    if abs(column - row) > _ANISOTROPY * max(column, row):
        return None, f"X and Y disagree: {column:g} and {row:g} mm per pixel"
    return Spacing(row=row, column=column), ""
