"""Layout: the original and what was made of it, of one size and as large as they go; words in
margins.

Words are at least 11 pixels high when the picture is shown at 512 pixels, the size of a tile in a
2 x 2 hanging.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from workers.findings import Point
from workers.results.picture.colour import Colours, colours, levels, scale
from workers.results.picture.lettering import Font, font, wrap
from workers.results.picture.marks import Marks, draw_marks
from workers.results.picture.outline import draw_outline

WIDTH, HEIGHT = 1600, 1280
"""Of a page; many words make it higher."""

SIZE = 35
"""Pixels of the type; 512 / 1600 of it are 11."""

_LINE = round(1.4 * SIZE)
_GAP = 24
_COLUMN = 21 * SIZE
"""How wide words are beside the pictures."""

_CELL = 8 * SIZE
"""At least, for a picture's caption and scale."""

_LEAST = 320
"""Pictures give way to words down to this height."""

BACKGROUND = (0, 0, 0)
WHITE = (255, 255, 255)
GREY = (190, 190, 190)
AMBER = (255, 196, 0)
TISSUE = (70, 70, 70)
"""A typical liver echo level: what the colour scale is painted over."""
LIGHT = [min(255, 110 + round(1.3 * echo)) for echo in range(256)]
"""How brightly a colour shines on tissue of each echo level; never black, or shadows hide it."""


@dataclass(frozen=True)
class Labels:
    """The words. warning : stands alone at the top. numbers : in large type. remarks : small.
    original, drawn : above the two pictures."""

    warning: str
    title: str
    numbers: tuple[str, ...]
    remarks: tuple[str, ...]
    original: str = ""
    drawn: str = ""


@dataclass(frozen=True)
class _Line:
    text: str
    face: Font
    colour: tuple[int, int, int]
    height: int


@dataclass(frozen=True)
class Layout:
    """In pixels of the page. size : of each picture. original, drawn : their upper left corners.
    words : where the lines begin. page : width and height."""

    size: tuple[int, int]
    original: tuple[int, int]
    drawn: tuple[int, int]
    words: tuple[int, int]
    lines: tuple[_Line, ...]
    page: tuple[int, int]


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
    """The page, (rows, columns, 3) uint8 RGB: the tissue as it is, and with all that is drawn.

    tissue : (H, W, 3) uint8 RGB that ``values``, (h, w), covers from edge to edge; None: no map
    outline, marks : x, y in pixels of ``tissue``; beside marks the outline is thin
    """
    height, width = tissue.shape[:2]
    layout = arranged((width, height), labels, scaled=values is not None)
    across, down = layout.size[0] / width, layout.size[1] / height
    image = Image.fromarray(np.ascontiguousarray(tissue))
    original = image.resize(layout.size, Image.Resampling.LANCZOS)
    drawn, colour_scale = original.copy(), None
    if values is not None:
        colour_scale = _Scale(colours(signed), *scale(values, signed))
        level = levels(values, (colour_scale.low, colour_scale.high))
        drawn = _overlay(original, level, colour_scale.table)
    if marks is not None:
        draw_marks(drawn, marks.moved(lambda point: (point[0] * across, point[1] * down)), SIZE)
    ring = [(x * across, y * down) for x, y in outline]
    draw_outline(drawn, ring, dashed=dashed, width=3 if marks is None else 2)
    return np.asarray(_page(layout, original, drawn, colour_scale, labels))


def arranged(tissue: tuple[int, int], labels: Labels, *, scaled: bool) -> Layout:
    """The layout that shows ``tissue`` (width, height) largest: side by side or one above the
    other, words below or at the right. scaled : with room for a colour scale."""
    top = _header_height(labels)
    below, beside = _lines(labels, WIDTH - 2 * SIZE), _lines(labels, _COLUMN)
    layouts = [
        _layout(tissue, top, below, scaled, stacked=False, beside=False),
        _layout(tissue, top, below, scaled, stacked=True, beside=False),
        _layout(tissue, top, beside, scaled, stacked=False, beside=True),
    ]
    return max(layouts, key=lambda one: (min(HEIGHT - one.page[1], 0), one.size))


def _layout(
    tissue: tuple[int, int],
    top: int,
    lines: Sequence[_Line],
    scaled: bool,
    *,
    stacked: bool,
    beside: bool,
) -> Layout:
    words = sum(line.height for line in lines) + SIZE
    bar = _LINE if scaled else 0
    wide = WIDTH - 2 * SIZE - (_COLUMN + SIZE if beside else 0)
    high = max(HEIGHT - top - bar - (0 if beside else words), _LEAST)
    room = (wide, high // 2 - _LINE) if stacked else ((wide - _GAP) // 2, high - _LINE)
    factor = min(room[0] / tissue[0], room[1] / tissue[1])
    width, height = (max(1, int(edge * factor)) for edge in tissue)
    cell = max(width, _CELL)
    left = SIZE + (wide - (cell if stacked else 2 * cell + _GAP)) // 2
    original = (left, top + _LINE)
    drawn = (left, top + height + 2 * _LINE) if stacked else (left + cell + _GAP, top + _LINE)
    foot = drawn[1] + height + bar
    start = (WIDTH - SIZE - _COLUMN, top) if beside else (SIZE, foot + SIZE // 2)
    page = (WIDTH, max(foot + SIZE // 2, top + words) if beside else foot + words)
    return Layout((width, height), original, drawn, start, tuple(lines), page)


@dataclass(frozen=True)
class _Scale:
    table: Colours
    low: float
    high: float


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


def _header_height(labels: Labels) -> int:
    bold, face = font(SIZE, bold=True), font(SIZE)
    width = bold.getlength(labels.warning) + face.getlength(labels.title) + 3 * SIZE
    return 4 * SIZE if width > WIDTH else 2 * SIZE


def _page(
    layout: Layout,
    original: Image.Image,
    drawn: Image.Image,
    colour_scale: _Scale | None,
    labels: Labels,
) -> Image.Image:
    page = Image.new("RGB", layout.page, BACKGROUND)
    pen = ImageDraw.Draw(page)
    bold, face = font(SIZE, bold=True), font(SIZE)
    pen.text((SIZE, SIZE), labels.warning, AMBER, bold, anchor="lm")
    pen.text((WIDTH - SIZE, _header_height(labels) - SIZE), labels.title, GREY, face, anchor="rm")
    for picture, caption, (x, y) in (
        (original, labels.original, layout.original),
        (drawn, labels.drawn, layout.drawn),
    ):
        pen.text((x, y - _LINE // 2), caption, GREY, face, anchor="lm")
        page.paste(picture, (x, y))
    if colour_scale is not None:
        _scale_bar(page, pen, colour_scale, layout)
    x, y = layout.words
    for line in layout.lines:
        pen.text((x, y), line.text, line.colour, line.face)
        y += line.height
    return page


def _lines(labels: Labels, width: int) -> list[_Line]:
    large, small = font(round(1.15 * SIZE), bold=True), font(SIZE)
    return [
        *(
            _Line(line, large, WHITE, round(1.6 * SIZE))
            for text in labels.numbers
            for line in wrap(text, large, width)
        ),
        *(
            _Line(line, small, GREY, round(1.35 * SIZE))
            for text in labels.remarks
            for line in wrap(text, small, width)
        ),
    ]


def _scale_bar(
    page: Image.Image, pen: ImageDraw.ImageDraw, colour_scale: _Scale, layout: Layout
) -> None:
    """Below the picture and as wide, between the numbers of its ends."""
    (x, y), (width, height), face = layout.drawn, layout.size, font(SIZE)
    low, high = (f"{end:g}" for end in (colour_scale.low, colour_scale.high))
    right, middle = x + max(width, _CELL), y + height + _LINE // 2
    pen.text((x, middle), low, WHITE, face, anchor="lm")
    pen.text((right, middle), high, WHITE, face, anchor="rm")
    start, end = (round(face.getlength(words)) + SIZE // 2 for words in (low, high))
    bar = (right - end - x - start, round(0.8 * SIZE))
    at = (x + start, middle - bar[1] // 2)
    steps = np.linspace(0, 255, bar[0]).round().astype(np.uint8)
    index = Image.fromarray(np.repeat(steps[None], bar[1], axis=0))
    page.paste(_painted(Image.new("RGB", bar, TISSUE), index, colour_scale.table), at)
    pen.rectangle((at[0] - 1, at[1] - 1, at[0] + bar[0], at[1] + bar[1]), outline=GREY)
