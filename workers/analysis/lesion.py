"""The lesion pathway: the attention detector (paper 1) over a study's frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.images import Window
from models.lesion.proposals import MOST, SMALLEST
from workers.analysis.found import SIZE, Finder, Look, Sighting, Suspected
from workers.analysis.loaded import identity
from workers.analysis.outline import attended_region
from workers.analysis.outlining import reading_in_words, size_in_words
from workers.analysis.pathway import (
    EQUAL_PRIOR,
    IF_A_LESION,
    Conclusion,
    bounded,
    in_frame,
    interval_words,
    not_counted,
)
from workers.analysis.tracks import Tracks
from workers.findings import (
    Abstention,
    Bounded,
    Frame,
    FrameReading,
    FrameRef,
    HeatmapFinding,
    LesionFinding,
    OutlinedLesion,
    Reason,
)
from workers.messages import counted, marked, say
from workers.rounding import beside_threshold

UNFAMILIAR = marked("Untested: unlike the images that the detector learned from")

_NAME = "lesion "


def _nowhere() -> None:
    """No finder: a lesion is suspected, and not looked for."""


@dataclass(frozen=True)
class _Read:
    frame: FrameRef
    probabilities: dict[str, float]
    attention: NDArray[np.float32]
    window: Window  # of the attention, in source pixels
    bounds: dict[str, Bounded]
    familiar: bool | None

    @property
    def counts(self) -> bool:
        return all(map(math.isfinite, self.probabilities.values()))


@dataclass(frozen=True)
class _Suspicion:
    """What becomes a finding: a lesion that was outlined, or all that a frame has to say."""

    read: _Read
    sighting: Sighting | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is stronger."""
        return (-self.read.probabilities["lesion"], -self.sighting.rank if self.sighting else 0.0)


class LesionPathway:
    """Reads every frame; a lesion is suspected where its probability reaches the threshold.

    find : opens what finds lesions in suspected frames; called once, when there is one. What it
    finds in the frames of an image is linked (``tracks``). Where it finds nothing, the frame of the
    image with the highest probability speaks, so that one lesion seen in sixteen frames is not
    sixteen findings, and the finding is no more than the region that the detector attended to.
    """

    def __init__(
        self,
        detector: Any,
        bundle: Bundle,
        key_frames: int,
        find: Callable[[], Finder | None] = _nowhere,
    ) -> None:
        self.model = identity(bundle)
        self._detector = detector
        self._key_frames = key_frames
        self._find = find
        self._lacks = bundle.lacks
        self._thresholds = {
            label: float(row["probability"]) for label, row in bundle.card["thresholds"].items()
        }
        calibrated = bundle.card.get("calibration", {})
        self._conditions = {
            label: _condition(label, label in calibrated) for label in self._thresholds
        }
        self._reads: dict[str, list[_Read]] = {}  # by image
        self._tracks: dict[str, Tracks] = {}
        self._looks: dict[FrameRef, Look] = {}

    def read(self, frames: Sequence[Frame]) -> None:
        readings = self._detector.read([frame.image for frame in frames])
        suspected: list[tuple[int, Suspected]] = []
        for frame, reading in zip(frames, readings, strict=True):
            left, top = frame.window[:2]
            x0, y0, x1, y1 = reading.window
            probabilities = {label: float(p) for label, p in reading.probabilities.items()}
            window = (left + x0, top + y0, left + x1, top + y1)
            bounds, familiar = bounded(reading), self._knows(frame)
            read = _Read(frame.ref, probabilities, reading.attention, window, bounds, familiar)
            of_image = self._reads.setdefault(frame.ref.sop_instance_uid, [])
            if self._suspects(read):
                one = Suspected(
                    frame,
                    probabilities,
                    self._conditions,
                    self.model,
                    reading.attention,
                    reading.window,
                    bounds,
                )
                suspected.append((len(of_image), one))
            of_image.append(read)
        if suspected and (finder := self._find()) is not None:
            looks = finder.look([one for _, one in suspected])
            for (place, one), look in zip(suspected, looks, strict=True):
                ref = one.frame.ref
                self._looks[ref] = replace(look, sightings=())  # the tracks keep what they need
                self._tracks.setdefault(ref.sop_instance_uid, Tracks()).add(place, look.sightings)

    def conclude(self) -> Conclusion:
        reads = [read for of_image in self._reads.values() for read in of_image]
        numbers = [read for read in reads if read.counts]
        left_out = len(reads) - len(numbers)
        abstentions = [*not_counted("lesion", Reason.NO_NUMBER, left_out, reads)]
        if not numbers:
            return Conclusion(abstentions=tuple(abstentions), thresholds=self._thresholds)
        ranked = sorted(self._suspicions(), key=lambda one: one.rank)
        lesions: list[LesionFinding] = []
        for number, suspicion in enumerate(ranked, start=1):
            lesion, unanswered = self._finding(suspicion, f"{_NAME}{number}")
            lesions.append(lesion)
            abstentions += unanswered
        if lesions and self._lacks:
            types = ", ".join(map(say, self._lacks))
            abstentions.append(Abstention("lesion type", Reason.NOT_LEARNED, types))
        shown = [
            self._heatmap(suspicion.read, lesion)
            for suspicion, lesion in zip(ranked, lesions, strict=True)
        ] or [self._heatmap(max(numbers, key=lambda read: read.probabilities["lesion"]), None)]
        return Conclusion(
            readings=tuple(
                FrameReading(read.frame, read.probabilities, read.bounds, read.familiar)
                for read in numbers
            ),
            lesions=tuple(lesions),
            heatmaps=tuple(shown[: self._key_frames]),
            abstentions=tuple(dict.fromkeys(abstentions)),
            thresholds=self._thresholds,
            conditions=self._conditions,
            notes=tuple(self._notes()),
        )

    def _knows(self, frame: Frame) -> bool | None:
        familiar = self._detector.familiar
        return None if familiar is None else familiar.knows(frame.seen)

    def _suspects(self, read: _Read) -> bool:
        return read.counts and read.probabilities["lesion"] >= self._thresholds["lesion"]

    def _suspicions(self) -> Iterator[_Suspicion]:
        for image, reads in self._reads.items():
            suspected = {read.frame: read for read in reads if self._suspects(read)}
            sightings = [track.sighting for track in self._tracks.get(image, ())]
            for sighting in sightings:
                yield _Suspicion(suspected[sighting.lesion.frame], sighting)
            if suspected and not sightings:
                yield _Suspicion(max(suspected.values(), key=lambda r: r.probabilities["lesion"]))

    def _finding(
        self, suspicion: _Suspicion, tracking_id: str
    ) -> tuple[LesionFinding, list[Abstention]]:
        """The finding of that name, and what of it was not answered."""
        read = suspicion.read
        if suspicion.sighting is not None and (finder := self._find()) is not None:
            lesion, unanswered = finder.read(suspicion.sighting)
            return replace(lesion, tracking_id=tracking_id), unanswered
        attended = LesionFinding(
            tracking_id=tracking_id,
            frame=read.frame,
            outline=attended_region(read.attention, read.window),
            outline_kind="attention",
            probabilities=read.probabilities,
            model=self.model,
            bounds=read.bounds,
        )
        look = self._looks.get(read.frame)
        if look is None or look.reason is None:
            return attended, [Abstention(SIZE, Reason.NOT_MEASURED)]
        return attended, [Abstention(SIZE, look.reason, in_frame(read.frame, look.detail))]

    def _notes(self) -> Iterator[str]:
        """What the map of masses shows and nobody followed."""
        if small := sum(look.small for look in self._looks.values()):
            yield counted(
                "Of the map of masses not followed: {n} part, smaller than {share:.1%} of the fan, "
                "as good as no outlined mass of the public set.",
                "Of the map of masses not followed: {n} parts, smaller than {share:.1%} of the "
                "fan, as good as no outlined mass of the public set.",
                small,
                share=SMALLEST,
            )
        if further := sum(look.further for look in self._looks.values()):
            yield counted(
                "Of the map of masses not followed: {n} part, beyond the {most} that the detector "
                "attended to most in their frame.",
                "Of the map of masses not followed: {n} parts, beyond the {most} that the detector "
                "attended to most in their frame.",
                further,
                most=MOST,
            )

    def _heatmap(self, read: _Read, lesion: LesionFinding | None) -> HeatmapFinding:
        numbers = self._beside_threshold(read, "lesion")
        if lesion is None:
            caption = [say("Lesion not suspected: {numbers}", numbers=numbers)]
        else:
            caption = [say("Lesion suspected: {numbers}", numbers=numbers)]
        if read.familiar is False:
            caption.append(say(UNFAMILIAR))
        if lesion is not None and "malignant" in read.probabilities:
            numbers = self._beside_threshold(read, "malignant")
            caption.append(say("Malignant, if it is a lesion: {numbers}", numbers=numbers))
        outlined = lesion if isinstance(lesion, OutlinedLesion) else None
        if outlined is not None:
            number, size = outlined.tracking_id.removeprefix(_NAME), size_in_words(outlined)
            caption.append(say("Lesion {number}: {size}", number=number, size=size))
            caption += [reading_in_words(reading) for reading in outlined.readings]
        return HeatmapFinding(
            frame=read.frame,
            kind="lesion attention",
            values=read.attention,
            window=read.window,
            signed=False,
            caption=tuple(caption),
            model=self.model,
            outline=lesion.outline if lesion else (),
            outlined=outlined,
        )

    def _beside_threshold(self, read: _Read, label: str) -> str:
        said = beside_threshold(read.probabilities[label], self._thresholds[label])
        interval = interval_words(read.bounds, label)
        return f"{said}; {interval}" if interval else said


def _condition(label: str, calibrated: bool) -> str:
    """What a label's probability takes for granted."""
    given = [say(IF_A_LESION)] if label == "malignant" else []
    return "; ".join([*given, *[say(EQUAL_PRIOR)] * calibrated])
