"""A contour that can be seen on bright and on dark tissue."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

from workers.findings import Point

DASH, GAP = 16.0, 10.0


def draw_outline(
    image: Image.Image, outline: Sequence[Point], *, dashed: bool, width: int = 3
) -> None:
    """Draw a closed polygon on ``image``: white within black; dashed where it is no border."""
    points = [p for p in outline if all(map(math.isfinite, p))]
    if len(points) < 2:
        return
    ring = [*points, points[0]]
    strokes = list(dashes(ring)) if dashed else [ring]
    pen = ImageDraw.Draw(image)
    for colour, wide in (((0, 0, 0), 2 * width), ((255, 255, 255), width)):
        for stroke in strokes:
            pen.line(stroke, fill=colour, width=wide, joint="curve")


def dashes(
    line: Sequence[Point], length_on: float = DASH, length_off: float = GAP
) -> Iterator[list[Point]]:
    """The drawn parts of ``line``; a dash follows the corners it meets."""
    drawing, left, dash = True, length_on, [line[0]]
    for start, end in pairwise(line):
        length, done = math.dist(start, end), 0.0
        while length - done > left:
            done += left
            share = done / length
            point = (
                start[0] + (end[0] - start[0]) * share,
                start[1] + (end[1] - start[1]) * share,
            )
            if drawing:
                yield [*dash, point]
            drawing, left, dash = not drawing, length_off if drawing else length_on, [point]
        left -= length - done
        dash.append(end)
    if drawing and len(dash) > 1:
        yield dash
