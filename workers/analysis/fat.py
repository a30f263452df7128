"""The fat pathway: the multi-view estimator (paper 5) over a study's frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.bundle import Bundle
from workers.analysis.loaded import identity
from workers.analysis.pathway import Conclusion
from workers.findings import FatFinding, Frame, FrameRef, HeatmapFinding


class FatPathway:
    """Reads every frame with its view's estimator and averages over the views."""

    def __init__(self, estimator: Any, bundle: Bundle, key_frames: int) -> None:
        self.model = identity(bundle)
        self._estimator = estimator
        self._key_frames = key_frames
        self._frames: list[tuple[FrameRef, tuple[int, int]]] = []
        self._readings: list[Any] = []

    def read(self, frames: Sequence[Frame]) -> None:
        self._readings += self._estimator.read(
            [frame.image for frame in frames], [frame.view for frame in frames]
        )
        self._frames += [(frame.ref, frame.window[:2]) for frame in frames]

    def conclude(self) -> Conclusion:
        if not self._readings:
            return Conclusion()
        estimate = self._estimator.combine(self._readings)
        finding = FatFinding(
            fat_percent=float(estimate.fat_percent),
            p_5=float(estimate.p_5),
            p_10=float(estimate.p_10),
            views=tuple(estimate.views),
            frames=tuple(ref for ref, _ in self._frames),
            frames_of_unknown_view=sum(reading.view is None for reading in self._readings),
            model=self.model,
        )
        return Conclusion(fat=finding, heatmaps=tuple(self._heatmaps(finding)))

    def _heatmaps(self, finding: FatFinding) -> list[HeatmapFinding]:
        """One per view, of its first frame: the same views as the estimate averages over."""
        shown: dict[str | None, HeatmapFinding] = {}
        for (ref, (left, top)), reading in zip(self._frames, self._readings, strict=True):
            if reading.view in shown:
                continue
            x0, y0, x1, y1 = reading.window
            shown[reading.view] = HeatmapFinding(
                frame=ref,
                kind="fat activation",
                values=reading.cam,
                window=(left + x0, top + y0, left + x1, top + y1),
                signed=True,
                caption=(
                    f"View: {reading.view or 'unknown'}",
                    f"This frame: fat {reading.fat_percent:.0f} %, "
                    f"P(fat >= 5 %) {reading.p_5:.0%}, P(>= 10 %) {reading.p_10:.0%}",
                    f"Study: fat {finding.fat_percent:.0f} %, "
                    f"P(fat >= 5 %) {finding.p_5:.0%}, P(>= 10 %) {finding.p_10:.0%}",
                ),
                model=self.model,
            )
        return list(shown.values())[: self._key_frames]
