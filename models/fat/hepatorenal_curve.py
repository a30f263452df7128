"""From a hepatorenal index to fat: the few fitted numbers of the system, and how they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.floating]

COVERED = 0.8
"""The share of patients whose fat fraction an interval of ``HepatorenalCurve.fat`` is to hold."""


class Bounded(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class HepatorenalCurve:
    """Everything is a straight line over ln(index).

    line : (2,) slope and intercept of arcsin(sqrt(fat / 100)), in which the spread of a percentage
    is about the same everywhere. reach : half an interval's width there. p_5, p_10 : (2,) slope
    and intercept of the logits of fat >= 5 % and >= 10 %, both classes weighted alike.
    resampled_5, resampled_10 : (b, 2) the same fitted to resampled patients. known : lowest and
    highest index fitted on.
    """

    line: npt.NDArray[np.float64]
    reach: float
    p_5: npt.NDArray[np.float64]
    p_10: npt.NDArray[np.float64]
    resampled_5: npt.NDArray[np.float64]
    resampled_10: npt.NDArray[np.float64]
    known: tuple[float, float]

    def fat(self, index: float) -> Bounded:
        """Fat in %, with the interval that holds ``COVERED`` of patients of this index."""
        angle = float(np.polyval(self.line, np.log(index)))
        return Bounded(
            *(percent_of(value) for value in (angle, angle - self.reach, angle + self.reach))
        )

    def probability(self, index: float, cutoff: int) -> Bounded:
        """P(fat >= cutoff), cutoff 5 or 10, with its 95 % interval over resampled patients; that of
        10 % is held at that of 5 %."""
        low = self._probability(index, self.p_5, self.resampled_5)
        if cutoff == 5:
            return low
        high = self._probability(index, self.p_10, self.resampled_10)
        return Bounded(*(min(pair) for pair in zip(low, high, strict=True)))

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a bundle keeps."""
        rows: Mapping[str, object] = {
            "line": self.line,
            "reach": [self.reach],
            "p_5": self.p_5,
            "p_10": self.p_10,
            "resampled_5": self.resampled_5,
            "resampled_10": self.resampled_10,
            "known": self.known,
        }
        return {
            name: torch.from_numpy(np.asarray(row, dtype=np.float32)) for name, row in rows.items()
        }

    @classmethod
    def take(cls, tensors: Mapping[str, torch.Tensor]) -> Self:
        """From a bundle's tensors; KeyError when one is missing, ValueError when one is odd."""
        rows = {name: tensor.double().numpy() for name, tensor in tensors.items()}
        for name, shape in (
            ("line", (2,)),
            ("reach", (1,)),
            ("p_5", (2,)),
            ("p_10", (2,)),
            ("known", (2,)),
        ):
            if rows[name].shape != shape:
                raise ValueError(f"{name} has shape {rows[name].shape}, expected {shape}")
        return cls(
            line=rows["line"],
            reach=float(rows["reach"][0]),
            p_5=rows["p_5"],
            p_10=rows["p_10"],
            resampled_5=rows["resampled_5"].reshape(-1, 2),
            resampled_10=rows["resampled_10"].reshape(-1, 2),
            known=(float(rows["known"][0]), float(rows["known"][1])),
        )

    def _probability(self, index: float, logit: Floats, resampled: Floats) -> Bounded:
        value = float(sigmoid(np.polyval(logit, np.log(index))))
        others = sigmoid(resampled[:, 0] * np.log(index) + resampled[:, 1])
        low, high = np.percentile(others, [2.5, 97.5])
        return Bounded(value, min(value, float(low)), max(value, float(high)))


def angle_of(percent: Floats) -> npt.NDArray[np.float64]:
    """arcsin(sqrt(p)), the variance-stabilising transform of a share given in %."""
    return np.asarray(np.arcsin(np.sqrt(np.asarray(percent, dtype=np.float64) / 100.0)))


def percent_of(angle: float) -> float:
    """The inverse of ``angle_of``, within 0 to 100 %."""
    return float(100.0 * np.sin(np.clip(angle, 0.0, np.pi / 2)) ** 2)


def sigmoid(logit: Floats | float) -> npt.NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -50.0, 50.0))))
