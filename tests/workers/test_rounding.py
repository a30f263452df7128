"""Rounded, a probability stays on its side of the threshold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.rounding import decimals


@pytest.mark.parametrize(
    ("p", "threshold", "digits"),
    [
        (0.3, 0.5588, 0),
        (0.558, 0.5588, 1),
        (0.55876, 0.5588, 3),
        (0.5588, 0.5588, 0),
        (0.5589, 0.5588, 0),
        (0.7, None, 0),
        (math.nan, 0.5, 0),
    ],
)
def test_no_more_decimals_than_are_needed(p: float, threshold: float | None, digits: int) -> None:
    assert decimals(p, threshold, 0) == digits


@given(p=st.floats(0, 1), threshold=st.floats(0.001, 1))
def test_what_is_shown_agrees_with_the_decision(p: float, threshold: float) -> None:
    digits = decimals(p, threshold, 0)
    shown, limit = (float(f"{100 * value:.{digits}f}") for value in (p, threshold))
    assert (shown >= limit) == (p >= threshold) or abs(p - threshold) < 1e-11
