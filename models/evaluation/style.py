"""The look of every chart: sizes, colours, lines. Figures are objects; pyplot's state is not used.

Colours are those of Okabe and Ito, told apart with any colour vision; lines differ by dash too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
GREY, INK, RULE = "#5F6672", "#1F2328", "#D8DCE2"
SERIES = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", INK)

RESOLUTION = 160
"""Dots per inch: sharp on a page that shows a figure at about half its pixels."""


def save(figure: Figure, file: Path) -> None:
    """Writes a figure as PNG; the same figure gives the same bytes."""
    figure.savefig(file, dpi=RESOLUTION, metadata={"Software": None})


def panels(
    *,
    rows: Sequence[float] = (1,),
    columns: Sequence[float] = (1,),
    width: float = 4.3,
    height: float = 4.2,
) -> tuple[Figure, list[Any]]:
    """A new figure and its axes, row by row. rows, columns : relative heights and widths of the
    panels. width, height : inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(rows), len(columns), height_ratios=rows, width_ratios=columns)
    cells = [figure.add_subplot(grid[r, c]) for r in range(len(rows)) for c in range(len(columns))]
    for axes in cells:
        axes.grid(color=RULE, lw=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GREY)
        axes.tick_params(colors=INK, labelsize=10, color=GREY)
        axes.xaxis.label.set(size=10.5, color=INK)
        axes.yaxis.label.set(size=10.5, color=INK)
    return figure, cells


def legend(axes: Any, **where: Any) -> None:
    axes.legend(frameon=True, framealpha=0.9, edgecolor="none", fontsize=9.5, **where)
