"""The codes of results: those of others are taken from pydicom's dictionaries."""

from __future__ import annotations

import ast
import inspect

from pydicom.sr.codedict import codes as standard

from workers.results import codes
from workers.results.content.items import text


def test_no_code_that_pydicom_holds_is_written_by_hand() -> None:
    held = {
        (code.scheme_designator, code.value)
        for scheme in standard.schemes()
        for code in getattr(standard, scheme).concepts.values()
    }
    assert written()
    assert [names for names in written() if names in held] == []


def written() -> list[tuple[str, str]]:
    """Scheme and value of every code that the module spells out."""
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(codes))):
        match node:
            case ast.Call(
                ast.Name("Code"), [ast.Constant(str(value)), ast.Constant(str(scheme)), _]
            ):
                found.append((scheme, value))
    return found


def test_codes_that_differ_in_their_meaning_only_are_written_with_their_own() -> None:
    other = codes.SOURCE._replace(meaning="Origin")
    assert [text(name, "-").name.meaning for name in (codes.SOURCE, other)] == ["Source", "Origin"]
