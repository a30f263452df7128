"""How far an area under the curve moves when frames are changed as scanners change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.changes import TITLES
from models.evaluation.metrics import Figure, area_under_curve, bootstrap, over_repeats

TOLERATED = 0.03
"""The most that a change may move an area before a card's limits name it."""

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Shift:
    """area : under the curve on changed frames. difference : that less the area on the frames as
    they are; its interval resamples patients with both of their readings."""

    area: Figure
    difference: Figure

    @property
    def tolerated(self) -> bool:
        return abs(self.difference.value) <= TOLERATED

    def as_card(self) -> dict[str, Any]:
        return {"auc": self.area.as_card(), "auc_change": self.difference.as_card()}


def shifts(
    truth: Floats,
    logits: Floats,
    changed: Mapping[str, Floats],
    patients: Sequence[str] | None = None,
) -> dict[str, Shift]:
    """By change; means over the repeats.

    truth : (n,) 0 or 1. logits : (r, n) of the frames as they are. changed : (r, n) by change.
    """
    repeats = len(logits)

    def difference(truth: Floats, *columns: Floats) -> float:
        return _mean_area(truth, *columns[repeats:]) - _mean_area(truth, *columns[:repeats])

    return {
        name: Shift(
            bootstrap(_mean_area, truth, *rows, patients=patients),
            bootstrap(difference, truth, *logits, *rows, patients=patients),
        )
        for name, rows in changed.items()
    }


def moved(label: str, found: Mapping[str, Shift]) -> list[str]:
    """A sentence that names the changes that move a label's area by more than is tolerated; none
    where there is no such change."""
    far = [
        f"{TITLES[name]} {one.difference.value:+.3f}"
        for name, one in found.items()
        if not one.tolerated
    ]
    if not far:
        return []
    return [
        f"The area under the curve of {label!r} moves by more than {TOLERATED:g} when a frame is "
        f"changed: {', '.join(far)}."
    ]


_mean_area = over_repeats(area_under_curve)
