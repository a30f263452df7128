"""Layout: the tissue as large as it goes, the colour scale at its right, all words in margins.

Words are at least 11 pixels high when the picture is shown 512 pixels wide, the size of a tile
in a 2 x 2 hanging.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from workers.findings import Point
from workers.results.picture.colour import Colours, colours, levels, scale
from workers.results.picture.lettering import Font, fitting, font, wrap
from workers.results.picture.marks import Marks, draw_marks
from workers.results.picture.outline import draw_outline

BACKGROUND = (0, 0, 0)
WHITE = (255, 255, 255)
GREY = (190, 190, 190)
AMBER = (255, 196, 0)
TISSUE = (70, 70, 70)
"""A typical liver echo level: what the colour scale is painted over."""
LIGHT = [min(255, 70 + round(1.6 * echo)) for echo in range(256)]
"""How brightly a colour shines on tissue of each echo level; never black, or shadows hide it."""


@dataclass(frozen=True)
class Labels:
    """The words. warning : stands alone at the top. numbers : in large type. remarks : small.
    scale_name : of the colour scale, where there is a map."""

    warning: str
    title: str
    numbers: tuple[str, ...]
    remarks: tuple[str, ...]
    scale_name: str = ""


def draw(
    tissue: NDArray[np.uint8],
    values: NDArray[np.float32] | None,
    *,
    signed: bool,
    outline: Sequence[Point],
    dashed: bool,
    labels: Labels,
    marks: Marks | None = None,
) -> NDArray[np.uint8]:
    """The page, (rows, columns, 3) uint8 RGB.

    tissue : (H, W, 3) uint8 RGB that ``values``, (h, w), covers from edge to edge; None: no map
    outline, marks : x, y in pixels of ``tissue``; beside marks the outline is thin
    """
    height, width = tissue.shape[:2]
    factor = _magnification(width, height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = Image.fromarray(np.ascontiguousarray(tissue)).resize(size, Image.Resampling.LANCZOS)
    colour_scale = None
    if values is not None:
        colour_scale = _Scale(colours(signed), *scale(values, signed))
        level = levels(values, (colour_scale.low, colour_scale.high))
        image = _overlay(image, level, colour_scale.table)
    if marks is not None:
        draw_marks(image, marks.moved(lambda point: (point[0] * factor, point[1] * factor)))
    ring = [(x * factor, y * factor) for x, y in outline]
    draw_outline(image, ring, dashed=dashed, width=3 if marks is None else 2)
    return np.asarray(_page(image, colour_scale, labels))


@dataclass(frozen=True)
class _Scale:
    table: Colours
    low: float
    high: float


def _magnification(width: int, height: int) -> float:
    """Up to 960 x 840 for a small frame; down to 1280 x 1024 for a large one."""
    enlarged = min(960 / width, 840 / height)
    return enlarged if enlarged >= 1 else min(1.0, 1280 / width, 1024 / height)


def _overlay(image: Image.Image, level: NDArray[np.float32], table: Colours) -> Image.Image:
    smooth = Image.fromarray(level).resize(image.size, Image.Resampling.BICUBIC)
    index = Image.fromarray(np.rint(np.clip(np.asarray(smooth), 0, 255)).astype(np.uint8))
    return _painted(image, index, table)


def _painted(image: Image.Image, index: Image.Image, table: Colours) -> Image.Image:
    """Tint rather than cover: the colour takes its light from the tissue, so texture stays."""
    lit = ImageChops.multiply(_coloured(index, table), image.point(LIGHT * 3))
    return Image.composite(lit, image, index.point(table.opacity.tolist()))


def _coloured(index: Image.Image, table: Colours) -> Image.Image:
    paletted = index.copy()
    paletted.putpalette(table.palette)
    return paletted.convert("RGB")


def _page(image: Image.Image, colour_scale: _Scale | None, labels: Labels) -> Image.Image:
    beside = image.height > 1.3 * image.width
    size = max(18, round(image.height * 0.021)) if beside else max(18, round(image.width * 0.025))
    bar = 7 * size if colour_scale else size if beside else 0
    if beside:
        text_width = max(24 * size, image.width)
        page_width = image.width + bar + text_width
    else:
        page_width = image.width + bar
        text_width = page_width - 2 * size
    lines = _lines(labels, size, text_width - (2 * size if beside else 0))
    text_height = sum(height for _, _, _, height in lines) + size
    bold, face = font(size, bold=True), font(size)
    alone = bold.getlength(labels.warning) + face.getlength(labels.title) + 3 * size > page_width
    top = 4 * size if alone else 2 * size
    page_height = top + (max(image.height, text_height) if beside else image.height + text_height)

    page = Image.new("RGB", (page_width, page_height), BACKGROUND)
    pen = ImageDraw.Draw(page)
    pen.text((size, size), labels.warning, AMBER, bold, anchor="lm")
    pen.text((page_width - size, top - size), labels.title, GREY, face, anchor="rm")
    page.paste(image, (0, top))
    if colour_scale is not None:
        place = (image.width, top, image.height)
        _scale_bar(page, pen, colour_scale, labels.scale_name, size, place)
    x, y = (image.width + bar, top) if beside else (size, top + image.height + size // 2)
    for line, face, colour, height in lines:
        pen.text((x, y), line, colour, face)
        y += height
    return page


def _lines(
    labels: Labels, size: int, width: int
) -> list[tuple[str, Font, tuple[int, int, int], int]]:
    large, small = font(round(1.15 * size), bold=True), font(size)
    return [
        *(
            (line, large, WHITE, round(1.6 * size))
            for text in labels.numbers
            for line in wrap(text, large, width)
        ),
        *(
            (line, small, GREY, round(1.35 * size))
            for text in labels.remarks
            for line in wrap(text, small, width)
        ),
    ]


def _scale_bar(
    page: Image.Image,
    pen: ImageDraw.ImageDraw,
    colour_scale: _Scale,
    name: str,
    size: int,
    place: tuple[int, int, int],
) -> None:
    left, top, room = place
    small = font(size)
    face = fitting(name, size, page.width - left - round(1.5 * size))
    pen.text((left + size, top + size // 2), name, GREY, face)
    x, y = left + size, top + round(2.4 * size)
    bar = (round(1.2 * size), max(4 * size, min(room - 4 * size, 14 * size)))
    steps = np.linspace(255, 0, bar[1]).round().astype(np.uint8)
    index = Image.fromarray(np.repeat(steps[:, None], bar[0], axis=1))
    tissue = Image.new("RGB", bar, TISSUE)
    page.paste(_painted(tissue, index, colour_scale.table), (x, y))
    pen.rectangle((x - 1, y - 1, x + bar[0], y + bar[1]), outline=GREY)
    low, high = colour_scale.low, colour_scale.high
    for value in (low, (low + high) / 2, high):
        at = y + bar[1] * (high - value) / (high - low)
        pen.text((x + bar[0] + size // 3, at), f"{value:g}", WHITE, small, anchor="lm")
