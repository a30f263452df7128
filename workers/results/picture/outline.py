"""A contour that can be seen on bright and on dark tissue."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

from workers.findings import Point

DASH, GAP = 16.0, 10.0


def draw_outline(image: Image.Image, outline: Sequence[Point], *, dashed: bool) -> None:
    """Draw a closed polygon on ``image``: white within black; dashed where it is no border."""
    points = [p for p in outline if all(map(math.isfinite, p))]
    if len(points) < 2:
        return
    ring = [*points, points[0]]
    strokes = list(_dashes(ring)) if dashed else [ring]
    pen = ImageDraw.Draw(image)
    for colour, width in (((0, 0, 0), 6), ((255, 255, 255), 3)):
        for stroke in strokes:
            pen.line(stroke, fill=colour, width=width, joint="curve")


def _dashes(ring: Sequence[Point]) -> Iterator[list[Point]]:
    """The drawn parts of ``ring``; a dash follows the corners it meets."""
    drawing, left, dash = True, DASH, [ring[0]]
    for start, end in pairwise(ring):
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
            drawing, left, dash = not drawing, GAP if drawing else DASH, [point]
        left -= length - done
        dash.append(end)
    if drawing and len(dash) > 1:
        yield dash
