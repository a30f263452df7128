"""What a person may choose when a system is trained or evaluated."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.data import About, Case, Grey, read_picture
from models.errors import TrainingError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


NOT_DESCRIBED = About("not described")


def silent(what: str, done: int, total: int) -> None:
    """No progress shown."""


@dataclass(frozen=True)
class Options:
    """out : run folder, for states, curves and bundle. backbone, epochs, folds : None takes the
    system's own. folds : 0 fits without cross-validation, and the card has no figures. repeats :
    how often the folds are drawn. recipe : by name, where a system has several; None is its own
    choice. about : what the images are, for the card. extra : cases that are only learned from,
    and never count in a figure. init : a local file of initial weights, or a folder of them.
    workers : processes that prepare batches; None takes a core each, eight at most, beside a GPU,
    and none without. read : the grey image of a case; the default knows pictures only, a caller
    that knows DICOM gives its own.
    """

    out: Path
    backbone: str | None = None
    init: Path | None = None
    device: str = "cpu"
    seed: int = 0
    epochs: int | None = None
    folds: int | None = None
    repeats: int = 1
    recipe: str | None = None
    about: About = NOT_DESCRIBED
    extra: tuple[Case, ...] = ()
    workers: int | None = None
    read: Callable[[Case], Grey] = read_picture
    progress: Progress = silent


def fold_count(options: Options, usual: int, *, fewest: int = 0) -> int:
    """The folds of the cross-validation, the system's usual number where none was asked for; 0 for
    none. TrainingError for one, which leaves nothing to fit on, or fewer than the fewest."""
    count = usual if options.folds is None else options.folds
    if count == 1 or count < fewest:
        raise TrainingError(f"{count} folds were asked for; cross-validation needs two or more")
    return count
