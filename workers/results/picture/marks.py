"""What an operator gave, and where the calipers of the measurement stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from workers.findings import Point
from workers.results.picture.lettering import font
from workers.results.picture.outline import dashes

PROMPT = (255, 196, 0)
CALIPER = (90, 230, 255)
_BLACK = (0, 0, 0)
_ARM = 6
_DOT, _SPACE = 3.0, 7.0
_SHORT = 120.0
"""Axes shorter than this, in drawn pixels, get no dots: they would hide a small lesion."""


@dataclass(frozen=True)
class Marks:
    """All in pixels of the tissue. box : two corners, or none. clicks : in the lesion. axes : the
    end points of each diameter. regions : names with two corners each."""

    box: tuple[Point, ...] = ()
    clicks: tuple[Point, ...] = ()
    axes: tuple[tuple[Point, Point], ...] = ()
    regions: tuple[tuple[str, tuple[Point, Point]], ...] = ()

    def moved(self, place: Callable[[Point], Point]) -> Marks:
        return Marks(
            tuple(place(point) for point in self.box),
            tuple(place(point) for point in self.clicks),
            tuple((place(start), place(end)) for start, end in self.axes),
            tuple((name, (place(start), place(end))) for name, (start, end) in self.regions),
        )


def draw_marks(image: Image.Image, marks: Marks, size: int) -> None:
    """A dashed box or crosses in amber; calipers in cyan, joined by dots; measured regions framed
    in amber, with their names of ``size``. Thin: the border of the lesion must stay in sight."""
    pen = ImageDraw.Draw(image)
    large = any(math.dist(*axis) > _SHORT for axis in marks.axes)
    for axis in marks.axes:
        for dot in dashes(axis, _DOT, _SPACE) if large else ():
            pen.line(dot, fill=CALIPER, width=2)
        for end in axis:
            _cross(pen, end, CALIPER)
    if marks.box:
        (x0, y0), (x1, y1) = marks.box
        ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        for colour, width in ((_BLACK, 4), (PROMPT, 2)):
            for dash in dashes(ring):
                pen.line(dash, fill=colour, width=width)
    for click in marks.clicks:
        _cross(pen, click, PROMPT, diagonal=True)
    face = font(size, bold=True)
    upper = min((corners[0][1] for _, corners in marks.regions), default=0.0)
    for name, corners in marks.regions:
        (x0, y0), (x1, y1) = ((round(x), round(y)) for x, y in corners)
        for colour, width in ((_BLACK, 4), (PROMPT, 2)):  # around what is measured, not on it
            pen.rectangle((x0 - 4, y0 - 4, x1 + 3, y1 + 3), outline=colour, width=width)
        above = corners[0][1] == upper  # names stay clear of the other region
        at, anchor = (y0 - 8, "ms") if above else (y1 + 6, "mt")
        pen.text(
            ((x0 + x1) / 2, at), name, PROMPT, face, anchor, stroke_width=2, stroke_fill=_BLACK
        )


def _cross(
    pen: ImageDraw.ImageDraw, at: Point, colour: tuple[int, int, int], *, diagonal: bool = False
) -> None:
    x, y = at
    arms: Sequence[Point] = ((1, 1), (1, -1)) if diagonal else ((1, 0), (0, 1))
    for paint, width in ((_BLACK, 4), (colour, 2)):
        for dx, dy in arms:
            pen.line(
                [(x - _ARM * dx, y - _ARM * dy), (x + _ARM * dx, y + _ARM * dy)],
                fill=paint,
                width=width,
            )
