"""Drawing a nomogram: a ruler for each factor under one for the points."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.evaluation.nomogram import MOST, Nomogram
from models.evaluation.style import BLUE, GREY, INK, ORANGE, RULE

PROBABILITIES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

Ticks = Sequence[tuple[float, str]]
"""Place on a ruler, and how it is written."""


def draw_nomogram(nomogram: Nomogram) -> Figure:
    """The nomogram as a figure: read the points above each factor's value, add them, and read the
    probability below the sum."""
    rows = len(nomogram.scales) + 3
    figure = Figure(figsize=(9.0, 0.62 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(xlim=(-0.34, 1.04), ylim=(rows - 0.35, -0.55))
    axes.axis("off")
    for tenth in range(11):
        axes.plot([tenth / 10] * 2, [0, len(nomogram.scales)], color=RULE, lw=0.7, zorder=0)
    _ruler(axes, 0, "points", [(n / 10, f"{n * MOST / 10:.0f}") for n in range(11)], GREY)
    for row, scale in enumerate(nomogram.scales, start=1):
        places = [
            (nomogram.points(scale.name, value) / MOST, written) for value, written in scale.ticks
        ]
        _ruler(axes, row, scale.name, places, BLUE)
    step = _step(nomogram.total)
    sums = np.arange(0, nomogram.total + 0.5 * step, step)
    total = max(nomogram.total, float(sums[-1]))
    _ruler(axes, rows - 2, "total points", [(s / total, f"{s:.0f}") for s in sums], GREY)
    found = [(nomogram.total_at(value) / total, f"{value:g}") for value in PROBABILITIES]
    _ruler(
        axes,
        rows - 1,
        f"probability of\n{nomogram.outcome}",
        [(place, written) for place, written in found if 0 <= place <= 1],
        ORANGE,
    )
    if nomogram.note:
        figure.supxlabel(nomogram.note, fontsize=9, color=GREY, wrap=True)
    return figure


def _ruler(axes: Any, row: int, name: str, ticks: Ticks, colour: str) -> None:
    axes.text(-0.04, row, name, ha="right", va="center", fontsize=10.5, color=INK)
    if not ticks:
        return
    places = sorted(ticks)
    axes.plot([places[0][0], places[-1][0]], [row, row], color=colour, lw=1.8)
    last = -1.0
    for place, written in places:
        axes.plot([place, place], [row, row + 0.12], color=colour, lw=1.4)
        # A number that would touch the one before it is left out, its tick is not.
        if place - last >= 0.018 + 0.011 * len(written):
            axes.text(place, row + 0.18, written, ha="center", va="top", fontsize=9, color=INK)
            last = place


def _step(total: float) -> float:
    return next(step for step in (10.0, 20.0, 50.0, 100.0, 200.0) if total / step <= 14)
