"""The conformance statement says what the code says."""

from __future__ import annotations

from pathlib import Path

from node.association import commands
from node.cli.statement import statement
from node.cli.statement.objects import kinds
from node.errors import InstanceError
from tests.deploy.files import DEPLOY
from tests.workers.results.tools import dciodvfy, write
from workers.results.codes import GROUPS, PRIVATE

PAGE = DEPLOY / "CONFORMANCE.md"


def test_the_statement_is_what_the_program_prints() -> None:
    same = PAGE.read_text(encoding="utf-8") == statement()
    assert same, f"run: hepanode conformance --out {PAGE.relative_to(DEPLOY.parent)}"


def test_the_example_holds_every_kind_of_result() -> None:
    missing = [kind.name for kind in kinds() if not kind.objects]
    assert missing == [], "workers/results/example.py has nothing that these are made of"


def test_dicom3tools_finds_no_error_in_the_example(tmp_path: Path) -> None:
    objects = [one for kind in kinds() for one in kind.objects]
    errors = {(one.kind, error) for one in objects for error in dciodvfy(write(one, tmp_path))}
    assert errors == set()


def test_every_status_of_the_node_has_its_meaning() -> None:
    first = list(vars(commands)).index("SUCCESS")
    named = [one for one in list(vars(commands).values())[first:] if isinstance(one, int)]
    assert set(commands.MEANING) == set(named)
    assert InstanceError("").status in named


def test_every_private_code_has_its_group() -> None:
    assert {code[:2] for code in PRIVATE} == set(GROUPS)
