"""From a map of masses to boxes: where in a frame a lesion may lie."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.images import Window
from models.images.outlines import mask_box
from models.images.parts import Place, connected_parts
from models.lesion.region import Box

SMALLEST = 0.001
"""Share of the tissue under which a part is dropped. Of 518 masses outlined by experts (Xu et al.
2023) one covers less of its fan, 0.095 %; a part of that size is a handful of the map's cells."""

MOST = 5
"""Parts of one frame that are followed, the best: each costs a look of the joint system, and a map
that falls into more is one of a bad frame."""

MARGIN = 0.05
"""Added on each side, in sides of the box: as a user's box is enlarged in the joint system's
training (Ryu et al. 2021)."""

SAME = 0.5
"""Two outlines in a frame that share half of the smaller one are of one lesion."""


@dataclass(frozen=True)
class Proposal:
    """A part of the map that reaches the threshold.

    box : around it and the margin, in pixels of the image and within it. mass : mean of the map in
    the part, 0..1. attended : the same, each pixel weighted with the attention there.
    """

    box: Box
    mass: float
    attended: float


@dataclass(frozen=True)
class Proposals:
    """kept : the most attended first, at most ``MOST``. small : how many parts were dropped for
    their size. further : how many for their rank. highest : the map's largest value in the tissue.
    """

    kept: tuple[Proposal, ...]
    small: int
    further: int
    highest: float


def propose(
    mass: npt.NDArray[np.float32],
    tissue: npt.NDArray[np.bool_],
    attention: npt.NDArray[np.float32],
    threshold: float,
) -> Proposals:
    """The connected parts in which a map reaches the threshold.

    mass, attention : (H, W) 0..1, per pixel. tissue : (H, W), where a lesion can lie at all.
    """
    within = np.where(tissue, mass, 0.0)
    room = int(np.count_nonzero(tissue))
    kept, small = [], 0
    for part, pixels in connected_parts((within >= threshold) & tissue, corners=True):
        if np.count_nonzero(pixels) < SMALLEST * room:
            small += 1
            continue
        inside = within[part][pixels]
        kept.append(
            Proposal(
                box=_box(part, pixels, (mass.shape[0], mass.shape[1])),
                mass=float(inside.mean()),
                attended=float((inside * attention[part][pixels]).mean()),
            )
        )
    kept.sort(key=lambda one: (-one.attended, -one.mass, one.box))
    return Proposals(
        kept=tuple(kept[:MOST]),
        small=small,
        further=len(kept[MOST:]),
        highest=float(within.max(initial=0.0)),
    )


def is_same(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> bool:
    """Whether two masks (H, W), drawn in two boxes of a frame, are of one lesion."""
    shared = np.count_nonzero(one & other)
    return bool(shared >= SAME * min(np.count_nonzero(one), np.count_nonzero(other)))


def over_image(
    cells: npt.NDArray[np.float32], window: Window, shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """(H, W): each pixel has the value of its cell in a map (h, w) over a window; 0 outside."""
    x0, y0, x1, y1 = window
    height, width = cells.shape
    rows = np.arange(y1 - y0) * height // (y1 - y0)
    columns = np.arange(x1 - x0) * width // (x1 - x0)
    whole = np.zeros(shape, np.float32)
    whole[y0:y1, x0:x1] = cells[np.ix_(rows, columns)]
    return whole


def _box(place: Place, pixels: npt.NDArray[np.bool_], shape: tuple[int, int]) -> Box:
    rows, columns = place
    x0, y0, x1, y1 = mask_box(pixels)
    more_x, more_y = MARGIN * (x1 - x0 + 1), MARGIN * (y1 - y0 + 1)
    return (
        max(0.0, columns.start + x0 - more_x),
        max(0.0, rows.start + y0 - more_y),
        min(shape[1] - 1.0, columns.start + x1 + more_x),
        min(shape[0] - 1.0, rows.start + y1 + more_y),
    )
