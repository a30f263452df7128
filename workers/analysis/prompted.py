"""The prompted pathway: the joint system (paper 4) on the frames in which operators pointed."""

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
from models.lesion.region import Box, Region
from workers.analysis.diameters import diameters
from workers.analysis.loaded import card_figures, identity
from workers.analysis.pathway import (
    EQUAL_PRIOR,
    IF_A_LESION,
    Conclusion,
    at_prompt,
    bounded,
    interval_words,
)
from workers.analysis.regions import RegionReader
from workers.findings import (
    Abstention,
    Diameters,
    Dropped,
    Frame,
    HeatmapFinding,
    Point,
    Prompt,
    PromptedLesion,
    Reason,
    RegionReading,
)

SUBJECT = "prompted lesion"
_SYSTEM = "lesion.joint"
_TOLERANCE = 0.7  # pixels that the outline's corners may leave out
_AROUND = 5.0
_FIGURES = (
    ("mass_jaccard_box", "outline in a box: Jaccard", "of an ellipse in that box"),
    ("mass_jaccard_click", "outline at one click: Jaccard", "of a disc there"),
    ("malignancy_auc", "malignant, in a box: AUC", "from image geometry alone"),
)


def check_outlines(bundle: Bundle) -> None:
    """Raises BundleError for a bundle that outlines nothing at a prompt."""
    if bundle.system != _SYSTEM or "mask" not in bundle.labels:
        raise BundleError(
            f"bundle {bundle.name!r} of the system {bundle.system!r} outlines nothing: name one of "
            f"{_SYSTEM!r} with the label 'mask' in analysis.joint_bundle"
        )


@dataclass(frozen=True)
class _Outlined:
    """box : of the outline, in the pixels of ``image``, whose place in the source is ``window``."""

    lesion: PromptedLesion
    box: Box
    image: NDArray[np.uint8]
    window: tuple[int, int, int, int]


class PromptedPathway:
    """Outlines and measures what each prompt points at, and says how likely it is malignant.

    Malignancy only for boxes: the figures of the card are of boxes, as are the paper's. The same
    holds for the ``readers``, which read the box of the outline when all prompts were outlined: the
    liver beside a lesion must not hold the next one.
    """

    def __init__(
        self, segmenter: Any, bundle: Bundle, readers: Sequence[RegionReader] = ()
    ) -> None:
        check_outlines(bundle)
        self.model = replace(identity(bundle), figures=card_figures(bundle, _FIGURES))
        self._segmenter = segmenter
        self._calibrated = bundle.card.get("calibration", {})
        self._readers = readers
        self._outlined: list[_Outlined] = []
        self._abstentions: list[Abstention] = []

    def read(self, prompt: Prompt, frame: Frame | Dropped) -> None:
        """``frame`` is the one that the prompt names, or why there is none."""
        if isinstance(frame, Dropped):
            self._abstain(SUBJECT, frame.reason, prompt, frame.detail)
            return
        left, top = frame.window[:2]
        points = [(x - left, y - top) for x, y in prompt.points]
        if prompt.kind == "box":
            where = clicks.Prompt(box=(*points[0], *points[1]))
        else:
            where = clicks.Prompt(foreground=tuple(points))
        reading = self._segmenter.read(frame.image, where)
        outline = mask_outline(reading.mask, _TOLERANCE)
        if outline is None:
            self._abstain(SUBJECT, Reason.NOTHING_OUTLINED, prompt)
            return
        mask = np.zeros(frame.source.shape[:2], bool)
        mask[top : frame.window[3], left : frame.window[2]] = reading.mask
        # from the middles of pixels to SCOORD's corners
        border = tuple((round(x + left + 0.5, 1), round(y + top + 0.5, 1)) for x, y in outline)
        area = int(np.count_nonzero(mask))
        probabilities = self._probabilities(prompt, reading)
        lesion = PromptedLesion(
            tracking_id=f"prompt {prompt.id}",
            frame=frame.ref,
            outline=border,
            outline_kind="segmentation",
            probabilities=probabilities,
            model=self.model,
            diameters=diameters(border, frame.spacing),
            prompt=prompt,
            mask=mask,
            area_pixels=area,
            area_mm2=area * frame.spacing.row * frame.spacing.column if frame.spacing else None,
            conditions={label: self._condition(label) for label in probabilities},
            bounds={
                label: one for label, one in bounded(reading).items() if label in probabilities
            },
        )
        (x0, y0), (x1, y1) = np.min(outline, axis=0), np.max(outline, axis=0)
        box = (float(x0), float(y0), float(x1), float(y1))
        self._outlined.append(_Outlined(lesion, box, frame.image, frame.window))

    def conclude(self) -> Conclusion:
        lesions = [replace(one.lesion, readings=self._read(one)) for one in self._outlined]
        return Conclusion(
            prompted=tuple(lesions),
            heatmaps=tuple(
                _capture(lesion, one.window)
                for lesion, one in zip(lesions, self._outlined, strict=True)
            ),
            abstentions=tuple(self._abstentions),
        )

    def _read(self, outlined: _Outlined) -> tuple[RegionReading, ...]:
        """What each reader says of it."""
        lesion = outlined.lesion
        if lesion.prompt.kind != "box":
            return ()
        others = [
            one.box
            for one in self._outlined
            if one is not outlined and one.lesion.frame == lesion.frame
        ]
        region = Region(outlined.image, outlined.box, others=tuple(others))
        found = []
        for reader in self._readers:
            if (reading := reader.read(region)) is None:
                self._abstain("malignancy", Reason.NO_NUMBER, lesion.prompt, reader.model.name)
            else:
                found.append(reading)
        return tuple(found)

    def _probabilities(self, prompt: Prompt, reading: Any) -> dict[str, float]:
        found = {label: float(p) for label, p in reading.probabilities.items()}
        if not found:
            return {}
        if prompt.kind != "box":
            self._abstain("malignancy", Reason.BOX_NEEDED, prompt)
            return {}
        if not all(map(math.isfinite, found.values())):
            self._abstain("malignancy", Reason.NO_NUMBER, prompt)
            return {}
        return found

    def _condition(self, label: str) -> str:
        return "; ".join([IF_A_LESION, *[EQUAL_PRIOR] * (label in self._calibrated)])

    def _abstain(self, subject: str, reason: Reason, prompt: Prompt, detail: str = "") -> None:
        self._abstentions.append(at_prompt(subject, reason, prompt, detail))


def _capture(lesion: PromptedLesion, region: tuple[int, int, int, int]) -> HeatmapFinding:
    numbers = [f"Prompt {lesion.prompt.id}: {_size(lesion, lesion.diameters)}"]
    for label, p in lesion.probabilities.items():
        interval = interval_words(lesion.bounds, label)
        beside = f" ({interval})" if interval else ""
        numbers.append(f"{label.capitalize()}, {IF_A_LESION}: {p:.0%}{beside}")
    for reading in lesion.readings:
        said = ", ".join(f"{label} {p:.0%}" for label, p in reading.probabilities.items())
        numbers.append(f"{reading.model.name}: {said}")
    if lesion.prompt.kind != "box":
        numbers.append("Malignancy: not answered at a click; a box is needed")
    return HeatmapFinding(
        frame=lesion.frame,
        kind=SUBJECT,
        values=None,
        window=_surroundings(lesion, region),
        signed=False,
        caption=tuple(numbers),
        model=lesion.model,
        outline=lesion.outline,
        prompted=lesion,
    )


def _surroundings(
    lesion: PromptedLesion, region: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """The part of the region, of its shape, in which the lesion can be seen: ``_AROUND`` times its
    size and what was pointed at, but never less than half of the region's width and height."""
    corners = np.array([*lesion.outline, *lesion.prompt.points])
    low, high = corners.min(axis=0), corners.max(axis=0)
    x0, y0, x1, y1 = region
    whole = np.array([x1 - x0, y1 - y0])
    share = np.clip(_AROUND * (high - low).max() / whole.min(), 0.5, 1.0)
    size = np.ceil(share * whole)
    start = np.clip(np.floor((low + high - size) / 2), (x0, y0), (x1, y1) - size)
    left, top, right, bottom = (int(edge) for edge in (*start, *(start + size)))
    return left, top, right, bottom


def _size(lesion: PromptedLesion, measured: Diameters | None) -> str:
    assert measured is not None
    if measured.long_mm is None or measured.short_mm is None or lesion.area_mm2 is None:
        axes = " x ".join(
            f"{_length(axis):.0f}" for axis in (measured.long_axis, measured.short_axis)
        )
        return f"{axes} pixels, not calibrated: no mm"
    return (
        f"{measured.long_mm:.0f} x {measured.short_mm:.0f} mm, area {lesion.area_mm2 / 100:.1f} cm2"
    )


def _length(axis: tuple[Point, Point]) -> float:
    return math.dist(*axis)
