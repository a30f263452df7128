"""The nomogram of a patient: what its rulers say adds up to what the model says."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from models.lesion.clinical import ClinicalModel, Factor
from workers.analysis.nomogram import rulers
from workers.findings import Ruler

MODEL = ClinicalModel(
    0.3,
    0.9,
    {"age": Factor(0.04, 55.0), "sex": Factor(0.5, 0.6), "halo": Factor(-1.0, 0.3)},
)


def read_at(ruler: Ruler, place: float) -> float:
    """The number that stands at a place of a ruler whose ticks are numbers."""
    (low, first), (high, last) = ruler.ticks[0], ruler.ticks[-1]
    share = (place - low) / (high - low)
    return float(first) + share * (float(last) - float(first))


@pytest.mark.parametrize(
    "known", [{"age": 63.0}, {"age": 40.0, "sex": 1.0}, {"age": 81.0, "sex": 0.0, "halo": 1.0}]
)
@pytest.mark.parametrize("image", [0.02, 0.6, 0.97])
def test_the_probability_below_the_sum_is_that_of_the_model(
    image: float, known: dict[str, float]
) -> None:
    *_, total, probability = rulers(MODEL, image, known)
    assert total.place == probability.place is not None
    logit = MODEL.logit(math.log(image / (1 - image)), known)
    low, high = probability.ticks[0], probability.ticks[-1]
    odds = [math.log(float(word) / (1 - float(word))) for _, word in (low, high)]
    share = (probability.place - low[0]) / (high[0] - low[0])
    assert odds[0] + share * (odds[1] - odds[0]) == pytest.approx(logit)


def test_the_points_of_the_known_factors_and_of_the_means_make_the_sum() -> None:
    known = {"age": 63.0, "sex": 1.0, "halo": 0.0}
    points, *factors, total, _ = rulers(MODEL, 0.72, known)
    places = [one.place for one in factors]
    assert all(place is not None for place in places)
    summed = sum(read_at(points, place) for place in places if place is not None)
    assert total.place is not None
    assert summed == pytest.approx(read_at(total, total.place))


def test_each_line_says_what_is_known_of_the_patient() -> None:
    names = [one.name for one in rulers(MODEL, 0.72, {"age": 63.0, "halo": 0.0})]
    assert names == [
        "points",
        "image score (model LB): 0.72",
        "age (years): 63",
        "sex: not known",
        "hypoechoic halo: no",
        "total points",
        "probability of malignancy",
    ]
    (unknown,) = [one for one in rulers(MODEL, 0.72, {"age": 63.0}) if "sex" in one.name]
    assert unknown.place is None


def test_without_a_known_factor_a_score_or_an_effect_there_is_none() -> None:
    assert rulers(MODEL, 0.72, {}) == ()
    assert rulers(MODEL, 0.72, {"vascularity": 1.0}) == ()
    assert rulers(MODEL, 1.0, {"age": 63.0}) == ()
    still = replace(MODEL, image=0.0, factors={"age": Factor(0.0, 50.0)})
    assert rulers(still, 0.72, {"age": 63.0}) == ()
