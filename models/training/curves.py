"""Drawing the losses of a run's fits."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.style import BLUE, ORANGE, SERIES, legend, panels, save

Fit = Mapping[str, npt.NDArray[np.floating]]


def draw_curves(run: Path) -> Path | None:
    """Draws ``curves.png`` in a run folder from its ``states/*.csv``: what each fit's losses were.

    None where there is no curve yet. Files of one row of names, then one row an epoch.
    """
    fits = {file.stem: _read_curve(file) for file in sorted((run / "states").glob("*.csv"))}
    fits = {name: fit for name, fit in fits.items() if fit and len(fit["epoch"])}
    columns = sorted({key for fit in fits.values() for key in fit if key != "epoch"})
    if not columns:
        return None
    width = 6.4 if len(columns) == 1 else 5.2 * len(columns)
    figure, cells = panels(columns=[1] * len(columns), width=width, height=4.6)
    for axes, column in zip(cells, columns, strict=True):
        _draw_fits(axes, {name: fit for name, fit in fits.items() if column in fit}, column)
    file = run / "curves.png"
    save(figure, file)
    return file


def _draw_fits(axes: Any, fits: Mapping[str, Fit], column: str) -> None:
    """Few fits have a colour each; of many, only those that are called final stand out."""
    many = len(fits) > len(SERIES)
    final = [name for name in fits if name.startswith("final")] if many else list(fits)
    others = [name for name in fits if name not in final]
    for name in (*others, *final):
        fit = fits[name]
        marker = "o" if len(fit["epoch"]) == 1 else None
        if name in others:
            look = {"c": BLUE, "lw": 1, "alpha": 0.45}
            label = f"{len(others)} fits" if name == others[0] else None
        else:
            place = final.index(name)
            look = {"c": ORANGE if many else SERIES[place], "lw": 2}
            label = name if not many or place == 0 else None
        axes.plot(fit["epoch"], fit[column], label=label, marker=marker, ms=5, **look)
    axes.set(xlabel="epoch", ylabel=column.replace("_", " "))
    axes.xaxis.get_major_locator().set_params(integer=True)
    legend(axes, loc="best")


def _read_curve(file: Path) -> Fit:
    """Columns of numbers by name; what a stopped writer left half written is not there."""
    with file.open(newline="") as stream:
        names, *rows = list(csv.reader(stream)) or [[]]
    numbers = []
    for row in rows:
        try:
            numbers.append([float(cell) for cell in row])
        except ValueError:
            break
    whole = [row for row in numbers if len(row) == len(names)]
    if not whole or "epoch" not in names:
        return {}
    return dict(zip(names, np.asarray(whole).T, strict=True))
