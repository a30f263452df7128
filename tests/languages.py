"""Tables of messages for tests: the whole one in a language in which every message is marked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from babel.messages.catalog import Catalog

from workers.messages.table import template, written

QUOTED = ("«", "»")


def write_table(
    path: Path, translate: Callable[[str], str] | dict[str, str], tag: str = "de"
) -> Path:
    """A table with what ``translate`` makes of each message; of a dict, what it has."""
    catalog: Catalog = template(tag)
    for entry in list(catalog)[1:]:
        if isinstance(translate, dict):
            entry.string = translate.get(entry.id, entry.string)
        elif isinstance(entry.id, tuple):
            entry.string = tuple(translate(form) for form in entry.id)
        else:
            entry.string = translate(entry.id)
    path.write_bytes(written(catalog))
    return path


def quoted(message: str) -> str:
    """A translation that shows where it begins and ends, in letters that no ASCII has."""
    return f"{QUOTED[0]}{message}{QUOTED[1]}"


def unsaid(text: str) -> str:
    """What of ``text`` stands outside of every message of the quoted language; what was cut off
    counts as within."""
    left, inner = "", text
    while left != inner:
        left, inner = inner, re.sub("«[^«»]*»", " ", inner)
    return re.sub("«.*", " ", left, flags=re.DOTALL)
