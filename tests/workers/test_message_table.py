"""The table of messages: made from the code, translated, brought up to date, and refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from node.errors import SettingsError
from tests.languages import write_table
from workers.findings import EXPLANATION
from workers.messages import counted, say, speaking
from workers.messages.table import coverage, read_language, template, updated, written

GERMAN = {
    "not reviewed": "nicht geprüft",
    "Lesion {number}: {size}": "Läsion {number}: {size}",
    ("of {n} frame", "of {n} frames"): ("von einem Bild", "von {n} Bildern"),
}


def test_every_message_is_in_the_table_once() -> None:
    ids = [entry.id for entry in template()][1:]
    assert len(ids) == len(set(ids)) > 200
    assert set(EXPLANATION.values()) <= set(ids)
    assert set(GERMAN) <= set(ids)


def test_what_is_translated_is_said_and_the_rest_is_english(tmp_path: Path) -> None:
    table = write_table(tmp_path / "de.po", GERMAN)
    assert coverage(table)[0] == len(GERMAN)
    language = read_language(table)
    assert (language.tag, language.name, language.ascii) == ("de", "German", False)
    with speaking(language):
        assert say("not reviewed") == "nicht geprüft"
        assert say("Lesion {number}: {size}", number=2, size="9 mm") == "Läsion 2: 9 mm"
        assert counted("of {n} frame", "of {n} frames", 1) == "von einem Bild"
        assert counted("of {n} frame", "of {n} frames", 12) == "von 12 Bildern"
        assert say("Lesion suspected: {numbers}", numbers="81%") == "Lesion suspected: 81%"


def test_a_language_counts_as_it_does(tmp_path: Path) -> None:
    forms = ("из {n} кадра", "из {n} кадров", "из {n} кадров")
    table = write_table(tmp_path / "ru.po", {("of {n} frame", "of {n} frames"): forms}, "ru")
    with speaking(read_language(table)):
        said = [counted("of {n} frame", "of {n} frames", n) for n in (21, 5)]
    assert said == ["из 21 кадра", "из 5 кадров"]


def test_a_table_of_an_earlier_version_keeps_its_translations(tmp_path: Path) -> None:
    table = write_table(tmp_path / "de.po", GERMAN)
    old = table.read_bytes().replace(b'msgid "not reviewed"', b'msgid "not looked at"')
    table.write_bytes(old)
    catalog = updated(table)
    assert catalog["Lesion {number}: {size}"].string == GERMAN["Lesion {number}: {size}"]
    assert not catalog["not reviewed"].string
    assert catalog.obsolete["not looked at"].string == "nicht geprüft"
    again = tmp_path / "again.po"
    again.write_bytes(written(catalog))
    assert written(updated(again)) == written(catalog)
    assert coverage(again)[0] == len(GERMAN) - 1


def test_what_is_marked_as_doubtful_is_not_said(tmp_path: Path) -> None:
    table = write_table(tmp_path / "de.po", GERMAN)
    table.write_bytes(
        table.read_bytes().replace(b'msgid "not reviewed"', b'#, fuzzy\nmsgid "not reviewed"')
    )
    with speaking(read_language(table)):
        assert say("not reviewed") == "not reviewed"


@pytest.mark.parametrize(
    ("message", "translation", "named"),
    [
        ("Lesion {number}: {size}", "Läsion {number}", "{size}"),
        ("Lesion {number}: {size}", "Läsion {nummer}: {size}", "{nummer}"),
        ("Lesion {number}: {size}", "Läsion {number!r}: {size}", "{number!r}"),
        ("Lesion {number}: {size}", "Läsion {number.__class__}: {size}", "{number.__class__}"),
        ("Lesion {number}: {size}", "Läsion {number: {size}", "{number"),
        ("{long:.0f} x {short:.0f} mm", "{long} x {short:.0f} mm", "{long:.0f}"),
        ("not reviewed", "未审阅", "cannot show"),
        ("not reviewed", "לא נבדק", "cannot show"),
        (("of {n} frame", "of {n} frames"), ("von {n} Bild", "von {m} Bildern"), "{m}"),
    ],
)
def test_a_translation_that_would_say_something_else_is_refused(
    message: str, translation: str, named: str, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "de.po", {message: translation})
    with pytest.raises(SettingsError) as refused:
        read_language(table)
    assert named in str(refused.value)
    assert str(table) in str(refused.value)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "No such file"),
        (b"Lesion = L\xc3\xa4sion\n", "no table of messages"),
        (b'msgid "a"\nmsgstr "\xff"\n', "no table of messages"),
        (b'msgid "a"\nmsgstr "b"\n', "names no language"),
        (b"", "names no language"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    content: bytes | None, named: str, tmp_path: Path
) -> None:
    table = tmp_path / "de.po"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(SettingsError, match=named):
        read_language(table)


def test_a_language_that_there_is_not_is_refused() -> None:
    for tag in ("xx", "a b"):
        with pytest.raises(SettingsError, match="names no language"):
            template(tag)


def test_a_template_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "messages.po"
    path.write_bytes(written(template("pt_BR")))
    with path.open("rb") as file:
        assert len(read_po(file)) == len(template())
