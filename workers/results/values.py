"""Texts of our own, in the characters that every source can write."""

from __future__ import annotations

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def plain(text: str, limit: int | None = None) -> str:
    """ASCII for texts of our own, for the source's character set may hold nothing more."""
    for sign, word in {"≥": ">=", "≤": "<=", "±": "+/-", "×": "x", "µ": "u", "°": " deg"}.items():
        text = text.replace(sign, word)
    for sign in "‐‑‒–—−":
        text = text.replace(sign, "-")
    for sign, word in {"‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "~": "about "}.items():
        text = text.replace(sign, word)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    text = _CONTROL.sub(" ", text).replace("\\", "/").strip()
    return text if limit is None else text[:limit].strip()
