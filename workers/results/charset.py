"""Text out of headers whose Specific Character Set may be missing, misspelt or untrue."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom import charset as dicom_charset
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

UTF_8 = "ISO_IR 192"
_MULTI_BYTE = {"ISO 2022 IR 87", "ISO 2022 IR 159", "ISO 2022 IR 149", "ISO 2022 IR 58"}
DEFINED = frozenset(dicom_charset.python_encoding) - {"ISO 2022 58", "ISO 2022 GBK"}
"""Defined terms of Specific Character Set (PS3.3 C.12.1.1.2)."""

_LOST = "\N{REPLACEMENT CHARACTER}"
_NAME = re.compile(r"ISO[ _-]*(?P<extended>2022[ _-]*)?IR[ _-]*(?P<number>\d+)")


@dataclass(frozen=True)
class CharacterSet:
    """terms : values of (0008,0005), all of them defined; none means the default repertoire."""

    terms: tuple[str, ...]

    @property
    def encodings(self) -> list[str]:
        return dicom_charset.convert_encodings(list(self.terms) or "")

    def decode(self, value: bytes, *, person_name: bool = False) -> tuple[str, bool]:
        """The text, and whether the character set was true to it.

        Bytes that it cannot explain are read as UTF-8, and failing that as Latin-1.
        """
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii"), True
        if not self.terms or not self._knows_escapes(value):
            return _guess(value), False
        try:
            if b"\x1b" not in value:
                return value.decode(self.encodings[0]), True
            forms = value.split(b"=") if person_name else [value]  # each form starts afresh
            text = "=".join(self._decode_escaped(form, person_name) for form in forms)
        except UnicodeDecodeError:
            return _guess(value), False
        return (_guess(value), False) if _LOST in text else (text, True)

    def can_write(self, text: str) -> bool:
        """Whether ``text`` survives being written and read back."""
        if text.isascii():
            return True
        if not self.terms:
            return False
        return all(self._survives(piece) for piece in re.split(r"[=^\\\r\n\t\f]", text))

    def _survives(self, text: str) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = dicom_charset.encode_string(text, self.encodings)
        return self.decode(written) == (text, True)

    def _decode_escaped(self, value: bytes, person_name: bool) -> str:
        delimiters = PN_DELIMS if person_name else TEXT_VR_DELIMS
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dicom_charset.decode_bytes(value, self.encodings, delimiters)

    def _knows_escapes(self, value: bytes) -> bool:
        """Whether every code extension in ``value`` is one of the set's own (PS3.5 6.1.2.5)."""
        allowed = [
            sequence
            for sequence, encoding in dicom_charset.CODES_TO_ENCODINGS.items()
            if encoding in (*self.encodings, dicom_charset.default_encoding)
        ]
        return all(
            piece.startswith(tuple(allowed)) for piece in re.findall(rb"\x1b[^\x1b]*", value)
        )


def of_terms(values: Sequence[str]) -> tuple[CharacterSet, bool]:
    """The character set that ``values`` of (0008,0005) mean, and whether they were valid.

    Misspelt terms such as ISO-IR 100 are put right; a set with an unknown term, or one that
    combines terms that must stand alone (PS3.5 6.1.2.5.4), is taken for UTF-8.
    """
    terms = [_spelling(value) for value in values]
    valid = terms == [value.strip() for value in values]
    if not any(terms):
        return CharacterSet(()), valid
    if terms[0] in _MULTI_BYTE:  # they come second, to a single-byte set (PS3.3 C.12.1.1.2)
        terms, valid = ["", *terms], False
    if len(terms) > 1:
        terms = [_extended(term) for term in terms]
    alone = [term for term in terms if term in dicom_charset.STAND_ALONE_ENCODINGS]
    known = all(term in DEFINED for term in terms)
    if not known or (alone and len(terms) > 1):
        return CharacterSet((UTF_8,)), False
    return CharacterSet(tuple(terms)), valid


def _spelling(value: str) -> str:
    value = value.strip().strip("\0").upper()
    if match := _NAME.fullmatch(value):
        return ("ISO 2022 IR " if match["extended"] else "ISO_IR ") + match["number"]
    return value


def _extended(term: str) -> str:
    """ISO_IR 100 beside others means ISO 2022 IR 100 (PS3.3 C.12.1.1.2)."""
    code_extension = term.replace("ISO_IR ", "ISO 2022 IR ")
    return code_extension if code_extension in DEFINED else term


def _guess(value: bytes) -> str:
    text = value.replace(b"\x1b", b"")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")
