"""The hepatorenal index of two squares: placed, measured and refused as the curve was fitted."""

import csv
import re
from collections import Counter

import numpy as np
import pytest

from models.data import Case, Grey, read_picture
from models.fat.squares import OF_HEIGHT, SIDE, Unfit, read_squares, square_at
from tests.peers import shared

LIVER, KIDNEY = (100.0, 200.0), (300.0, 220.0)


def frame(liver: int = 120, kidney: int = 80, height: int = OF_HEIGHT) -> Grey:
    """One level left of x = 200, another right of it."""
    image = np.full((height, 636), liver, np.uint8)
    image[:, 200:] = kidney
    return image


def test_the_index_is_the_mean_of_one_square_over_that_of_the_other() -> None:
    image = frame()
    image[206:220, 286:314] = 160  # the upper half of the kidney's square: 80 and 160
    reading = read_squares(image, LIVER, KIDNEY)
    assert reading.liver == (86, 186, 114, 214)
    assert reading.kidney == (286, 206, 314, 234)
    assert reading.levels == (120, 120)
    assert reading.index == pytest.approx(1.0)
    assert reading.depth_gap == pytest.approx(20 / OF_HEIGHT)
    assert reading.reason is None
    assert read_squares(frame(), LIVER, KIDNEY).index == pytest.approx(1.5)


def test_a_square_is_as_large_a_share_of_the_height_as_those_fitted_on() -> None:
    for height in (217, 434, 868):
        x0, y0, x1, y1 = square_at((300, 100), height)
        assert x1 - x0 == y1 - y0 == SIDE * height // OF_HEIGHT
        assert (x0 + x1) / 2 == pytest.approx(300, abs=1)
        assert (y0 + y1) / 2 == pytest.approx(100, abs=1)


def test_every_pixel_counts_though_the_depths_differ() -> None:
    """The fit took each patch whole; read_index would trim these to the depths in common."""
    image = np.repeat(np.arange(OF_HEIGHT, dtype=np.uint8)[:, None] // 2 + 20, 636, axis=1)
    reading = read_squares(image, (100.0, 200.0), (300.0, 214.0))
    liver, kidney = (image[row : row + 28].mean() for row in (186, 200))
    assert reading.index == pytest.approx(liver / kidney)


@pytest.mark.parametrize(
    ("image", "liver", "kidney", "reason", "organ"),
    [
        (frame(), (13.0, 200.0), KIDNEY, Unfit.OUTSIDE, "liver"),
        (frame(), LIVER, (300.0, 421.0), Unfit.OUTSIDE, "kidney"),
        (frame(), LIVER, (127.0, 227.0), Unfit.OVERLAP, ""),
        (frame(), LIVER, (300.0, 287.0), Unfit.APART, ""),
        (frame(liver=5), LIVER, KIDNEY, Unfit.DARK, "liver"),
        (frame(kidney=7), LIVER, KIDNEY, Unfit.DARK, "kidney"),
        (frame(liver=255), LIVER, KIDNEY, Unfit.SATURATED, "liver"),
        (frame(height=100), (50.0, 50.0), (300.0, 50.0), Unfit.SMALL, ""),
    ],
)
def test_squares_that_cannot_be_judged_say_why(
    image: Grey, liver: tuple[float, float], kidney: tuple[float, float], reason: Unfit, organ: str
) -> None:
    reading = read_squares(image, liver, kidney)
    assert (reading.index, reading.reason, reading.organ) == (None, reason, organ)


def test_squares_may_touch_and_lie_on_the_border() -> None:
    assert read_squares(frame(), (14.0, 200.0), KIDNEY).index is not None
    assert read_squares(frame(), LIVER, (128.0, 200.0)).index == pytest.approx(1.0)
    assert read_squares(frame(), LIVER, (300.0, 286.0)).index is not None


def test_a_square_that_reaches_beyond_the_fan_is_no_tissue() -> None:
    image = frame()
    image[186:189, 86:114] = 0  # 3 of 28 rows
    assert read_squares(image, LIVER, KIDNEY).reason is Unfit.DARK
    image[188] = 120
    assert read_squares(image, LIVER, KIDNEY).reason is None


def test_real_squares_have_the_index_that_the_curve_was_fitted_on() -> None:
    """The seven frames of ``byra-ten`` that are the first of a patient of ``byra-rois``.

    The positions there are those of the upper left corners: with them as middles none agrees.
    """
    data = shared() / "data"
    with (data / "byra-rois" / "frames.csv").open() as lines:
        rows = {row["patient"]: row for row in csv.DictReader(lines) if row["frame"] == "1"}
    off: Counter[str] = Counter()
    for path in sorted((data / "byra-ten").glob("*.jpg")):
        number = re.findall(r"\d+", path.name)[0]
        if number not in rows:
            continue
        image, row = read_picture(Case(id=number, patient=number, image=path)), rows[number]
        for name, shift in (("corner", 14), ("middle", 0)):
            liver, kidney = (
                (float(row[f"{organ}_x"]) + shift, float(row[f"{organ}_y"]) + shift)
                for organ in ("liver", "kidney")
            )
            reading = read_squares(image, liver, kidney)
            assert reading.index is not None
            off[name] += abs(reading.index - float(row["hepatorenal_index"])) > 0.003
            off["frames"] += name == "corner"
    assert (off["frames"], off["corner"]) == (7, 0)
    assert off["middle"] >= 6
