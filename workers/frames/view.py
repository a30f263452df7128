"""The liver view of an image, from what DICOM says about it; the words are in ``views.toml``."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pydicom.dataset import Dataset

from node.errors import SettingsError
from workers.frames.header import value

SOURCES = (
    "ViewCodeSequence",
    "ViewName",
    "PrimaryAnatomicStructureSequence",
    "AnatomicRegionSequence",
    "StageName",
    "ImageComments",
    "AcquisitionComments",
    "AcquisitionProtocolName",
    "SeriesDescription",
    "ProtocolName",
    "PerformedProcedureStepDescription",
)
"""Where a view may be named; what speaks of one image comes before what speaks of many."""

_TABLE = Path(__file__).with_name("views.toml")
_UNSPACED = re.compile(r"[぀-ヿ一-鿿가-힣]")


def view(dataset: Dataset, more_words: Mapping[str, Sequence[str]]) -> tuple[str | None, str]:
    """The view's name and what told it; None and a note where the header is silent.

    more_words : of the setting ``analysis.view_words``. The note quotes the table, never the
    header, whose free text may name the patient.

    Raises SettingsError when ``more_words`` names a view that there is not.
    """
    phrases = _phrases(tuple((name, tuple(words)) for name, words in more_words.items()))
    ambiguous = ""
    for source in SOURCES:
        found = _codes(dataset, source) or _named(_text(dataset, source), phrases)
        if len(found) == 1:
            ((name, phrase),) = found.items()
            return name, f"{source}: {phrase}"
        if found:
            ambiguous = f"{source} names several views"
    return None, ambiguous or "no element names a liver view"


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


def view_names() -> tuple[str, ...]:
    """The views that can be told apart."""
    return tuple(_table())


@cache
def _phrases(more: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[tuple[str, str], ...]:
    """(phrase, view), the longest phrase first."""
    found = {_plain(word): name for name, row in _table().items() for word in row["words"]}
    for name, words in more:
        if name not in _table():
            raise SettingsError(
                f"analysis.view_words = {name!r}: no such view; known here: "
                + ", ".join(view_names())
            )
        found |= {_plain(word): name for word in words}
    found.pop("", None)
    return tuple(sorted(found.items(), key=lambda pair: (-len(pair[0]), pair[0])))


def _codes(dataset: Dataset, source: str) -> dict[str, str]:
    if not source.endswith("Sequence"):
        return {}
    found: dict[str, str] = {}
    for item in value(dataset, source) or ():
        scheme, code = value(item, "CodingSchemeDesignator"), value(item, "CodeValue")
        key = f"{scheme}:{code}"
        found |= {name: key for name, row in _table().items() if key in row["codes"]}
    return found


def _text(dataset: Dataset, source: str) -> str:
    found = value(dataset, source)
    if source.endswith("Sequence"):
        return " ; ".join(str(value(item, "CodeMeaning") or "") for item in found or ())
    return str(found or "")


def _named(text: str, phrases: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Views named in a text; what a longer phrase covers is not read again."""
    rest = f" {_plain(text)} "
    found: dict[str, str] = {}
    for phrase, name in phrases:
        needle = phrase if _UNSPACED.search(phrase) else f" {phrase} "
        if needle in rest:
            found.setdefault(name, repr(phrase))
            rest = rest.replace(needle, " | ")
    return found


def _plain(text: str) -> str:
    """Without case, accents and punctuation, single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(re.sub(r"[\W_]+", " ", unicodedata.normalize("NFC", letters)).split())
