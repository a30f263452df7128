"""Markdown: tables, code, and prose of even lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable


def table(rows: Iterable[Iterable[object]], *head: str) -> str:
    """``rows`` under ``head``, without a line end after the last."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def flowing(text: str) -> str:
    """``text`` with its paragraphs filled to 100 characters; tables and blocks stay as they are."""
    return re.sub(
        r"(?<=\n\n)\w[^\n]*(?:\n[^\n]+)*",
        lambda found: textwrap.fill(" ".join(found[0].split()), 100, break_long_words=False),
        text,
    )


def code(text: object) -> str:
    return f"`{text}`" if text not in ("", None) else ""
