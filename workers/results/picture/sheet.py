"""A sheet: blocks of words, thumbnails, a table and scales, one below the other.

Words are at least 11 pixels high when the sheet is shown 512 pixels wide, as on a heatmap's page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from workers.findings import Point, Ruler
from workers.results.picture.lettering import font, parts, wrap
from workers.results.picture.outline import draw_outline
from workers.results.picture.page import AMBER, BACKGROUND, GREY, WHITE

WIDTH = 1280
SIZE = 28
"""Pixels of the type; 512 / 1280 of it are 11."""

_SMALLEST = 22
"""The type of a table with many columns."""

MARGIN = 32
_GAP = 24
_LINE = round(1.4 * SIZE)
RULE = (70, 70, 70)
BAR = (105, 105, 105)


class Block(Protocol):
    """Draws itself at the sheet's ``y`` and moves that on."""

    def draw(self, sheet: Sheet) -> None: ...


@dataclass(frozen=True)
class Thumbnail:
    """tissue : (H, W, 3) uint8 RGB. outline : x, y in its pixels; dashed where it is no border.
    name : stands in its corner. caption : below it."""

    tissue: NDArray[np.uint8]
    outline: Sequence[Point]
    dashed: bool
    name: str
    caption: str


class Pen(Protocol):
    """The little of Pillow's ImageDraw that blocks draw with."""

    def text(
        self, xy: Any, text: Any, fill: Any = ..., font: Any = ..., anchor: str | None = ...
    ) -> None: ...

    def line(self, xy: Any, fill: Any = ..., width: int = ...) -> None: ...

    def polygon(self, xy: Any, fill: Any = ...) -> None: ...


class Sheet:
    """A page that grows. paste : puts a picture where its upper left corner is to be."""

    def __init__(self, pen: Pen, paste: Callable[[Image.Image, tuple[int, int]], object]) -> None:
        self.pen = pen
        self.paste = paste
        self.y = 0

    @property
    def room(self) -> int:
        return WIDTH - 2 * MARGIN

    def rule(self) -> None:
        self.y += _GAP
        self.pen.line([(MARGIN, self.y), (WIDTH - MARGIN, self.y)], fill=RULE, width=2)
        self.y += _GAP // 2


def draw_sheet(blocks: Iterable[Block]) -> NDArray[np.uint8]:
    """(rows, 1280, 3) uint8 RGB, as high as the blocks need, at most 5120."""
    image = Image.new("RGB", (WIDTH, 4 * WIDTH), BACKGROUND)
    sheet = Sheet(ImageDraw.Draw(image), image.paste)
    for block in blocks:
        block.draw(sheet)
    height = min(sheet.y + MARGIN, image.height)
    return np.asarray(image.crop((0, 0, WIDTH, height)))


@dataclass(frozen=True)
class Banner:
    """The first line: what this is, and that nobody looked at it yet."""

    warning: str
    title: str

    def draw(self, sheet: Sheet) -> None:
        sheet.y = MARGIN + SIZE // 2
        face, bold = font(SIZE), font(SIZE, bold=True)
        sheet.pen.text((MARGIN, sheet.y), self.warning, AMBER, bold, anchor="lm")
        if bold.getlength(self.warning) + SIZE + face.getlength(self.title) > sheet.room:
            sheet.y += _LINE
        sheet.pen.text((WIDTH - MARGIN, sheet.y), self.title, GREY, face, anchor="rm")
        sheet.y += SIZE + _GAP // 2


@dataclass(frozen=True)
class Words:
    """Sentences, wrapped: large ones are the answer, others stand small under a heading."""

    lines: tuple[str, ...]
    large: bool = False
    heading: str = ""

    def draw(self, sheet: Sheet) -> None:
        size = round(1.25 * SIZE) if self.large else SIZE
        face = font(size, bold=self.large)
        if self.heading:
            sheet.rule()
            sheet.pen.text((MARGIN, sheet.y), self.heading, WHITE, font(SIZE, bold=True))
            sheet.y += _LINE
        for text in self.lines:
            for line in wrap(text, face, sheet.room):
                sheet.pen.text((MARGIN, sheet.y), line, WHITE if self.large else GREY, face)
                sheet.y += round(1.4 * size)


@dataclass(frozen=True)
class Thumbnails:
    """Two or three in a row, each as large as its place allows."""

    shown: tuple[Thumbnail, ...]

    def draw(self, sheet: Sheet) -> None:
        across = 2 if len(self.shown) in (1, 2, 4) else 3
        width = (sheet.room - (across - 1) * _GAP) // across
        for start in range(0, len(self.shown), across):
            sheet.y += _GAP
            row = self.shown[start : start + across]
            pictures = [_small(one, width) for one in row]
            ends = [sheet.y + max(picture.height for picture in pictures)]
            for place, (one, picture) in enumerate(zip(row, pictures, strict=True)):
                x = MARGIN + place * (width + _GAP)
                sheet.paste(picture, (x, sheet.y))
                y = ends[0] + _GAP // 3
                for line in wrap(one.caption, font(SIZE), width):
                    sheet.pen.text((x, y), line, GREY, font(SIZE))
                    y += _LINE
                ends.append(y)
            sheet.y = max(ends)


@dataclass(frozen=True)
class Table:
    """Columns as wide as their widest cell; a head may have two lines. Where the columns would not
    fit, it gets one for each word, the type is made a little smaller, and cells get lines too."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def draw(self, sheet: Sheet) -> None:
        sheet.rule()
        heads = [head.split("\n") for head in self.heads]
        rows = [[[cell] for cell in row] for row in self.rows]
        room = sheet.room - len(heads) * SIZE / 3  # for two numbers must not touch
        size = SIZE
        if sum(_widths(heads, rows, size)) > room:
            heads = [head.split() or [""] for head in self.heads]
        while sum(_widths(heads, rows, size)) > room and size > _SMALLEST:
            size -= 1
        if sum(_widths(heads, rows, size)) > room:
            rows = [[parts(cell) or [""] for cell in row] for row in self.rows]
        face, bold, widths = font(size), font(size, bold=True), _widths(heads, rows, size)
        between = min((sheet.room - sum(widths)) / len(widths), 2 * SIZE)
        lefts = [MARGIN + sum(widths[:place]) + between * place for place in range(len(widths))]
        lines = max(map(len, heads))
        for left, head in zip(lefts, heads, strict=True):
            for number, line in enumerate(head, start=lines - len(head)):
                sheet.pen.text((left, sheet.y + number * _LINE), line, GREY, face)
        sheet.y += lines * _LINE
        for row in rows:
            for left, cell in zip(lefts, row, strict=True):
                for number, line in enumerate(cell):
                    sheet.pen.text((left, sheet.y + number * _LINE), line, WHITE, bold)
            sheet.y += max(map(len, row)) * _LINE


def _widths(
    heads: Sequence[Sequence[str]], rows: Sequence[Sequence[Sequence[str]]], size: int
) -> list[float]:
    face, bold = font(size), font(size, bold=True)
    return [
        max(
            *(face.getlength(line) for line in head),
            *(bold.getlength(line) for row in rows for line in row[place]),
        )
        for place, head in enumerate(heads)
    ]


@dataclass(frozen=True)
class Rulers:
    """Rulers one below the other, of one length, with their names beside them: a nomogram."""

    rulers: tuple[Ruler, ...]

    def draw(self, sheet: Sheet) -> None:
        face = font(SIZE)
        widest = max(face.getlength(ruler.name) for ruler in self.rulers)
        left = MARGIN + round(min(widest, 0.5 * sheet.room)) + 2 * SIZE
        for ruler in self.rulers:
            middle = sheet.y + SIZE
            sheet.pen.text((MARGIN, middle), ruler.name, GREY, face, anchor="lm")
            self._draw(sheet, ruler, left, middle)
            sheet.y = middle + 14 + round(1.2 * SIZE)

    def _draw(self, sheet: Sheet, ruler: Ruler, left: int, middle: int) -> None:
        """A tick that would touch the one before is drawn without its words."""
        face, length = font(SIZE), WIDTH - MARGIN - SIZE - left
        places = [(left + round(place * length), words) for place, words in sorted(ruler.ticks)]
        if places:
            sheet.pen.line([(places[0][0], middle), (places[-1][0], middle)], fill=BAR, width=6)
        free = 0.0
        for x, words in places:
            sheet.pen.line([(x, middle - 8), (x, middle + 8)], fill=WHITE, width=3)
            half = face.getlength(words) / 2
            if x - half >= free:
                sheet.pen.text((x, middle + 12), words, WHITE, face, anchor="mt")
                free = x + half + SIZE / 3
        if ruler.place is not None:
            _pointer(sheet, left + round(min(max(ruler.place, 0.0), 1.0) * length), middle)


@dataclass(frozen=True)
class Scale:
    """A bar with ``ends`` and ticks at ``marks``: a pointer at the value, white for the interval
    where it has one."""

    ends: tuple[float, float]
    marks: tuple[float, ...]
    value: float
    interval: tuple[float, float] | None
    unit: str

    def draw(self, sheet: Sheet) -> None:
        left, right, middle = MARGIN + SIZE, WIDTH - MARGIN - 3 * SIZE, sheet.y + SIZE
        low, high = self.ends

        def at(value: float) -> int:
            return round(left + (min(max(value, low), high) - low) / (high - low) * (right - left))

        sheet.pen.line([(left, middle), (right, middle)], fill=BAR, width=6)
        if self.interval is not None:
            sheet.pen.line([(at(end), middle) for end in self.interval], fill=WHITE, width=6)
        _pointer(sheet, at(self.value), middle)
        for mark in self.marks:
            tick = at(mark)
            sheet.pen.line([(tick, middle - 10), (tick, middle + 10)], fill=WHITE, width=3)
            label = f"{mark:g}{self.unit}"
            sheet.pen.text((tick, middle + 14), label, WHITE, font(SIZE), anchor="mt")
        sheet.y = middle + 14 + _LINE


def _pointer(sheet: Sheet, x: int, middle: int) -> None:
    half = SIZE // 2
    sheet.pen.polygon(
        [(x, middle - 4), (x - half, middle - SIZE), (x + half, middle - SIZE)], fill=AMBER
    )


def _small(one: Thumbnail, width: int) -> Image.Image:
    height, across = one.tissue.shape[:2]
    factor = width / max(across, height)
    size = (max(1, round(across * factor)), max(1, round(height * factor)))
    tissue = Image.fromarray(np.ascontiguousarray(one.tissue))
    image = tissue.resize(size, Image.Resampling.LANCZOS)
    ring = [(x * factor, y * factor) for x, y in one.outline]
    draw_outline(image, ring, dashed=one.dashed, width=2)
    name = font(SIZE, bold=True)
    pen = ImageDraw.Draw(image)
    pen.text((10, 8), one.name, AMBER, name, stroke_width=3, stroke_fill=BACKGROUND)
    return image
