"""What a person may choose when a system is trained or evaluated."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.data import Case, Grey, read_picture

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """No progress shown."""


@dataclass(frozen=True)
class Options:
    """out : run folder, for states, curves and bundle. backbone, epochs, folds : None takes the
    system's own. folds : 0 fits without cross-validation, and the card has no figures. repeats :
    how often the folds are drawn. init : a local file of initial weights. workers : processes that
    prepare batches.
    read : the grey image of a case; the default knows pictures only, a caller that knows DICOM
    gives its own.
    """

    out: Path
    backbone: str | None = None
    init: Path | None = None
    device: str = "cpu"
    seed: int = 0
    epochs: int | None = None
    folds: int | None = None
    repeats: int = 1
    workers: int = 0
    read: Callable[[Case], Grey] = read_picture
    progress: Progress = silent
