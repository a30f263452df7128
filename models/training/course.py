"""How the learning rate goes over a fit."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Course:
    """words : for a card. factor : of the recipe's rate at a step, by the step, the steps of an
    epoch, and those of the fit."""

    words: str
    factor: Callable[[int, int, int], float]


def _cosine(step: int, warm: int, total: int) -> float:
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def _constant(step: int, warm: int, total: int) -> float:
    return 1.0


def _halves(step: int, warm: int, total: int) -> float:
    return 1.0 if 2 * step < total else 0.1


COURSES: Mapping[str, Course] = {
    "cosine": Course("rises over the first epoch, then falls to zero along half a cosine", _cosine),
    "constant": Course("constant (paper 3)", _constant),
    "halves": Course("a tenth in the second half of the epochs (paper 4)", _halves),
}
