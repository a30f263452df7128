"""Texts of our own, in the characters that every source can write."""

from __future__ import annotations

import re
import unicodedata

from workers.messages import spoken

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def plain(text: str, limit: int | None = None) -> str:
    """ASCII for texts of our own, for the source's character set may hold nothing more; letters as
    they are in a language that is written with others.

    limit : in bytes, for many count so, though PS3.5 6.2 counts characters.
    """
    for sign, word in {"≥": ">=", "≤": "<=", "±": "+/-", "×": "x", "µ": "u", "°": " deg"}.items():
        text = text.replace(sign, word)
    for sign in "‐‑‒–—−":
        text = text.replace(sign, "-")
    for sign, word in {"‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "~": "about "}.items():
        text = text.replace(sign, word)
    if spoken().ascii:
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    else:
        text = unicodedata.normalize("NFC", text)
    text = _CONTROL.sub(" ", text).replace("\\", "/").strip()
    return text if limit is None else shortened(text, limit).strip()


def shortened(text: str, limit: int) -> str:
    """As much of ``text`` as has ``limit`` bytes in UTF-8."""
    return text.encode()[: max(0, limit)].decode(errors="ignore")
