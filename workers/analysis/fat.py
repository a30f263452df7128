"""The fat pathway: the multi-view estimator (paper 5) over a study's frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.bundle import Bundle
from workers.analysis.loaded import identity
from workers.analysis.pathway import Conclusion, not_counted
from workers.analysis.seen import seen_by
from workers.findings import (
    FatFinding,
    Frame,
    FrameRef,
    HeatmapFinding,
    Reason,
)
from workers.messages import marked, say


@dataclass(frozen=True)
class _Read:
    frame: FrameRef
    corner: tuple[int, int]  # of the frame's image in its source
    named: bool  # its view by a model
    reading: Any  # models.fat.multiview.FatReading

    @property
    def is_number(self) -> bool:
        reading = self.reading
        return all(map(math.isfinite, (reading.fat_percent, reading.p_5, reading.p_10)))


class FatPathway:
    """Reads every frame with its view's estimator and averages over the views.

    Frames unlike those that the model was fitted on do not count: for ten real livers of 1 to 4 %
    fat, the estimator fitted on simulated frames would say 5 to 16 %.
    """

    def __init__(self, estimator: Any, bundle: Bundle, key_frames: int) -> None:
        self.model = identity(bundle)
        self._estimator = estimator
        self._key_frames = key_frames
        self._reads: list[_Read] = []

    def read(self, frames: Sequence[Frame]) -> None:
        seen = seen_by(self._estimator.features, frames)
        readings = self._estimator.of_seen(seen, [frame.view for frame in frames])
        self._reads += [
            _Read(frame.ref, frame.window[:2], frame.view_by_model, reading)
            for frame, reading in zip(frames, readings, strict=True)
        ]

    def conclude(self) -> Conclusion:
        numbers = [read for read in self._reads if read.is_number]
        familiar = [read for read in numbers if read.reading.familiar]
        abstentions = (
            *not_counted("fat", Reason.NO_NUMBER, len(self._reads) - len(numbers), self._reads),
            *not_counted("fat", Reason.UNFAMILIAR, len(numbers) - len(familiar), self._reads),
        )
        if not familiar:
            return Conclusion(abstentions=abstentions)
        estimate = self._estimator.combine([read.reading for read in familiar])
        used = [r for r in familiar if any(r.reading is one for one in estimate.frames)]
        finding = FatFinding(
            fat_percent=float(estimate.fat_percent),
            p_5=float(estimate.p_5),
            p_10=float(estimate.p_10),
            views=tuple(estimate.views),
            frames=tuple(read.frame for read in used),
            frames_of_unknown_view=sum(read.reading.view is None for read in used),
            frames_not_counted=len(familiar) - len(used),
            model=self.model,
            frames_of_named_view=sum(read.named for read in used),
        )
        heatmaps = tuple(self._heatmaps(used, finding))
        return Conclusion(fat=finding, heatmaps=heatmaps, abstentions=abstentions)

    def _heatmaps(self, used: Sequence[_Read], finding: FatFinding) -> list[HeatmapFinding]:
        """One per view, of its first frame: the same views as the estimate averages over."""
        shown: dict[str | None, HeatmapFinding] = {}
        for read in used:
            reading, (left, top) = read.reading, read.corner
            if reading.view in shown:
                continue
            x0, y0, x1, y1 = reading.window
            shown[reading.view] = HeatmapFinding(
                frame=read.frame,
                kind="fat activation",
                values=reading.cam,
                window=(left + x0, top + y0, left + x1, top + y1),
                signed=True,
                caption=_caption(read, finding),
                model=self.model,
            )
        return list(shown.values())[: self._key_frames]


def _caption(read: _Read, study: FatFinding) -> tuple[str, ...]:
    frame = read.reading
    view = say(frame.view or marked("unknown"))
    by_model = say("View: {view}, named by a model", view=view)
    return (
        by_model if read.named else say("View: {view}", view=view),
        say(
            "This frame: fat {fat:.0f} %, P(fat >= 5 %) {p_5:.0%}, P(>= 10 %) {p_10:.0%}",
            fat=frame.fat_percent,
            p_5=frame.p_5,
            p_10=frame.p_10,
        ),
        say(
            "Study: fat {fat:.0f} %, P(fat >= 5 %) {p_5:.0%}, P(>= 10 %) {p_10:.0%}",
            fat=study.fat_percent,
            p_5=study.p_5,
            p_10=study.p_10,
        ),
    )
