"""The conformance statement, printed and written."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Node


def test_the_statement_is_printed_or_written(node: Node, tmp_path: Path) -> None:
    printed = node("conformance")
    assert printed.status == 0
    assert printed.out.startswith("# DICOM conformance statement")
    file = tmp_path / "statement.md"
    assert node("conformance", "--out", str(file)).out == ""
    assert file.read_text(encoding="utf-8") == printed.out


def test_a_file_that_cannot_be_written_is_said(node: Node, tmp_path: Path) -> None:
    answer = node("conformance", "--out", str(tmp_path / "missing" / "statement.md"))
    assert answer.status == 1
    assert "statement.md cannot be written: No such file or directory" in answer.err
