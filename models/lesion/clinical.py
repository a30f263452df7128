"""Model LBC of paper 2: the image's score and clinical factors in one logistic regression."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Factor:
    """coefficient : log odds per unit. mean : among the lesions that it was fitted on."""

    coefficient: float
    mean: float


@dataclass(frozen=True)
class ClinicalModel:
    """Log odds = intercept + image * (log odds of model LB) + sum of coefficient * (value - mean).

    factors : only those that the fitted data had. A value that is not known is left out: its term
    is zero, which takes it as average.
    """

    intercept: float
    image: float
    factors: Mapping[str, Factor]

    def logit(self, image: float, clinical: Mapping[str, float]) -> float:
        """image : log odds of model LB, calibrated. clinical : known values by factor; those that
        the model lacks are not looked at."""
        return (
            self.intercept
            + self.image * image
            + sum(
                factor.coefficient * (clinical[name] - factor.mean)
                for name, factor in self.factors.items()
                if name in clinical
            )
        )

    def left_out(self, clinical: Mapping[str, float]) -> tuple[str, ...]:
        """The model's factors that are not known of a patient."""
        return tuple(name for name in self.factors if name not in clinical)

    def as_card(self) -> dict[str, Any]:
        return {
            "intercept": round(self.intercept, 6),
            "image": round(self.image, 6),
            "factors": {
                name: {
                    "coefficient": round(factor.coefficient, 6),
                    "mean": round(factor.mean, 6),
                    "odds_ratio": round(math.exp(factor.coefficient), 4),
                }
                for name, factor in self.factors.items()
            },
        }

    @classmethod
    def from_card(cls, table: Mapping[str, Any]) -> "ClinicalModel":
        return cls(
            float(table["intercept"]),
            float(table["image"]),
            {
                name: Factor(float(row["coefficient"]), float(row["mean"]))
                for name, row in table["factors"].items()
            },
        )
