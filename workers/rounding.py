"""Numbers for reading that do not contradict what is said of them."""

from __future__ import annotations

from workers.messages import say

_MOST = 12


def decimals(p: float, threshold: float | None, least: int) -> int:
    """Of per cent: ``least``, or as many more as show on which side of ``threshold`` p lies.

    "Not suspected: 56 % (threshold 56 %)" is no answer; 55.8 % and 55.9 % are.
    """
    if threshold is None:
        return least
    for digits in range(least, _MOST):
        if (round(100 * p, digits) >= round(100 * threshold, digits)) == (p >= threshold):
            return digits
    return _MOST


def beside_threshold(p: float, threshold: float) -> str:
    """Both in per cent, so that it shows on which side p lies."""
    digits = decimals(p, threshold, 0)
    return say(
        "{p} (threshold {threshold})", p=f"{p:.{digits}%}", threshold=f"{threshold:.{digits}%}"
    )
