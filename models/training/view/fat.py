"""What naming views is worth to what they are named for: the shipped fat estimate (paper 5)."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.data.seen import count_seen
from models.evaluation.fat import mean_absolute_error, spearman
from models.evaluation.metrics import Figure, bootstrap
from models.evaluation.participants import fat_of_participants
from models.fat.multiview import FatReading, MultiviewFat
from models.registry import load_bundle
from models.training.options import Options
from models.training.view.samples import ViewSamples

ESTIMATOR = "fat-multiview"
LEAST = 20
"""Participants below which a correlation says nothing."""

Floats = npt.NDArray[np.float64]


def worth_to_fat(
    samples: ViewSamples,
    called: npt.NDArray[np.integer],
    named: npt.NDArray[np.bool_],
    options: Options,
) -> tuple[dict[str, Figure], list[str]]:
    """Figures and notes: the estimate of each participant with the views as they are, as the
    classifier names them (where it does not know, the view is unknown), and with none known.

    Nothing where the fat fraction of fewer than twenty participants is known. A gain is that over
    unknown views, on the same participants.
    """
    rows = [
        place
        for place in np.flatnonzero(samples.labelled)
        if samples.cases[place].fat_percent is not None
    ]
    if len({samples.patients[place] for place in rows}) < LEAST:
        return {}, []
    cases = [samples.cases[place] for place in rows]
    participants, fat, owner = fat_of_participants(cases)
    bundle = load_bundle(ESTIMATOR)
    estimator = MultiviewFat.load(bundle, options.device)
    views: dict[str, list[str | None]] = {
        "said": [case.view for case in cases],
        "named": [samples.views[called[place]] if named[place] else None for place in rows],
        "unknown": [None] * len(rows),
    }
    readings: list[dict[str | None, FatReading]] = []
    for number, case in enumerate(cases):
        options.progress("fat", number, len(cases))
        wanted = list(dict.fromkeys(row[number] for row in views.values()))
        found = estimator.read([options.read(case)] * len(wanted), wanted)
        readings.append(dict(zip(wanted, found, strict=True)))
    options.progress("fat", len(cases), len(cases))
    estimates = {
        name: _estimates(estimator, readings, row, owner, len(participants))
        for name, row in views.items()
    }
    notes = [
        f"fat: {bundle.title} over {len(participants)} participants, with the views as they are "
        "said, as they are named, and with none known; frames unlike the fitted ones count too"
    ]
    if seen := count_seen(bundle.folder, cases):
        notes.append(f"{ESTIMATOR} has learned from {seen} of these frames")
    return _figures(fat, estimates), notes


def _estimates(
    estimator: MultiviewFat,
    readings: Sequence[Mapping[str | None, FatReading]],
    views: Sequence[str | None],
    owner: npt.NDArray[np.intp],
    count: int,
) -> Floats:
    """(p,) fat in %."""
    own: list[list[FatReading]] = [[] for _ in range(count)]
    for reading, view, number in zip(readings, views, owner, strict=True):
        own[number].append(reading[view])
    return np.array([estimator.combine(group).fat_percent for group in own])


def _figures(fat: Floats, estimates: Mapping[str, Floats]) -> dict[str, Figure]:
    figures = {}
    for name, row in estimates.items():
        figures[f"fat_spearman_views_{name}"] = bootstrap(spearman, fat, row)
        figures[f"fat_mae_views_{name}"] = bootstrap(mean_absolute_error, fat, row)
    for name in ("said", "named"):
        figures[f"fat_spearman_gain_views_{name}"] = bootstrap(
            _gain, fat, estimates[name], estimates["unknown"]
        )
    return figures


def _gain(fat: Floats, estimate: Floats, other: Floats) -> float:
    return spearman(fat, estimate) - spearman(fat, other)
