"""The files of ``deploy/`` as their readers see them, and what they must agree with."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from node import settings
from node.cli.app import app
from node.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NOT_SETTINGS = {PREFIX + "CONFIG"}


def assert_hepanode_command(words: list[str]) -> None:
    """``words`` is a command of the program, with options and arguments that it takes."""
    program, *rest = words
    assert Path(program).name == "hepanode", f"not hepanode: {shlex.join(words)}"
    command: Any = typer.main.get_command(app)
    context = None
    while commands := getattr(command, "commands", None):
        name, *rest = rest
        assert name in commands, f"{shlex.join(words)}: no command {name!r} in {sorted(commands)}"
        command = commands[name]
        context = command.context_class(command, info_name=name, parent=context)
    command.parse_args(context, rest)  # raises UsageError


def hepanode_in_shell(line: str) -> list[str]:
    """The words of a shell line that runs hepanode, variables as they default, no redirection."""
    line = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", line).partition(">")[0]
    return shlex.split(line)


def load(
    monkeypatch: pytest.MonkeyPatch, file: Path | None, environment: Mapping[str, str]
) -> Settings:
    """The settings of a process with that file and environment; none of the test's own count."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        if name in NOT_SETTINGS or not name.startswith(PREFIX):
            continue
        top = name.removeprefix(PREFIX).lower().partition("__")[0]
        assert top in Settings.model_fields, f"{name} names no setting"
        monkeypatch.setenv(name, value)
    if file is not None:
        monkeypatch.setenv(PREFIX + "CONFIG", str(file))
    return settings.load()


def compose() -> dict[str, Any]:
    """compose.yaml with variables as they default, required ones as 'given'."""
    text = (DEPLOY / "compose.yaml").read_text()
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    text = re.sub(r"\$\{\w+:\?[^}]*\}", "given", text)
    assert "$" not in text, "a variable without a default or a word on what to do"
    return dict(yaml.safe_load(text))


def dockerfile() -> list[tuple[str, str]]:
    """Instructions and their arguments, lines joined."""
    text = (DEPLOY / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", "", text)
    return [
        (line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()
    ]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The Dockerfile's instructions by the name of their stage, without those of its parent."""
    found: dict[str, list[tuple[str, str]]] = {}
    for instruction, argument in dockerfile():
        if instruction == "FROM":
            found[argument.split()[-1]] = current = []
        current.append((instruction, argument))
    return found


def units() -> Iterator[Path]:
    return (DEPLOY / "systemd").glob("*.service")


def unit_values(path: Path, key: str) -> list[str]:
    """Every value of ``key`` in a unit file."""
    return re.findall(rf"^{key}=(.*)$", path.read_text(), flags=re.MULTILINE)
