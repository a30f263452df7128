"""A nomogram adds up to the logistic regression that it draws."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from models.evaluation.nomogram import Nomogram, Scale
from models.evaluation.plots import plots

NO_YES = ((0.0, "no"), (1.0, "yes"))
LIVER = Nomogram(
    "malignancy",
    -5.0,
    (
        Scale("age", 0.05, 20, 100, ((20, "20"), (60, "60"), (100, "100"))),
        Scale("hepatitis", 2.0, 0, 1, NO_YES),
        Scale("clear halo", -1.0, 0, 1, NO_YES),
    ),
    "Calibrated at equal prior.",
)


def test_the_factor_of_the_widest_span_has_100_points() -> None:
    """Age spans 0.05 * 80 = 4 in log odds: one point is 0.04."""
    assert LIVER.points("age", 100) == pytest.approx(100)
    assert LIVER.points("age", 20) == pytest.approx(0)
    assert LIVER.points("hepatitis", 1) == pytest.approx(50)
    assert LIVER.points("hepatitis", 0) == pytest.approx(0)


def test_a_factor_that_speaks_against_gives_its_points_when_it_is_absent() -> None:
    assert LIVER.points("clear halo", 0) == pytest.approx(25)
    assert LIVER.points("clear halo", 1) == pytest.approx(0)
    assert LIVER.total == pytest.approx(175)


@pytest.mark.parametrize(("age", "hepatitis", "halo"), [(35, 0, 1), (60, 1, 0), (87, 1, 1)])
def test_points_add_up_to_the_regressions_probability(age: int, hepatitis: int, halo: int) -> None:
    total = (
        LIVER.points("age", age)
        + LIVER.points("hepatitis", hepatitis)
        + LIVER.points("clear halo", halo)
    )
    odds = -5.0 + 0.05 * age + 2.0 * hepatitis - 1.0 * halo
    expected = 1 / (1 + math.exp(-odds))
    assert LIVER.probability(total) == pytest.approx(expected)
    assert LIVER.total_at(expected) == pytest.approx(total)


def test_a_nomogram_needs_a_factor_that_moves_the_outcome() -> None:
    with pytest.raises(ValueError, match="needs a factor"):
        Nomogram("malignancy", 0.0, (Scale("age", 0.0, 20, 100, ()),))


def test_the_drawing_has_a_ruler_for_each_factor_and_its_picture_has_ink() -> None:
    (plot,) = plots(LIVER)
    assert plot.figure is not None
    texts = [text.get_text() for text in plot.figure.axes[0].texts]
    for name in ("points", "age", "hepatitis", "clear halo", "total points", "yes", "60"):
        assert name in texts
    assert any("probability of" in text and "malignancy" in text for text in texts)
    file = io.BytesIO()
    plot.figure.savefig(file)
    pixels = np.asarray(Image.open(file).convert("L"))
    assert (pixels < 128).mean() > 0.002


def test_rulers_stand_at_the_places_their_points_say() -> None:
    (plot,) = plots(LIVER)
    assert plot.figure is not None
    texts = plot.figure.axes[0].texts
    places = {(text.get_position()[1] // 1, text.get_text()): text.get_position() for text in texts}
    assert places[1, "60"][0] == pytest.approx(LIVER.points("age", 60) / 100)
    assert places[2, "yes"][0] == pytest.approx(LIVER.points("hepatitis", 1) / 100)
    longest = max(float(name) for row, name in places if row == 4 and name[0].isdigit())
    assert places[5, "0.5"][0] == pytest.approx(LIVER.total_at(0.5) / longest)
