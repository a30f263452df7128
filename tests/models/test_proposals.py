"""From a map of masses to boxes."""

from __future__ import annotations

import numpy as np
import pytest

from models.lesion.proposals import MARGIN, MOST, SMALLEST, Proposals, over_image, propose

SHAPE = (200, 300)
TISSUE = np.ones(SHAPE, bool)
EVEN = np.ones(SHAPE, np.float32)


def of_blocks(*blocks: tuple[int, int, int, int, float]) -> np.ndarray:
    """A map with a value in each x0, y0, x1, y1 (half open)."""
    mass = np.zeros(SHAPE, np.float32)
    for x0, y0, x1, y1, value in blocks:
        mass[y0:y1, x0:x1] = value
    return mass


def proposals(mass: np.ndarray, tissue: np.ndarray = TISSUE, attention: np.ndarray = EVEN):
    return propose(mass, tissue, attention, 0.5)


def test_a_part_is_a_box_with_a_little_room_around_it() -> None:
    (one,) = proposals(of_blocks((100, 50, 140, 70, 0.75))).kept
    assert one.box == pytest.approx(
        (100 - 40 * MARGIN, 50 - 20 * MARGIN, 139 + 40 * MARGIN, 69 + 20 * MARGIN)
    )
    assert one.mass == pytest.approx(0.75)


def test_a_box_stays_in_the_image() -> None:
    (one,) = proposals(of_blocks((0, 0, 300, 200, 0.9))).kept
    assert one.box == (0, 0, 299, 199)


def test_what_the_detector_attended_to_comes_first() -> None:
    """Not what the map is surest of."""
    mass = of_blocks((10, 10, 40, 40, 0.9), (200, 100, 230, 130, 0.6))
    attention = np.full(SHAPE, 0.2, np.float32)
    attention[:, 150:] = 0.8
    first, second = proposals(mass, attention=attention).kept
    assert (first.mass, second.mass) == (pytest.approx(0.6), pytest.approx(0.9))
    assert first.attended == pytest.approx(0.48)


def test_parts_that_touch_at_a_corner_are_one() -> None:
    assert len(proposals(of_blocks((10, 10, 30, 30, 0.9), (30, 30, 50, 50, 0.9))).kept) == 1


def test_beyond_the_tissue_there_is_no_lesion() -> None:
    tissue = TISSUE.copy()
    tissue[:, :150] = False
    mass = of_blocks((10, 10, 60, 60, 0.95), (200, 100, 230, 130, 0.6))
    found = proposals(mass, tissue)
    assert [one.mass for one in found.kept] == [pytest.approx(0.6)]
    assert found.highest == pytest.approx(0.6)


def test_specks_are_counted_and_not_followed() -> None:
    side = int((SMALLEST * TISSUE.sum()) ** 0.5)  # just below the limit
    found = proposals(of_blocks((10, 10, 10 + side, 10 + side, 0.9), (100, 50, 140, 70, 0.9)))
    assert (len(found.kept), found.small) == (1, 1)


def test_of_a_map_in_many_parts_the_best_are_followed_and_the_others_counted() -> None:
    blocks = [(20 * n, 20, 20 * n + 15, 40, 0.5 + n / 100) for n in range(MOST + 3)]
    found = proposals(of_blocks(*blocks))
    assert [one.mass for one in found.kept] == pytest.approx(
        [0.5 + n / 100 for n in range(MOST + 2, 2, -1)]
    )
    assert found.further == 3


@pytest.mark.parametrize("value", [0.49, np.nan])
def test_a_map_below_the_threshold_or_without_numbers_has_no_part(value: float) -> None:
    found = proposals(of_blocks((0, 0, 300, 200, value)))
    assert (found.kept, found.small, found.further) == ((), 0, 0)


def test_without_tissue_there_is_nothing() -> None:
    found = proposals(of_blocks((0, 0, 300, 200, 0.9)), np.zeros(SHAPE, bool))
    assert found == Proposals((), 0, 0, 0.0)


def test_each_pixel_has_the_value_of_its_cell() -> None:
    cells = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    whole = over_image(cells, (2, 1, 7, 5), (6, 8))
    assert whole[1:5, 2:7].tolist() == pytest.approx(
        np.array([[0.1] * 3 + [0.2] * 2] * 2 + [[0.3] * 3 + [0.4] * 2] * 2)
    )
    whole[1:5, 2:7] = 0
    assert not whole.any()
