"""What an operator points at."""

from __future__ import annotations

from dataclasses import dataclass

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
            return f"box from {' to '.join(parts)}"
        if self.kind == "hepatorenal":
            return "liver at {}; kidney at {}".format(*parts)
        return f"{'click' if len(parts) == 1 else 'clicks'} at {'; '.join(parts)}"
