"""One lesion over the frames of a cine is one lesion.

Frame by frame, in the order in which they were read, each outline goes to the lesion that it
overlaps most. A lesion seen once is continued by an outline that shares enough with it
(``BEGIN``); once it has been seen twice, less is enough (``CARRY``), for the probe moves between
the frames that are read. It is carried over at most ``GAP`` frames that do not show it. Images have
no position relative to each other: nothing is linked from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from models.images.overlap import jaccard
from workers.analysis.found import Sighting
from workers.analysis.regions import IMAGES
from workers.findings import FoundLesion, FrameRef

BEGIN, CARRY = 0.3, 0.1
"""Jaccard indices of the masks."""

GAP = 2
"""Frames that were read in between."""


@dataclass
class Track:
    """A lesion over the frames of one image. ``best`` : its sightings in the frames that show it
    best, as many as are read together. ``place`` : of its ``last`` frame among those read."""

    best: list[Sighting]
    last: Sighting
    place: int
    seen_in: list[FrameRef] = field(default_factory=list)

    @property
    def sighting(self) -> Sighting:
        """The one in the frame that shows it best, which knows all frames."""
        best, *others = self.best
        lesion: FoundLesion = replace(best.lesion, seen_in=tuple(self.seen_in))
        further = tuple(one.region for one in others if one.region is not None)
        return replace(best, lesion=lesion, further=further)

    def overlap(self, sighting: Sighting) -> float:
        """With the last outline; 0 where it does not suffice."""
        needed = BEGIN if len(self.seen_in) == 1 else CARRY
        found = jaccard(self.last.lesion.mask, sighting.lesion.mask)
        return found if found >= needed else 0.0

    def take(self, sighting: Sighting, place: int) -> None:
        self.seen_in.append(sighting.lesion.frame)
        self.last, self.place = sighting, place
        self.best = sorted([*self.best, sighting], key=lambda one: -one.rank)[:IMAGES]


class Tracks:
    """The lesions of one image, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []

    def __iter__(self) -> Iterator[Track]:
        return iter(self._tracks)

    def add(self, place: int, sightings: Sequence[Sighting]) -> None:
        """What the frame at ``place`` among those read shows; places come ascending."""
        pairs = [
            (track.overlap(sighting), -old, -new)
            for old, track in enumerate(self._tracks)
            if place - track.place - 1 <= GAP
            for new, sighting in enumerate(sightings)
        ]
        free = dict(enumerate(sightings))
        taken: set[int] = set()
        for overlap, old, new in sorted(pairs, reverse=True):
            if overlap > 0 and -old not in taken and -new in free:
                self._tracks[-old].take(free.pop(-new), place)
                taken.add(-old)
        self._tracks += [Track([one], one, place, [one.lesion.frame]) for one in free.values()]
