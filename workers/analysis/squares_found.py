"""Where the squares of a hepatorenal index may go in a study's frames: what an operator is shown.

Nothing of it enters a result: that does the pair at which somebody points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.data import Outline
from models.errors import BundleError
from models.fat.found_squares import find_squares
from models.fat.squares import Box
from models.images.contours import mask_outline
from workers.analysis.loaded import LoadedModels
from workers.findings import Dropped, Frame, FrameRef, Point

_FAN_LIVER, _KIDNEY = "frame.fan_liver", "frame.kidney"


@dataclass(frozen=True)
class Proposal:
    """One pair. liver, kidney : middles of the squares, pixels x, y of the whole frame. index : of
    the pair. low, high : the middle half of the indices of ``pairs`` pairs that it was chosen from.
    image : (H, W) uint8, in which outlines, of the found organs, and squares are pixels."""

    frame: FrameRef
    liver: Point
    kidney: Point
    index: float
    low: float
    high: float
    pairs: int
    image: NDArray[np.uint8] = field(repr=False, compare=False)
    outlines: tuple[Outline, ...] = field(repr=False)
    squares: tuple[Box, Box]


def check_finds_kidneys(bundle: Bundle) -> None:
    """Raises BundleError for a bundle that finds none."""
    if bundle.system != _KIDNEY:
        raise BundleError(
            f"bundle {bundle.name!r} of the system {bundle.system!r} finds no kidney: name one of "
            f"{_KIDNEY!r} in analysis.kidney_bundle"
        )


def check_finds_livers(bundle: Bundle) -> None:
    """Raises BundleError for a bundle that finds none."""
    if bundle.system != _FAN_LIVER or "liver" not in bundle.labels:
        raise BundleError(
            f"bundle {bundle.name!r} of the system {bundle.system!r} finds no liver: name one of "
            f"{_FAN_LIVER!r} with the label 'liver' in analysis.fan_liver_bundle"
        )


class SquaresFinder:
    """Proposes pairs, by a bundle that finds livers and one that finds kidneys."""

    def __init__(self, models: LoadedModels, livers: Bundle, kidneys: Bundle) -> None:
        check_finds_livers(livers)
        check_finds_kidneys(kidneys)
        self._livers = models.system(livers)
        self._kidneys = models.system(kidneys)

    def propose(self, frames: Iterable[Frame | Dropped]) -> Iterator[Proposal]:
        """Of each frame with room for a pair, in order; of the others nothing."""
        for frame in frames:
            if isinstance(frame, Frame) and (found := self._find(frame)) is not None:
                yield found

    def _find(self, frame: Frame) -> Proposal | None:
        (kidney,) = self._kidneys.read([frame.image])
        if not kidney.any():
            return None
        (anatomy,) = self._livers.read([frame.image])
        found = find_squares(frame.image, anatomy.liver, kidney)
        if found is None or found.reading.index is None:
            return None
        left, top = frame.window[:2]
        (x, y), (column, row) = found.liver, found.kidney
        outlines = [mask_outline(mask) for mask in (anatomy.liver & ~kidney, kidney)]
        return Proposal(
            frame=frame.ref,
            liver=(x + left, y + top),
            kidney=(column + left, row + top),
            index=found.reading.index,
            low=found.low,
            high=found.high,
            pairs=found.pairs,
            image=frame.image,
            outlines=tuple(line for line in outlines if line is not None),
            squares=(found.reading.liver, found.reading.kidney),
        )
