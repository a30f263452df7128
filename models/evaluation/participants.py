"""Cases of one participant belong together: who they are, and the one fat fraction of each."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.data import Case
from models.errors import TrainingError


def with_fat(cases: Sequence[Case]) -> list[Case]:
    """The cases whose fat fraction is known; TrainingError where none is."""
    known = [case for case in cases if case.fat_percent is not None]
    if not known:
        raise TrainingError("no image has a fat_percent: fill the column in")
    return known


def fat_of_participants(
    cases: Sequence[Case],
) -> tuple[tuple[str, ...], npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """The participants in order of appearance, the fat fraction of each in %, and each case's own.

    TrainingError when a case has no fat fraction, or a participant two.
    """
    fat: dict[str, float] = {}
    for case in cases:
        if case.fat_percent is None:
            raise TrainingError(f"image {case.id!r} has no fat_percent")
        if fat.setdefault(case.patient, case.fat_percent) != case.fat_percent:
            raise TrainingError(
                f"image {case.id!r} has fat_percent {case.fat_percent:g}, another image of the "
                f"same patient {fat[case.patient]:g}; name each visit of a patient apart"
            )
    number = {participant: index for index, participant in enumerate(fat)}
    owner = np.asarray([number[case.patient] for case in cases], dtype=np.intp)
    return tuple(fat), np.asarray(list(fat.values()), dtype=np.float64), owner
