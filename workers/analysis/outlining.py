"""A lesion outlined and measured by the joint system (paper 4), wherever the place came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.errors import BundleError
from models.images.contours import mask_outline
from models.lesion import clicks
from models.lesion.region import Box
from workers.analysis.diameters import diameters
from workers.analysis.loaded import FROM_GEOMETRY, card_figures, identity
from workers.analysis.pathway import EQUAL_PRIOR, IF_A_LESION, bounded, in_brackets
from workers.findings import Bounded, Diameters, Frame, OutlinedLesion, Point, RegionReading
from workers.messages import marked, say

_SYSTEM = "lesion.joint"
_TOLERANCE = 0.7  # pixels that the outline's corners may leave out
_AROUND = 5.0
_FIGURES = (
    ("mass_jaccard_box", marked("outline in a box: Jaccard"), marked("of an ellipse in that box")),
    ("mass_jaccard_click", marked("outline at one click: Jaccard"), marked("of a disc there")),
    ("malignancy_auc", marked("malignant, in a box: AUC"), FROM_GEOMETRY),
)


def check_outlines(bundle: Bundle) -> None:
    """Raises BundleError for a bundle that outlines nothing at a prompt."""
    if bundle.system != _SYSTEM or "mask" not in bundle.labels:
        raise BundleError(
            f"bundle {bundle.name!r} of the system {bundle.system!r} outlines nothing: name one of "
            f"{_SYSTEM!r} with the label 'mask' in analysis.joint_bundle"
        )


@dataclass(frozen=True)
class Outline:
    """What the system sees at a place in one frame.

    border : closed polygon, pixels of the source frame as SCOORD has them. box : of the outline, in
    pixels of the frame's ``image``. mask : (rows, columns) bool of the whole source frame. area :
    its pixels, and mm2 where calibrated. probabilities : by label, not always numbers. bounds : by
    label, the same with the interval of the calibration, where that is known.
    """

    border: tuple[Point, ...]
    box: Box
    mask: NDArray[np.bool_]
    diameters: Diameters
    area_pixels: int
    area_mm2: float | None
    probabilities: dict[str, float]
    bounds: dict[str, Bounded]

    @property
    def are_numbers(self) -> bool:
        return all(map(math.isfinite, self.probabilities.values()))


class Outliner:
    """Outlines and measures one lesion; a bundle that outlines nothing is a BundleError."""

    def __init__(self, segmenter: Any, bundle: Bundle) -> None:
        check_outlines(bundle)
        self.model = replace(identity(bundle), figures=card_figures(bundle, _FIGURES))
        self.speaks_of_malignancy = "malignant" in bundle.labels
        self._segmenter = segmenter
        self._calibrated = bundle.card.get("calibration", {})

    def outline(self, frame: Frame, places: Sequence[clicks.Prompt]) -> list[Outline | None]:
        """What is seen at each place, in pixels of ``frame.image``; None where there is nothing."""
        readings = self._segmenter.read_all(frame.image, places)
        return [self._outline(frame, reading) for reading in readings]

    def _outline(self, frame: Frame, reading: Any) -> Outline | None:
        corners = mask_outline(reading.mask, _TOLERANCE)
        if corners is None:
            return None
        left, top, right, bottom = frame.window
        mask = np.zeros(frame.source.shape[:2], bool)
        mask[top:bottom, left:right] = reading.mask
        # from the middles of pixels to SCOORD's corners
        border = tuple((round(x + left + 0.5, 1), round(y + top + 0.5, 1)) for x, y in corners)
        area = int(np.count_nonzero(mask))
        (x0, y0), (x1, y1) = np.min(corners, axis=0), np.max(corners, axis=0)
        return Outline(
            border=border,
            box=(float(x0), float(y0), float(x1), float(y1)),
            mask=mask,
            diameters=diameters(border, frame.spacing),
            area_pixels=area,
            area_mm2=area * frame.spacing.row * frame.spacing.column if frame.spacing else None,
            probabilities={label: float(p) for label, p in reading.probabilities.items()},
            bounds=bounded(reading),
        )

    def condition(self, label: str) -> str:
        """What the probability of a label takes for granted."""
        return "; ".join([say(IF_A_LESION), *[say(EQUAL_PRIOR)] * (label in self._calibrated)])


def size_in_words(lesion: OutlinedLesion) -> str:
    """Both diameters, in mm and with the area where the frame is calibrated."""
    measured = lesion.diameters
    assert measured is not None
    if lesion.area_mm2 is None:
        return say("{size}, not calibrated: no mm", size=measured.words)
    return say("{size}, area {area:.1f} cm2", size=measured.words, area=lesion.area_mm2 / 100)


def reading_in_words(reading: RegionReading) -> str:
    said = ", ".join(
        f"{say(label)} {p:.0%}{in_brackets(reading.bounds, label)}"
        for label, p in reading.probabilities.items()
    )
    return f"{reading.model.name}: {said}"


def surroundings(
    points: tuple[Point, ...], region: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """The part of the region, of its shape, in which points can be seen: ``_AROUND`` times their
    extent, but never less than half of the region's width and height."""
    corners = np.array(points)
    low, high = corners.min(axis=0), corners.max(axis=0)
    x0, y0, x1, y1 = region
    whole = np.array([x1 - x0, y1 - y0])
    share = np.clip(_AROUND * (high - low).max() / whole.min(), 0.5, 1.0)
    size = np.ceil(share * whole)
    start = np.clip(np.floor((low + high - size) / 2), (x0, y0), (x1, y1) - size)
    left, top, right, bottom = (int(edge) for edge in (*start, *(start + size)))
    return left, top, right, bottom
