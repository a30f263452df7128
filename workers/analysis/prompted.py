"""The prompted pathway: the joint system (paper 4) on the frames in which operators pointed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.lesion import clicks
from models.lesion.region import Box, Region
from workers.analysis.outlining import Outliner, reading_in_words, size_in_words, surroundings
from workers.analysis.pathway import Conclusion, at_prompt, in_brackets
from workers.analysis.regions import RegionReader
from workers.findings import (
    Abstention,
    Dropped,
    Frame,
    HeatmapFinding,
    Prompt,
    PromptedLesion,
    Reason,
    RegionReading,
)
from workers.messages import say

SUBJECT = "prompted lesion"


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
        self._outliner = Outliner(segmenter, bundle)
        self.model = self._outliner.model
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
        (outline,) = self._outliner.outline(frame, [where])
        if outline is None:
            self._abstain(SUBJECT, Reason.NOTHING_OUTLINED, prompt)
            return
        probabilities = outline.probabilities
        if probabilities and prompt.kind != "box":
            self._abstain("malignancy", Reason.BOX_NEEDED, prompt)
            probabilities = {}
        elif not outline.are_numbers:
            self._abstain("malignancy", Reason.NO_NUMBER, prompt)
            probabilities = {}
        lesion = PromptedLesion(
            tracking_id=f"prompt {prompt.id}",
            frame=frame.ref,
            outline=outline.border,
            outline_kind="segmentation",
            probabilities=probabilities,
            model=self.model,
            diameters=outline.diameters,
            prompt=prompt,
            mask=outline.mask,
            area_pixels=outline.area_pixels,
            area_mm2=outline.area_mm2,
            outlined_by=self.model,
            conditions={label: self._outliner.condition(label) for label in probabilities},
            bounds=outline.bounds if probabilities else {},
        )
        self._outlined.append(_Outlined(lesion, outline.box, frame.image, frame.window))

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
            if (reading := reader.read([region])) is None:
                self._abstain("malignancy", Reason.NO_NUMBER, lesion.prompt, reader.model.name)
            else:
                found.append(reading)
        return tuple(found)

    def _abstain(self, subject: str, reason: Reason, prompt: Prompt, detail: str = "") -> None:
        self._abstentions.append(at_prompt(subject, reason, prompt, detail))


def _capture(lesion: PromptedLesion, region: tuple[int, int, int, int]) -> HeatmapFinding:
    size = size_in_words(lesion)
    numbers = [say("Prompt {prompt}: {size}", prompt=lesion.prompt.id, size=size)]
    numbers += [
        say(
            "{label}, if it is a lesion: {numbers}",
            label=say(label.capitalize()),
            numbers=f"{p:.0%}{in_brackets(lesion.bounds, label)}",
        )
        for label, p in lesion.probabilities.items()
    ]
    numbers += [reading_in_words(reading) for reading in lesion.readings]
    if lesion.prompt.kind != "box":
        numbers.append(say("Malignancy: not answered at a click; a box is needed"))
    return HeatmapFinding(
        frame=lesion.frame,
        kind=SUBJECT,
        values=None,
        window=surroundings((*lesion.outline, *lesion.prompt.points), region),
        signed=False,
        caption=tuple(numbers),
        model=lesion.model,
        outline=lesion.outline,
        outlined=lesion,
    )
