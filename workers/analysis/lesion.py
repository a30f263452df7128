"""The lesion pathway: the attention detector (paper 1) over a study's frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from workers.analysis.loaded import identity
from workers.analysis.outline import attended_region
from workers.analysis.pathway import (
    EQUAL_PRIOR,
    IF_A_LESION,
    Conclusion,
    bounded,
    interval_words,
    not_counted,
)
from workers.findings import (
    Abstention,
    Bounded,
    Frame,
    FrameReading,
    FrameRef,
    HeatmapFinding,
    LesionFinding,
    Reason,
)
from workers.rounding import decimals

_GIVEN = {"malignant": IF_A_LESION}


@dataclass(frozen=True)
class _Read:
    frame: FrameRef
    probabilities: dict[str, float]
    attention: NDArray[np.float32]
    window: tuple[int, int, int, int]  # of the attention, in source pixels
    bounds: dict[str, Bounded]


class LesionPathway:
    """Reads every frame; a lesion is suspected where its probability reaches the threshold.

    Of a cine loop only the frame with the highest probability speaks, so that one lesion seen
    in sixteen frames is not sixteen findings.
    """

    def __init__(self, detector: Any, bundle: Bundle, key_frames: int) -> None:
        self.model = identity(bundle)
        self._detector = detector
        self._key_frames = key_frames
        self._thresholds = {
            label: float(row["probability"]) for label, row in bundle.card["thresholds"].items()
        }
        calibrated = bundle.card.get("calibration", {})
        self._conditions = {
            label: "; ".join(
                filter(None, (_GIVEN.get(label), EQUAL_PRIOR if label in calibrated else ""))
            )
            for label in self._thresholds
        }
        self._reads: list[_Read] = []

    def read(self, frames: Sequence[Frame]) -> None:
        readings = self._detector.read([frame.image for frame in frames])
        for frame, reading in zip(frames, readings, strict=True):
            left, top = frame.window[:2]
            x0, y0, x1, y1 = reading.window
            self._reads.append(
                _Read(
                    frame.ref,
                    {label: float(value) for label, value in reading.probabilities.items()},
                    reading.attention,
                    (left + x0, top + y0, left + x1, top + y1),
                    bounded(reading),
                )
            )

    def conclude(self) -> Conclusion:
        counted = [r for r in self._reads if all(map(math.isfinite, r.probabilities.values()))]
        left_out = len(self._reads) - len(counted)
        abstentions = not_counted("lesion", Reason.NO_NUMBER, left_out, self._reads)
        if not counted:
            return Conclusion(abstentions=abstentions, thresholds=self._thresholds)
        speaking: dict[str, _Read] = {}
        for read in counted:
            best = speaking.get(read.frame.sop_instance_uid)
            if best is None or read.probabilities["lesion"] > best.probabilities["lesion"]:
                speaking[read.frame.sop_instance_uid] = read
        ranked = sorted(speaking.values(), key=lambda read: -read.probabilities["lesion"])
        suspected = [r for r in ranked if r.probabilities["lesion"] >= self._thresholds["lesion"]]
        lesions = tuple(
            LesionFinding(
                tracking_id=f"lesion {number}",
                frame=read.frame,
                outline=attended_region(read.attention, read.window),
                outline_kind="attention",
                probabilities=read.probabilities,
                model=self.model,
                bounds=read.bounds,
            )
            for number, read in enumerate(suspected, start=1)
        )
        shown = suspected[: self._key_frames] or ranked[:1]
        outlines = {lesion.frame: lesion.outline for lesion in lesions}
        if lesions:
            abstentions += (Abstention("lesion size", Reason.NOT_MEASURED),)
        return Conclusion(
            readings=tuple(
                FrameReading(read.frame, read.probabilities, read.bounds) for read in counted
            ),
            lesions=lesions,
            heatmaps=tuple(self._heatmap(read, outlines.get(read.frame, ())) for read in shown),
            abstentions=abstentions,
            thresholds=self._thresholds,
            conditions=self._conditions,
        )

    def _heatmap(self, read: _Read, outline: tuple[tuple[float, float], ...]) -> HeatmapFinding:
        suspected = read.probabilities["lesion"] >= self._thresholds["lesion"]
        verdict = "suspected" if suspected else "not suspected"
        caption = [f"Lesion {verdict}: {self._beside_threshold(read, 'lesion')}"]
        if suspected and "malignant" in read.probabilities:
            numbers = self._beside_threshold(read, "malignant")
            caption.append(f"Malignant, {_GIVEN['malignant']}: {numbers}")
        return HeatmapFinding(
            frame=read.frame,
            kind="lesion attention",
            values=read.attention,
            window=read.window,
            signed=False,
            caption=tuple(caption),
            model=self.model,
            outline=outline,
        )

    def _beside_threshold(self, read: _Read, label: str) -> str:
        p, threshold = read.probabilities[label], self._thresholds[label]
        digits = decimals(p, threshold, 0)
        beside = [interval_words(read.bounds, label, digits), f"threshold {threshold:.{digits}%}"]
        return f"{p:.{digits}%} ({'; '.join(filter(None, beside))})"
