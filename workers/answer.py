"""What a study's frames say together of focal lesions, and how they came to it.

Every frame speaks that passed the gate and for which the detector gave a number. One frame that
reaches the threshold is enough: a sweep shows a lesion in few of its frames, so no vote is taken
and nothing is averaged. That has a price, which is said: the more frames, the likelier one of them
is wrong. The highest probability is quoted as that of its frame; the study has none of its own,
for neighbouring frames are no independent witnesses, and nobody measured how they depend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from workers.findings import Bounded, FoundLesion, FrameRef, OutlinedLesion, StudyFindings
from workers.messages import counted, say
from workers.rounding import beside_threshold


@dataclass(frozen=True)
class StudyAnswer:
    """frames, images : how many spoke. suspecting_frames, suspecting_images : those that reach
    ``threshold``, an image by one frame at least. divided_images : of which other frames do not.
    highest : the largest probability, of ``frame``; bounds : by label, its interval there.
    outlined : findings with a border. attended : those that are only where the detector looked.
    linked : findings of several frames. images_with_findings : of how many images all these are.
    unfamiliar : frames that are unlike those that the detector learned from.
    """

    frames: int
    images: int
    suspecting_frames: int
    suspecting_images: int
    divided_images: int
    threshold: float
    highest: float
    frame: FrameRef
    bounds: Mapping[str, Bounded] = field(default_factory=dict)
    outlined: int = 0
    attended: int = 0
    linked: int = 0
    images_with_findings: int = 0
    unfamiliar: int = 0

    @property
    def suspected(self) -> bool:
        """The study's answer."""
        return self.suspecting_frames > 0

    @property
    def divided(self) -> bool:
        """Whether some frames say yes and others no."""
        return 0 < self.suspecting_frames < self.frames

    @property
    def sentences(self) -> tuple[str, ...]:
        """The answer, how the frames came to it, and what was found, for the report."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        of_frames = counted("of {n} frame", "of {n} frames", self.frames)
        of_images = counted("of {n} image", "of {n} images", self.images)
        if self.suspected:
            yield say(
                "Lesion suspected in {frames} {of_frames}, in {images} {of_images}.",
                frames=self.suspecting_frames,
                of_frames=of_frames,
                images=self.suspecting_images,
                of_images=of_images,
            )
        else:
            yield say(
                "No lesion suspected: none {of_frames} {of_images} reaches the threshold.",
                of_frames=of_frames,
                of_images=of_images,
            )
        if self.untested:
            yield self.untested
        if self.divided:
            yield f"{self._disagreement()} " + say(
                "One that reaches the threshold decides for the study, for a sweep shows a lesion "
                "in few of its frames; the more frames, the likelier one of them is wrong."
            )
        yield say(
            "The highest probability is {probability}, of frame {frame} of {image}. It is that "
            "frame's; none was computed for the study.",
            probability=beside_threshold(self.highest, self.threshold),
            frame=self.frame.number,
            image=self.frame.sop_instance_uid,
        )
        if self.suspected:
            yield counted(
                "{n} finding: {outlined} outlined and measured, {attended} only where the detector "
                "looked.",
                "{n} findings: {outlined} outlined and measured, {attended} only where the "
                "detector looked.",
                self.outlined + self.attended,
                outlined=self.outlined,
                attended=self.attended,
            )
        if self.linked:
            yield say("Outlines that overlap from frame to frame of an image are one finding.")
        if self.images_with_findings > 1:
            yield say(
                "Findings of different images were not merged: images have no position relative to "
                "each other, so one lesion may stand here more than once."
            )

    @property
    def untested(self) -> str:
        """What an answer from frames of another sort is worth; nothing where there are none."""
        if not self.unfamiliar:
            return ""
        return counted(
            "{unfamiliar} of {n} frame is unlike the images that the detector learned from: what "
            "its answer is worth there, nobody tested.",
            "{unfamiliar} of {n} frames are unlike the images that the detector learned from: what "
            "its answer is worth there, nobody tested.",
            self.frames,
            unfamiliar=self.unfamiliar,
        )

    def _disagreement(self) -> str:
        if not self.divided_images:
            return say("The frames disagree.")
        return counted(
            "The frames disagree within {n} image.",
            "The frames disagree within {n} images.",
            self.divided_images,
        )


def study_answer(findings: StudyFindings) -> StudyAnswer | None:
    """What the frames and the lesions come to; None where no frame spoke."""
    threshold, lesions = findings.thresholds.get("lesion"), findings.lesions
    readings = [r for r in findings.readings if math.isfinite(r.probabilities["lesion"])]
    if threshold is None or not readings:
        return None
    verdicts: dict[str, list[bool]] = {}
    for one in readings:
        of_image = verdicts.setdefault(one.frame.sop_instance_uid, [])
        of_image.append(one.probabilities["lesion"] >= threshold)
    strongest = max(readings, key=lambda one: one.probabilities["lesion"])
    outlined = [one for one in lesions if isinstance(one, OutlinedLesion)]
    return StudyAnswer(
        frames=len(readings),
        images=len(verdicts),
        suspecting_frames=sum(map(sum, verdicts.values())),
        suspecting_images=sum(map(any, verdicts.values())),
        divided_images=sum(any(said) and not all(said) for said in verdicts.values()),
        threshold=threshold,
        highest=strongest.probabilities["lesion"],
        frame=strongest.frame,
        bounds=strongest.bounds,
        outlined=len(outlined),
        attended=len(lesions) - len(outlined),
        linked=sum(isinstance(one, FoundLesion) and len(one.seen_in) > 1 for one in lesions),
        images_with_findings=len({one.frame.sop_instance_uid for one in lesions}),
        unfamiliar=sum(one.familiar is False for one in readings),
    )
