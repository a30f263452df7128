"""The table of messages as a gettext .po file, which translators have tools for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from gettext import GNUTranslations
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from string import Formatter

from babel.core import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po, write_po

import workers
from node.errors import SettingsError
from workers.messages import ENGLISH, Language

_ROOM = Path(workers.__file__).parent
_KEYWORDS: dict[str, tuple[int, ...] | None] = {"say": None, "marked": None, "counted": (1, 2)}
_SHOWN = 5
"""Faults of a table that are named at once."""


def template(tag: str | None = None) -> Catalog:
    """Every message of this program, without translations, in the order of its files; for the
    language that ``tag`` names, as de or pt_BR. Raises SettingsError when there is none."""
    try:
        locale = Locale.parse(tag) if tag else None
    except (UnknownLocaleError, ValueError):
        raise SettingsError(f"{tag!r} names no language: use its code, as de or pt_BR") from None
    catalog = Catalog(
        locale, project="hepanode", version=version("hepanode"), header_comment="", fuzzy=False
    )
    found = extract_from_dir(
        _ROOM,
        method_map=[("**.py", "python")],
        keywords=_KEYWORDS,
        comment_tags=("Translators:",),
        strip_comment_tags=True,
    )
    for file, _, message, comments, _ in sorted(found, key=lambda one: one[:2]):
        place = [(f"workers/{file}", 0)]
        entry = catalog.add(message, locations=place, auto_comments=comments)
        entry.flags.discard("python-format")  # a per cent sign is one
    return catalog


def written(catalog: Catalog) -> bytes:
    """The .po file of ``catalog``."""
    content = BytesIO()
    write_po(content, catalog, width=100, include_lineno=False)
    return content.getvalue()


def updated(path: Path) -> Catalog:
    """The table in ``path`` with the messages of this program; those that it no longer has are kept
    at the end. Raises SettingsError when it is no table."""
    catalog = _parsed(path, _content(path))
    catalog.update(template(), no_fuzzy_matching=True, update_header_comment=False)
    for entry in catalog:
        entry.flags.discard("python-format")
    return catalog


def read_language(path: Path | None) -> Language:
    """The language of the table in ``path``; English without one.

    Raises SettingsError when it cannot be read, does not say its language, lacks or adds a value of
    a message, or uses letters that the pictures cannot show.
    """
    if path is None:
        return ENGLISH
    content = _content(path)
    catalog = _parsed(path, content)
    if catalog.locale is None:
        raise SettingsError(f'{path}: its header names no language, as "Language: de\\n"')
    if faults := list(_faults(catalog)):
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise SettingsError(f"{path}: {'; '.join(faults[:_SHOWN])}{more}")
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Language(
        tag=str(catalog.locale).replace("_", "-"),
        name=catalog.locale.english_name or str(catalog.locale),
        ascii=all(text.isascii() for entry in _said(catalog) for text in _forms(entry.string)),
        digest=hashlib.sha256(content).hexdigest(),
        table=GNUTranslations(compiled),
    )


def coverage(path: Path) -> tuple[int, int]:
    """How many of this program's messages the table in ``path`` translates, and how many there
    are."""
    catalog, every = _parsed(path, _content(path)), list(template())[1:]
    known = {entry.id for entry in _said(catalog)}
    return sum(entry.id in known for entry in every), len(every)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


def _parsed(path: Path, content: bytes) -> Catalog:
    try:
        return read_po(BytesIO(content), abort_invalid=True)
    except (PoFileError, ValueError) as error:
        raise SettingsError(f"{path} is no table of messages (.po): {error}") from None


def _said(catalog: Catalog) -> Iterator[Message]:
    """What is translated, and not marked as doubtful: gettext heeds nothing else."""
    for entry in catalog:
        if entry.id and not entry.fuzzy and all(_forms(entry.string)):
            yield entry


def _faults(catalog: Catalog) -> Iterator[str]:
    from workers.results.picture.lettering import lacks

    for entry in _said(catalog):
        originals, forms = _forms(entry.id), _forms(entry.string)
        wanted = _values(originals[-1])
        for text in forms:
            try:
                given = _values(text)
            except ValueError as error:
                yield f"{text!r}: {error}"
                continue
            # a form for one thing may say so in a word
            without_number = {one for one in wanted if len(forms) > 1 and one[0] == "n"}
            if wrong := (given - wanted) | (wanted - given - without_number):
                names = ", ".join(_written(one) for one in sorted(wrong))
                yield f"{text!r}: its values are not those of {originals[-1]!r}: {names}"
            if missing := lacks(text):
                yield f"{text!r}: the pictures cannot show {missing!r}"


def _forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """One text, or one for each number that the language knows."""
    return (text,) if isinstance(text, str) else tuple(text or ("",))


def _values(text: str) -> set[tuple[str, str, str]]:
    """Name, conversion and format of what stands in braces. Raises ValueError for a lone brace."""
    return {
        (name, conversion or "", form or "")
        for _, name, form, conversion in Formatter().parse(text)
        if name is not None
    }


def _written(value: tuple[str, str, str]) -> str:
    name, conversion, form = value
    return f"{{{name}{'!' + conversion if conversion else ''}{':' + form if form else ''}}}"
