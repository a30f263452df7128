"""The free text of results and of a run's record: English in the code, or what a hospital's table
says in its place.

Whatever is said in a result passes ``say`` or ``counted``, which look it up in the table of the
language that ``speaking`` has set; what the table lacks is said in English. Meanings of codes,
names of models and the log stay English.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from gettext import NullTranslations


@dataclass(frozen=True)
class Language:
    """tag : of RFC 5646; name : in English. ascii : whether no message has any other character.
    digest : SHA-256 in hex of the table's file; '' for the English that needs none.
    """

    tag: str
    name: str
    ascii: bool
    digest: str = ""
    table: NullTranslations = field(default_factory=NullTranslations, repr=False, compare=False)


ENGLISH = Language("en-US", "English (United States)", ascii=True)

_spoken: ContextVar[Language] = ContextVar("language of results", default=ENGLISH)


def spoken() -> Language:
    """What results are written in here and now."""
    return _spoken.get()


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Results that are read and built inside of it are in ``language``."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def say(message: str, /, **values: object) -> str:
    """``message`` in the language spoken, with ``values`` in its braces (``str.format``)."""
    said = spoken().table.gettext(message) if message else ""
    return said.format(**values) if values else said


def counted(one: str, many: str, n: int, /, **values: object) -> str:
    """``one`` or ``many`` as the language counts ``n``, which stands for ``{n}`` in both."""
    return spoken().table.ngettext(one, many, n).format(n=n, **values)


def marked(message: str) -> str:
    """``message`` as it is: it is said elsewhere, and this is how the table learns of it."""
    return message
