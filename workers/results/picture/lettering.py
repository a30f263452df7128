"""Type: DejaVu Sans, which matplotlib brings along, so that every machine draws alike."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from unicodedata import bidirectional

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

_BETWEEN = re.compile(r"\s+(?!(?<=\d\s)(?:%|[a-z]{1,2}\d?)(?!\w))")


@cache
def font(size: int, bold: bool = False) -> Font:
    """DejaVu Sans of ``size`` pixels."""
    return ImageFont.truetype(_path(bold), size, layout_engine=ImageFont.Layout.BASIC)


def parts(text: str) -> list[str]:
    """The words of ``text``, a number with its unit as one: lines may end between them."""
    return [part for part in _BETWEEN.split(text) if part]


@lru_cache(256)
def wrap(text: str, face: Font, width: float) -> tuple[str, ...]:
    """``text`` in lines no wider than ``width``; a longer part gets a line of its own, cut.

    Remembered, for the pictures of one study repeat each other's words.
    """
    lines: list[str] = []
    for word in parts(text):
        if lines and face.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
            continue
        while face.getlength(word) > width and len(word) > 1:
            word = word[:-1]
        lines.append(word)
    return tuple(lines)


def lacks(text: str) -> str:
    """The characters of ``text`` that cannot be drawn, each once: those without a glyph, and those
    written from right to left."""
    drawn = _glyphs()
    return "".join(
        one
        for one in sorted(set(text) - {"\n"})
        if one not in drawn or bidirectional(one) in ("R", "AL")
    )


def _path(bold: bool) -> Path:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name


@cache
def _glyphs() -> frozenset[str]:
    """The characters that both faces have."""
    from matplotlib.ft2font import FT2Font

    regular, bold = (FT2Font(str(_path(bold))).get_charmap() for bold in (False, True))
    return frozenset(map(chr, regular.keys() & bold.keys()))
