"""A logistic regression as a nomogram: points for each factor, and what their sum means."""

import math
from dataclasses import dataclass

MOST = 100.0
"""Points of the factor that can move the outcome most; all others are measured by it."""


@dataclass(frozen=True)
class Scale:
    """One factor. coefficient : log odds per unit. low, high : the range drawn. ticks : values and
    how they are written."""

    name: str
    coefficient: float
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    @property
    def least(self) -> float:
        """The lowest log odds that the factor can give; worth 0 points."""
        return min(self.coefficient * self.low, self.coefficient * self.high)

    @property
    def span(self) -> float:
        """Log odds between the factor's two ends."""
        return abs(self.coefficient) * (self.high - self.low)


@dataclass(frozen=True)
class Nomogram:
    """Log odds of ``outcome`` = intercept + sum of coefficient times value over the scales.

    note : what a reader must know, printed below. ValueError when no factor moves the outcome.
    """

    outcome: str
    intercept: float
    scales: tuple[Scale, ...]
    note: str = ""

    def __post_init__(self) -> None:
        if not any(scale.span > 0 for scale in self.scales):
            raise ValueError("a nomogram needs a factor whose coefficient and range are not zero")

    @property
    def title(self) -> str:
        """What a page calls it."""
        return f"Probability of {self.outcome}"

    @property
    def unit(self) -> float:
        """Log odds of one point."""
        return max(scale.span for scale in self.scales) / MOST

    @property
    def total(self) -> float:
        """The largest sum of points."""
        return sum(scale.span for scale in self.scales) / self.unit

    def points(self, name: str, value: float) -> float:
        """What one factor's value is worth; outside of its range less than 0 or more than it has.

        KeyError without such a factor.
        """
        for scale in self.scales:
            if scale.name == name:
                return (scale.coefficient * value - scale.least) / self.unit
        raise KeyError(name)

    def probability(self, total: float) -> float:
        """The outcome's probability at a sum of points."""
        return 1.0 / (1.0 + math.exp(-(self._origin + total * self.unit)))

    def total_at(self, probability: float) -> float:
        """The sum of points at which the outcome has a probability between 0 and 1."""
        return (math.log(probability / (1.0 - probability)) - self._origin) / self.unit

    @property
    def _origin(self) -> float:
        return self.intercept + sum(scale.least for scale in self.scales)
