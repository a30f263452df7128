"""What an evaluation found: figures, and what charts and example pictures are drawn from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.metrics import Figure
from models.evaluation.nomogram import Nomogram
from models.evaluation.robustness import Shift

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Scores:
    """A binary question. truth : (n,) 0 or 1. probability : (n,) 0..1. baseline : (n,) what the
    confound baseline says of the same cases, or None. prior : the share of positives that the
    probability was calibrated to, 0.5 by ``models.evaluation.calibration``; None is the share
    among the cases. patients : (n,) whose each case is, None where each has one. called : (n,) 0
    or 1; None calls positive from a probability of one half on. Drawn as ROC with a confidence
    band, calibration, confusion, and decision curve."""

    title: str
    truth: Floats
    probability: Floats
    baseline: Floats | None = None
    prior: float | None = 0.5
    patients: Sequence[str] | None = None
    called: Floats | None = None


@dataclass(frozen=True)
class Confusion:
    """counts : (k, k) cases by true (row) and called (column) class."""

    title: str
    classes: tuple[str, ...]
    counts: npt.NDArray[np.integer]


@dataclass(frozen=True)
class Agreement:
    """A measurement against its reference, both (n,) in ``unit``. Drawn as a scatter with ranks'
    correlation and after Bland and Altman."""

    title: str
    unit: str
    reference: Floats
    estimate: Floats


@dataclass(frozen=True)
class Distribution:
    """A score per image, such as a Jaccard index. values : (n,) each, by name."""

    title: str
    unit: str
    values: Mapping[str, Floats]


@dataclass(frozen=True)
class Example:
    """picture : (H, W, 3) uint8, drawn upon. good : one of the best, or one of the worst."""

    caption: str
    picture: npt.NDArray[np.uint8]
    good: bool


Chart = Scores | Confusion | Agreement | Distribution | Nomogram


@dataclass(frozen=True)
class Evaluation:
    """system : as ``models.systems`` names it. bundle : name, version and digest of what was
    evaluated, None when the protocol fitted its own. protocol : in words. n : cases.
    figures : by name ('detection_auc', …). baseline : the confound baseline's, by the same names,
    where there is one. strata : figures within groups, by group. strata_baseline : the same
    baseline within them, by the same groups and names; it is not fitted anew within a group.
    robustness : by change of the images and figure, how far it moves. notes : what a reader must
    know.
    """

    system: str
    bundle: str | None
    protocol: str
    n: int
    figures: Mapping[str, Figure]
    baseline: Mapping[str, Figure] = field(default_factory=dict)
    strata: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    strata_baseline: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    robustness: Mapping[str, Mapping[str, Shift]] = field(default_factory=dict)
    charts: tuple[Chart, ...] = ()
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """One JSON object: system, bundle, protocol, n, figures and baseline (name to value, low,
        high, cases), strata and strata_baseline (group to the same), robustness (change to figure
        to 'changed' and 'difference'), notes."""
        return {
            "system": self.system,
            "bundle": self.bundle,
            "protocol": self.protocol,
            "n": self.n,
            "figures": _plain(self.figures),
            "baseline": _plain(self.baseline),
            "strata": _plain_groups(self.strata),
            "strata_baseline": _plain_groups(self.strata_baseline),
            "robustness": {
                change: {
                    name: _plain({"changed": shift.area, "difference": shift.difference})
                    for name, shift in row.items()
                }
                for change, row in self.robustness.items()
            },
            "notes": list(self.notes),
        }


def _plain_groups(strata: Mapping[str, Mapping[str, Figure]]) -> dict[str, Any]:
    return {group: _plain(figures) for group, figures in strata.items()}


def _plain(figures: Mapping[str, Figure]) -> dict[str, dict[str, float | int | None]]:
    return {
        name: {
            "value": _number(figure.value),
            "low": _number(figure.low),
            "high": _number(figure.high),
            "cases": figure.cases,
        }
        for name, figure in figures.items()
    }


def _number(value: float) -> float | None:
    """JSON has no word for what is not a number."""
    return round(value, 4) if math.isfinite(value) else None
