"""The hepatorenal pathway: the index of the squares in liver and kidney at which operators pointed,
and the fat that goes with it, fitted on biopsies (beside paper 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from models.bundle import Bundle
from models.errors import BundleError
from models.fat.squares import Box, SquaresReading, Unfit, read_squares
from workers.analysis.loaded import figure_words, identity
from workers.analysis.pathway import Conclusion, at_prompt
from workers.findings import (
    Abstention,
    Bounded,
    Dropped,
    FatFinding,
    Frame,
    HeatmapFinding,
    HepatorenalFinding,
    Point,
    Prompt,
    Reason,
    RegionPair,
)
from workers.messages import counted, marked, say

SUBJECT = "hepatorenal index"
FAT_SUBJECT = "fat from the hepatorenal index"
CAPTURE = "hepatorenal index"
_SYSTEM = "fat.hepatorenal"
_REASONS = {
    Unfit.OUTSIDE: Reason.OUTSIDE_REGION,
    Unfit.SMALL: Reason.TOO_SMALL,
    Unfit.OVERLAP: Reason.REGIONS_OVERLAP,
    Unfit.APART: Reason.REGIONS_APART,
    Unfit.DARK: Reason.REGION_DARK,
    Unfit.SATURATED: Reason.REGION_SATURATED,
}
_FIGURES = (
    ("fat_percent", "spearman", marked("fat against biopsy: Spearman correlation")),
    ("p_5", "auc", marked("5 % or more: AUC")),
    ("p_10", "auc", marked("10 % or more: AUC")),
)
_REGIONS = {"liver": marked("the liver region"), "kidney": marked("the kidney region")}


def check_reads_indices(bundle: Bundle) -> None:
    """Raises BundleError for a bundle that says nothing of a hepatorenal index."""
    if bundle.system != _SYSTEM:
        raise BundleError(
            f"bundle {bundle.name!r} of the system {bundle.system!r} reads no hepatorenal index: "
            f"name one of {_SYSTEM!r} in analysis.hepatorenal_bundle"
        )


class HepatorenalPathway:
    """Measures each pair of squares; the study's index is their median, as a patient's was in the
    fit. Whether the squares show liver and kidney nobody judges but the operator."""

    def __init__(self, system: Any, bundle: Bundle) -> None:
        check_reads_indices(bundle)
        self.model = replace(identity(bundle), figures="; ".join(_figures(bundle)))
        self._system = system
        self._pairs: list[tuple[RegionPair, tuple[int, int, int, int]]] = []
        self._abstentions: list[Abstention] = []

    def read(self, prompt: Prompt, frame: Frame | Dropped) -> None:
        """``frame`` is the one that the prompt names, or why there is none."""
        if isinstance(frame, Dropped):
            self._abstentions.append(at_prompt(SUBJECT, frame.reason, prompt, frame.detail))
            return
        left, top = frame.window[:2]
        liver, kidney = ((x - left, y - top) for x, y in prompt.points)
        reading = read_squares(frame.image, liver, kidney)
        if reading.reason is not None:
            reason, detail = _REASONS[reading.reason], _detail(reading)
            self._abstentions.append(at_prompt(SUBJECT, reason, prompt, detail))
            return
        assert reading.index is not None
        gap = reading.depth_gap * frame.image.shape[0]
        pair = RegionPair(
            prompt=prompt,
            frame=frame.ref,
            liver=_corners(reading.liver, left, top),
            kidney=_corners(reading.kidney, left, top),
            liver_level=reading.levels[0],
            kidney_level=reading.levels[1],
            index=reading.index,
            depth_gap=gap,
            depth_gap_mm=gap * frame.spacing.row if frame.spacing else None,
        )
        self._pairs.append((pair, frame.window))

    def conclude(self) -> Conclusion:
        if not self._pairs:
            return Conclusion(abstentions=tuple(self._abstentions))
        estimate = self._system.estimate([pair.index for pair, _ in self._pairs])
        known = estimate.within
        finding = HepatorenalFinding(
            index=estimate.index,
            fat=Bounded(*estimate.fat_percent) if known else None,
            p_5=Bounded(*estimate.p_5) if known else None,
            p_10=Bounded(*estimate.p_10) if known else None,
            pairs=tuple(pair for pair, _ in self._pairs),
            model=self.model,
        )
        if not known:
            low, high = self._system.curve.known
            detail = say(
                "index {index:.2f}, fitted on {low:.2f} to {high:.2f}",
                index=estimate.index,
                low=low,
                high=high,
            )
            self._abstentions.append(Abstention(FAT_SUBJECT, Reason.BEYOND_FITTED, detail))
        return Conclusion(
            hepatorenal=finding,
            heatmaps=tuple(_capture(pair, window, finding) for pair, window in self._pairs),
            abstentions=tuple(self._abstentions),
        )


def beside(mine: HepatorenalFinding | None, other: FatFinding | None) -> tuple[str, ...]:
    """What a reader must know who finds two estimates of fat in one report."""
    if mine is None or mine.fat is None or other is None:
        return ()
    words = say(
        "Two estimates of liver fat stand beside each other; they are on different scales and are "
        "never averaged. From the hepatorenal index: {cells:.0f} % of liver cells, {index_model}, "
        "{index_standing}. From several views: {fat:.0f} %, {view_model}, {view_standing}.",
        cells=mine.fat.value,
        index_model=mine.model.name,
        index_standing=say(mine.model.validation_status),
        fat=other.fat_percent,
        view_model=other.model.name,
        view_standing=say(other.model.validation_status),
    )
    return (words,)


def _corners(box: Box, left: int, top: int) -> tuple[Point, Point]:
    x0, y0, x1, y1 = box
    return (float(x0 + left), float(y0 + top)), (float(x1 + left), float(y1 + top))


def _detail(reading: SquaresReading) -> str:
    if reading.reason is Unfit.APART:
        return say("{share:.0%} of the image's depth", share=abs(reading.depth_gap))
    region = say(_REGIONS.get(reading.organ, ""))
    if reading.reason is Unfit.OUTSIDE:
        return say("{region}, a square around the place, reaches out of it", region=region)
    return region


def _capture(
    pair: RegionPair, window: tuple[int, int, int, int], finding: HepatorenalFinding
) -> HeatmapFinding:
    return HeatmapFinding(
        frame=pair.frame,
        kind=CAPTURE,
        values=None,
        window=window,
        signed=False,
        caption=tuple(_numbers(pair, finding)),
        model=finding.model,
        pair=pair,
    )


def _numbers(pair: RegionPair, finding: HepatorenalFinding) -> Iterator[str]:
    yield say(
        "Prompt {prompt}: index {index:.2f} (liver {liver:.0f} over kidney {kidney:.0f})",
        prompt=pair.prompt.id,
        index=pair.index,
        liver=pair.liver_level,
        kidney=pair.kidney_level,
    )
    if (pairs := len(finding.pairs)) > 1:
        yield counted(
            "Study: index {index:.2f}, the median of {n} pair",
            "Study: index {index:.2f}, the median of {n} pairs",
            pairs,
            index=finding.index,
        )
    if finding.fat is None or finding.p_5 is None or finding.p_10 is None:
        yield say("Fat: not answered, the index lies beyond those that the model was fitted on")
        return
    fat, low, high = finding.fat
    yield say(
        "Liver cells with fat: {fat:.0f} % (4 of 5 patients: {low:.0f} to {high:.0f} %)",
        fat=fat,
        low=low,
        high=high,
    )
    yield say(
        "Probability of 5 % or more: {p_5:.0f} %, of 10 % or more: {p_10:.0f} %",
        p_5=100 * finding.p_5.value,
        p_10=100 * finding.p_10.value,
    )


def _figures(bundle: Bundle) -> Iterator[str]:
    """How good the estimate is, from the card. What brightness alone reaches there is not shown:
    the patches it was measured on had been multiplied by the index."""
    for label, key, title in _FIGURES:
        if figure := bundle.card.get("figures", {}).get(label, {}).get(key):
            yield figure_words(title, figure)
    if patients := bundle.card.get("data", {}).get("patients"):
        yield counted("{n} patient", "{n} patients", patients)
