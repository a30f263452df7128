"""A sheet on paper: the same blocks as a PDF, dark on white, with text that can be selected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from workers.messages import say
from workers.results.picture.lettering import Font, font
from workers.results.picture.page import AMBER, GREY, WHITE
from workers.results.picture.sheet import (
    BAR,
    MARGIN,
    RULE,
    SIZE,
    WIDTH,
    Block,
    Rulers,
    Scale,
    Sheet,
)

rl_config.useA85 = 0  # pictures as letters are larger, and take 50 ms each

_POINTS = A4[0] / WIDTH
_BOTTOM = A4[1] / _POINTS - 2 * MARGIN
"""What a page holds, in pixels of the sheet; the line at its foot stands below."""

_ON_PAPER = {
    WHITE: (0, 0, 0),
    GREY: (60, 60, 60),
    AMBER: (160, 80, 0),
    RULE: (170, 170, 170),
    BAR: (190, 190, 190),
}

Colour = tuple[int, int, int]
_Mark = Callable[[Canvas, float], None]
"""Draws on the page that begins at this height of the sheet."""


def write_document(blocks: Iterable[Block], title: str) -> bytes:
    """A PDF of A4 pages; no block is parted, nor a scale from the words above it. title : of the
    file, and at the foot of every page.

    The same blocks give the same bytes.
    """
    content = BytesIO()
    canvas = Canvas(content, A4, invariant=1)
    canvas.setTitle(title)
    begins, pages = 0.0, 1
    for top, bottom, marks in _drawn(blocks):
        if bottom - begins > _BOTTOM and top > begins:
            _end(canvas, title, pages)
            begins, pages = top, pages + 1
        for mark in marks:
            mark(canvas, begins)
    _end(canvas, title, pages)
    canvas.save()
    return content.getvalue()


def _drawn(blocks: Iterable[Block]) -> list[tuple[int, int, list[_Mark]]]:
    """Where each block begins and ends on an endless sheet, and its marks."""
    paper = _Paper()
    sheet = Sheet(paper, paper.paste)
    drawn: list[tuple[int, int, list[_Mark]]] = []
    for block in blocks:
        top, paper.marks = sheet.y, []
        if isinstance(block, Scale | Rulers) and drawn:
            top, _, paper.marks = drawn.pop()
        block.draw(sheet)
        drawn.append((top, sheet.y, paper.marks))
    return drawn


def _end(canvas: Canvas, title: str, number: int) -> None:
    face = font(round(0.75 * SIZE))
    foot = A4[1] / _POINTS - MARGIN
    words = say("{title}, page {n}", title=title, n=number)
    _text((MARGIN, foot), words, GREY, face, "ls", canvas, 0)
    canvas.showPage()


class _Paper:
    """A pen that keeps what it is told, for on which page a block stands is known at its end."""

    def __init__(self) -> None:
        self.marks: list[_Mark] = []

    def text(
        self, xy: Any, text: str, fill: Any = WHITE, font: Any = None, anchor: str | None = None
    ) -> None:
        self.marks.append(partial(_text, xy, text, fill, font, anchor or "la"))

    def line(self, xy: Any, fill: Any = WHITE, width: int = 1) -> None:
        self.marks.append(partial(_line, xy, fill, width))

    def polygon(self, xy: Any, fill: Any = WHITE) -> None:
        self.marks.append(partial(_polygon, xy, fill))

    def paste(self, picture: Image.Image, at: tuple[int, int]) -> None:
        self.marks.append(partial(_picture, picture, at))


def _place(at: Sequence[float], begins: float) -> tuple[float, float]:
    """In points from the lower left corner of the page."""
    return at[0] * _POINTS, A4[1] - (at[1] - begins) * _POINTS


def _text(
    at: Sequence[float],
    words: str,
    colour: Colour,
    face: Font,
    anchor: str,
    canvas: Canvas,
    begins: float,
) -> None:
    anchored, on_line = (face.getbbox(words, anchor=one)[:2] for one in (anchor, "ls"))
    start = [x + one - other for x, one, other in zip(at, anchored, on_line, strict=True)]
    canvas.setFillColorRGB(*_on_paper(colour))
    canvas.setFont(_registered(face), face.size * _POINTS)
    canvas.drawString(*_place(start, begins), words)


def _line(
    points: Sequence[Sequence[float]], colour: Colour, width: int, canvas: Canvas, begins: float
) -> None:
    canvas.setStrokeColorRGB(*_on_paper(colour))
    canvas.setLineWidth(width * _POINTS)
    canvas.line(*_place(points[0], begins), *_place(points[1], begins))


def _polygon(
    points: Sequence[Sequence[float]], colour: Colour, canvas: Canvas, begins: float
) -> None:
    path = canvas.beginPath()
    path.moveTo(*_place(points[0], begins))
    for point in points[1:]:
        path.lineTo(*_place(point, begins))
    path.close()
    canvas.setFillColorRGB(*_on_paper(colour))
    canvas.drawPath(path, stroke=0, fill=1)


def _picture(picture: Image.Image, at: tuple[int, int], canvas: Canvas, begins: float) -> None:
    width, height = picture.size
    x, y = _place((at[0], at[1] + height), begins)
    canvas.drawImage(ImageReader(picture), x, y, width * _POINTS, height * _POINTS)


def _on_paper(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = _ON_PAPER[colour]
    return red / 255, green / 255, blue / 255


@cache
def _registered(face: Font) -> str:
    """The name under which reportlab knows a font from then on."""
    path = str(face.path)
    name = Path(path).stem
    registerFont(TTFont(name, path))
    return name
