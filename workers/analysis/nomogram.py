"""Model LBC of paper 2 for one patient, as the rulers of a nomogram."""

from __future__ import annotations

import math
from collections.abc import Mapping

from models.evaluation.nomogram import MOST, Nomogram
from models.lesion.clinical import ClinicalModel
from models.lesion.nomogram import nomogram_of
from workers.findings import Ruler
from workers.messages import say

_TENTHS = tuple((tenth / 10, f"{tenth * MOST / 10:.0f}") for tenth in range(11))
_PROBABILITIES = (0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)


def rulers(
    model: ClinicalModel, image_probability: float, factors: Mapping[str, float]
) -> tuple[Ruler, ...]:
    """Points, a ruler for the image and for each factor, their sum, and the probability.

    image_probability : of model LB. factors : known values by name; one that is not known counts as
    its mean. Beyond its ends a ruler cannot be read, but the sum is always the whole one. None
    where no factor is known, nothing moves the outcome, or the image's score has no log odds.
    """
    known = [name for name in model.factors if name in factors]
    if not known or not 0.0 < image_probability < 1.0:
        return ()
    try:
        nomogram = nomogram_of(model)
    except ValueError:
        return ()
    image = math.log(image_probability / (1.0 - image_probability))
    values = [image, *(factors.get(name, of.mean) for name, of in model.factors.items())]
    told = [f"{image_probability:.2f}", *(_told(name, factors) for name in model.factors)]
    drawn, total = [Ruler(say("points"), _TENTHS)], 0.0
    for scale, value, said in zip(nomogram.scales, values, told, strict=True):
        points = nomogram.points(scale.name, value)
        total += points
        ticks = {at: say(word) for at, word in scale.ticks}
        drawn.append(
            Ruler(
                f"{say(scale.name)}: {ticks.get(value, said) if said else say('not known')}",
                tuple((nomogram.points(scale.name, at) / MOST, word) for at, word in ticks.items()),
                points / MOST if said else None,
            )
        )
    return (*drawn, *_sum(nomogram, total))


def _told(name: str, factors: Mapping[str, float]) -> str:
    """'' where it is not known."""
    return f"{factors[name]:.0f}" if name in factors else ""


def _sum(nomogram: Nomogram, total: float) -> tuple[Ruler, Ruler]:
    """The sum of the points, and below it the probability that goes with it."""
    step = next(step for step in (10, 20, 50, 100) if nomogram.total <= 10 * step)
    sums = range(0, math.ceil(nomogram.total / step) * step + 1, step)
    end = sums[-1]
    found = [(nomogram.total_at(p) / end, f"{p:g}") for p in _PROBABILITIES]
    return (
        Ruler(say("total points"), tuple((n / end, str(n)) for n in sums), total / end),
        Ruler(
            say("probability of {outcome}", outcome=say(nomogram.outcome)),
            tuple((place, word) for place, word in found if 0 <= place <= 1),
            total / end,
        ),
    )
