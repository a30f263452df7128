"""Every image decoded once, before hours are spent on the first of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from models.data.case import Case, Grey
from models.errors import TrainingError


def undecodable(
    cases: Sequence[Case],
    read: Callable[[Case], Grey],
    progress: Callable[[str, int, int], None],
) -> dict[int, str]:
    """Why images cannot be decoded, by place among the cases; empty where all can.

    read : what reads them later, see ``models.training.options.Options``; TrainingError and OSError
    are its word for an image that is no good. A frame that several cases name is decoded once, and
    none is kept. One after the other: the 600 images of AUL take 2 to 6 s of a core, and on two
    cores threads brought nothing.
    """
    places: dict[tuple[Path, int], list[int]] = {}
    for place, case in enumerate(cases):
        places.setdefault((case.image, case.frame), []).append(place)
    wrong: dict[int, str] = {}
    for number, own in enumerate(places.values()):
        progress("images decoded", number, len(places))
        case = replace(cases[own[0]], line=None)  # each row that names the image says its own
        try:
            read(case)
        except TrainingError as error:
            wrong.update(dict.fromkeys(own, str(error)))
        except OSError as error:
            wrong.update(dict.fromkeys(own, f"{case.image} cannot be decoded ({error})"))
    progress("images decoded", len(places), len(places))
    return wrong
