"""What every pathway over a study's frames has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Protocol

from workers.findings import (
    Abstention,
    Bounded,
    Dropped,
    FatFinding,
    Frame,
    FrameReading,
    FrameRef,
    HeatmapFinding,
    HepatorenalFinding,
    LesionFinding,
    ModelIdentity,
    Prompt,
    PromptedLesion,
    Reason,
)
from workers.messages import marked, say

IF_A_LESION = marked("if it is a lesion")
EQUAL_PRIOR = marked("calibrated as if both answers were equally frequent")


@dataclass(frozen=True)
class Conclusion:
    """What one pathway has to say of the whole study."""

    readings: tuple[FrameReading, ...] = ()
    lesions: tuple[LesionFinding, ...] = ()
    prompted: tuple[PromptedLesion, ...] = ()
    fat: FatFinding | None = None
    hepatorenal: HepatorenalFinding | None = None
    heatmaps: tuple[HeatmapFinding, ...] = field(default=(), repr=False)
    abstentions: tuple[Abstention, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Pathway(Protocol):
    """Frames come in batches, in the order of the study; one conclusion comes out."""

    model: ModelIdentity

    def read(self, frames: Sequence[Frame]) -> None: ...

    def conclude(self) -> Conclusion: ...


class AskedPathway(Protocol):
    """Prompts of its kinds come one by one, with the frame that each names or why there is none;
    one conclusion comes out."""

    model: ModelIdentity

    def read(self, prompt: Prompt, frame: Frame | Dropped) -> None: ...

    def conclude(self) -> Conclusion: ...


def not_counted(subject: str, reason: Reason, count: int, of: Sized) -> tuple[Abstention, ...]:
    """The abstention from ``count`` of the frames read; none when every frame counted."""
    if not count:
        return ()
    detail = say("{count} of {all} frames did not count", count=count, all=len(of))
    return (Abstention(subject, reason, detail),)


def bounded(reading: Any) -> dict[str, Bounded]:
    """By label, the probability of a model's reading with the interval of its calibration; only
    labels whose card has one."""
    return {
        label: Bounded(float(reading.probabilities[label]), float(low), float(high))
        for label, (low, high) in reading.intervals.items()
    }


def interval_words(bounds: Mapping[str, Bounded], label: str) -> str:
    """How a caption says it; nothing where there is none."""
    if label not in bounds:
        return ""
    _, low, high = bounds[label]
    return say("interval of the calibration {low:.0f}-{high:.0f}%", low=100 * low, high=100 * high)


def in_brackets(bounds: Mapping[str, Bounded], label: str) -> str:
    """The same after a number; nothing where there is none."""
    words = interval_words(bounds, label)
    return f" ({words})" if words else ""


def at_prompt(subject: str, reason: Reason, prompt: Prompt, detail: str = "") -> Abstention:
    """The abstention from what a prompt asks for."""
    where = say(
        "prompt {prompt}, frame {frame} of {image}",
        prompt=prompt.id,
        frame=prompt.number,
        image=prompt.sop_instance_uid,
    )
    return Abstention(subject, reason, f"{where}: {detail}" if detail else where)


def in_frame(frame: FrameRef, detail: str) -> str:
    """A detail of an abstention, with the frame that it is about."""
    return say(
        "frame {frame} of {image}: {detail}",
        frame=frame.number,
        image=frame.sop_instance_uid,
        detail=detail,
    )
