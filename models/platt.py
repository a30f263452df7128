"""Platt scaling: from a network's logit to a probability, and how surely the scaling is known."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

_Z = 1.959964  # of a two-sided 95 % interval


@dataclass(frozen=True)
class Platt:
    """p = sigmoid(slope * logit + intercept).

    covariance : variance of the slope, covariance of both, variance of the intercept, over
    resampled patients of those that the scaling was fitted on; None where nobody looked.
    """

    slope: float = 1.0
    intercept: float = 0.0
    covariance: tuple[float, float, float] | None = None

    @classmethod
    def of_card(cls, row: Mapping[str, Any]) -> "Platt":
        """A label's row of a card's ``calibration``; an empty one leaves the logit as it is, and
        one of an older card has no covariance."""
        spread = row.get("covariance")
        covariance = None if spread is None else (spread[0][0], spread[0][1], spread[1][1])
        return cls(float(row.get("slope", 1.0)), float(row.get("intercept", 0.0)), covariance)

    def as_card(self) -> dict[str, Any]:
        """The row that ``of_card`` reads."""
        row: dict[str, Any] = {"slope": round(self.slope, 5), "intercept": round(self.intercept, 5)}
        if self.covariance is not None:
            slope, both, intercept = (float(f"{value:.6g}") for value in self.covariance)
            row["covariance"] = [[slope, both], [both, intercept]]
        return row

    def __call__(self, logits: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * logits + self.intercept))))

    def interval(self, logit: float) -> tuple[float, float] | None:
        """The 95 % interval of the probability at a logit; None without a covariance.

        It is that of the calibration only: how far the same logit would have been called otherwise
        had other patients been there to fit the scaling on. How well the network read the image is
        no part of it. Normal on the logit scale, so it never leaves 0..1.
        """
        if self.covariance is None:
            return None
        slope, both, intercept = self.covariance
        variance = slope * logit**2 + 2 * both * logit + intercept
        reach = _Z * math.sqrt(max(variance, 0.0))
        middle = self.slope * logit + self.intercept
        # The sigmoid by a hyperbolic tangent, which never overflows.
        low, high = (0.5 + 0.5 * math.tanh((middle + side * reach) / 2) for side in (-1, 1))
        return low, high


def intervals(
    scaling: Mapping[str, Platt], logits: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """By label, the interval of its probability, where its scaling has one."""
    found = {label: scaling[label].interval(logit) for label, logit in logits.items()}
    return {label: interval for label, interval in found.items() if interval is not None}
