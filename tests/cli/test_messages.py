"""The table of messages, printed for a translator and brought up to date."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Node
from tests.languages import write_table


def test_a_table_is_printed_for_a_language(node: Node) -> None:
    printed = node("messages", "--language", "de")
    assert printed.status == 0
    assert '"Language: de\\n"' in printed.out
    assert 'msgid "not reviewed"\nmsgstr ""' in printed.out


def test_a_table_is_printed_with_the_translations_that_it_has(node: Node, tmp_path: Path) -> None:
    table = write_table(tmp_path / "de.po", {"not reviewed": "nicht geprüft"})
    printed = node("messages", str(table))
    assert printed.status == 0
    assert 'msgid "not reviewed"\nmsgstr "nicht geprüft"' in printed.out


def test_what_is_no_table_or_no_language_is_said(node: Node, tmp_path: Path) -> None:
    answer = node("messages", str(tmp_path / "de.po"))
    assert answer.status == 2
    assert "de.po cannot be read: No such file or directory" in answer.err
    answer = node("messages", "--language", "klingon")
    assert answer.status == 2
    assert "'klingon' names no language" in answer.err
