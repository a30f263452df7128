"""The polygon around what a model attended to, from maps made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray

from workers.analysis.outline import attended_region

WINDOW = (100, 50, 430, 290)  # 11 x 8 cells of 30 pixels


def spots(*cells: tuple[int, int, float]) -> NDArray[np.float32]:
    """(8, 11) cells at 0.01 but for (row, column, value)."""
    made = np.full((8, 11), 0.01, np.float32)
    for row, column, value in cells:
        made[row, column] = value
    return made


def centre(row: int, column: int) -> tuple[float, float]:
    return WINDOW[0] + 30 * (column + 0.5), WINDOW[1] + 30 * (row + 0.5)


def test_the_polygon_is_closed_and_encloses_the_peak() -> None:
    outline = attended_region(spots((3, 4, 0.9)), WINDOW)
    assert outline[0] == outline[-1]
    assert Polygon(outline).contains_point(centre(3, 4))
    assert not Polygon(outline).contains_point(centre(3, 6))


def test_its_edge_lies_at_half_the_maximum() -> None:
    outline = np.array(attended_region(spots((3, 4, 0.8), (3, 5, 0.6)), WINDOW))
    x, _ = centre(3, 5)
    # To the right of the second cell the map falls from 0.6 to 0.01 over 30 pixels.
    assert outline[:, 0].max() == pytest.approx(x + 30 * (0.6 - 0.4) / (0.6 - 0.01), abs=0.1)


def test_only_the_strongest_of_two_regions_is_outlined() -> None:
    outline = attended_region(spots((1, 1, 0.8), (6, 9, 0.9)), WINDOW)
    assert Polygon(outline).contains_point(centre(6, 9))
    assert not Polygon(outline).contains_point(centre(1, 1))


@pytest.mark.parametrize("corner", [(0, 0), (0, 10), (7, 0), (7, 10)])
def test_a_peak_in_a_corner_is_closed_inside_the_window(corner: tuple[int, int]) -> None:
    outline = np.array(attended_region(spots((*corner, 0.9)), WINDOW))
    assert Polygon(outline).contains_point(centre(*corner))
    assert_inside(outline)


def test_a_map_that_is_the_same_everywhere_outlines_the_window() -> None:
    outline = np.array(attended_region(np.full((8, 11), 0.3, np.float32), WINDOW))
    assert_inside(outline)
    assert np.ptp(outline[:, 0]) > 300
    assert np.ptp(outline[:, 1]) > 210


def test_a_map_without_attention_has_no_outline() -> None:
    assert attended_region(np.zeros((8, 11), np.float32), WINDOW) == ()


@settings(deadline=None, max_examples=60)
@given(arrays(np.float32, (8, 11), elements=st.floats(0, 1, width=32)))
def test_any_map_with_a_maximum_has_a_closed_polygon_inside_the_window(
    attention: NDArray[np.float32],
) -> None:
    outline = attended_region(attention, WINDOW)
    if not attention.max() > 0:
        assert outline == ()
        return
    assert len(outline) >= 4
    assert outline[0] == outline[-1]
    assert_inside(np.array(outline))


def assert_inside(outline: NDArray[np.float64]) -> None:
    x0, y0, x1, y1 = WINDOW
    assert (outline >= (x0, y0)).all()
    assert (outline <= (x1 - 1, y1 - 1)).all()
