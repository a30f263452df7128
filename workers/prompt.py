"""What an operator points at."""

from __future__ import annotations

from dataclasses import dataclass

from workers.messages import counted, say

Point = tuple[float, float]


@dataclass(frozen=True)
class Prompt:
    """What an operator pointed at in one stored frame: a lesion, or a pair of regions.

    points : clicks for the kind 'point', the upper left and lower right corner for 'box', a place
    in the liver and one in the kidney for 'hepatorenal'. They are as they were given: whole numbers
    are the middles of pixels (SCOORD has them at their corners)
    """

    id: int
    sop_instance_uid: str
    number: int
    kind: str
    points: tuple[Point, ...]

    @property
    def inside(self) -> tuple[Point, ...]:
        """The points that must lie on tissue: the clicks or places, or the middle of the box."""
        if self.kind != "box":
            return self.points
        (x0, y0), (x1, y1) = self.points
        return (((x0 + x1) / 2, (y0 + y1) / 2),)

    def __str__(self) -> str:
        parts = [f"{x:g}, {y:g}" for x, y in self.points]
        if self.kind == "box":
            return say("box from {start} to {end}", start=parts[0], end=parts[1])
        if self.kind == "hepatorenal":
            return say("liver at {liver}; kidney at {kidney}", liver=parts[0], kidney=parts[1])
        places = "; ".join(parts)
        return counted("click at {places}", "clicks at {places}", len(parts), places=places)
