"""Both diameters of an outline."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workers.analysis.diameters import diameters
from workers.findings import Point, Spacing


def ellipse(long: float, short: float, turn: float) -> list[Point]:
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    x, y = long / 2 * np.cos(angles), short / 2 * np.sin(angles)
    cos, sin = math.cos(turn), math.sin(turn)
    return [(float(a * cos - b * sin), float(a * sin + b * cos)) for a, b in zip(x, y, strict=True)]


@pytest.mark.parametrize("turn", [0.0, 0.4, 1.2, math.pi / 2, 2.9])
def test_an_ellipse_has_its_two_axes_however_it_lies(turn: float) -> None:
    found = diameters(ellipse(80, 50, turn), Spacing(row=0.5, column=0.5))
    assert found.long_mm == pytest.approx(40, rel=0.002)
    assert found.short_mm == pytest.approx(25, rel=0.002)
    for axis, length in ((found.long_axis, 80), (found.short_axis, 50)):
        assert math.dist(*axis) == pytest.approx(length, rel=0.005)
    (a, b), (c, d) = found.long_axis, found.short_axis
    along, across = np.subtract(b, a), np.subtract(d, c)
    assert abs(float(along @ across)) < 0.01 * 80 * 50


def test_pixels_that_are_not_square_are_measured_in_millimetres() -> None:
    corners = [(0.0, 0.0), (30.0, 0.0), (30.0, 40.0), (0.0, 40.0)]
    found = diameters(corners, Spacing(row=0.5, column=1.0))
    assert found.long_mm == pytest.approx(math.hypot(30, 20))
    assert found.short_mm == pytest.approx(20 / 30 * math.hypot(30, 20))  # from corner to side


def test_without_a_calibration_there_are_no_millimetres() -> None:
    found = diameters(ellipse(80, 50, 0.3), None)
    assert (found.long_mm, found.short_mm) == (None, None)
    assert math.dist(*found.long_axis) == pytest.approx(80, rel=0.005)


def test_the_short_axis_stays_inside_a_hollow_outline() -> None:
    """A crescent is thinner than the room that it takes."""
    outer = [(100 * math.cos(a), 100 * math.sin(a)) for a in np.linspace(0, math.pi, 60)]
    inner = [(80 * math.cos(a), 80 * math.sin(a)) for a in np.linspace(math.pi, 0, 60)]
    found = diameters([*outer, *inner], Spacing(row=1.0, column=1.0))
    assert found.long_mm == pytest.approx(200, rel=0.01)
    assert found.short_mm == pytest.approx(60, rel=0.03)  # 80 beside the hollow's edge: hypot
