"""What the pages tell people to type exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from node.cli.app import app
from tests.deploy.files import DEPLOY, ROOT, compose, units

PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    DEPLOY / "README.md",
    DEPLOY / "CONFORMANCE.md",
    ROOT / "models" / "README.md",
)


def code(text: str) -> list[str]:
    """Code spans and the lines of code blocks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [line for block in blocks for line in block.splitlines()] + spans


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_of_a_page_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    here = [one for one in targets if "://" not in one]
    assert [one for one in here if not (page.parent / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_nothing_was_left_to_be_filled_in(page: Path) -> None:
    assert re.findall(r"@@|TODO|FIXME|TBD", page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_of_the_program_exist(page: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in code(page.read_text()):
        if line.startswith(("useradd", "sudo -u postgres", "docker compose exec -T")):
            continue  # hepanode as the name of a user or a database
        for first, second in re.findall(r"(?:^|(?<!-u)[/ ])hepanode ([a-z]+)(?: ([a-z]+))?", line):
            assert first in commands, line
            children = getattr(commands[first], "commands", None)
            assert children is None or second in children, line


def test_services_and_units_of_the_page_exist() -> None:
    text = "\n".join(code((DEPLOY / "README.md").read_text()))
    services = re.findall(r"docker compose (?:exec|restart) ([a-z][\w-]*)", text)
    assert services
    assert set(services) <= set(compose()["services"])
    named = set(re.findall(r"(hepanode-(?:db-)?[a-z]+)(?=[@' \n]|$)", text))
    assert named == {re.sub(r"@?\.service", "", unit.name) for unit in units()}


def test_paths_in_contributing_exist() -> None:
    spans = code((ROOT / "CONTRIBUTING.md").read_text())
    paths = [one for one in spans if re.fullmatch(r"[\w.]+/[\w./-]*", one)]
    assert len(paths) > 15
    assert [one for one in paths if not (ROOT / one).exists()] == []
