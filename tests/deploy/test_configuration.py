"""The shipped configuration files are what the program reads."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from node.settings import Settings
from tests.deploy.files import DEPLOY, load

EXAMPLE = DEPLOY / "systemd" / "hepanode.toml"


def whole(path: Path) -> str:
    """The example with every commented key made active; remarks begin with '# '."""
    return re.sub(r"^#(?=[\w\[])", "", path.read_text(), flags=re.MULTILINE)


def models(given: dict[str, Any]) -> list[tuple[str, type[BaseModel], dict[str, Any]]]:
    """Each table of a parsed file, with the settings model that it fills."""
    found: list[tuple[str, type[BaseModel], dict[str, Any]]] = []

    def visit(name: str, model: type[BaseModel], table: dict[str, Any]) -> None:
        found.append((name, model, table))
        for key, value in table.items():
            annotation = model.model_fields[key].annotation
            inner = next((a for a in (annotation, *get_args(annotation)) if _is_model(a)), None)
            if inner is None:
                continue
            for one in value if isinstance(value, list) else [value]:
                visit(f"{name}.{key}", inner, one)

    visit("hepanode", Settings, given)
    return found


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


@pytest.mark.parametrize("file", ["hepanode.toml", "systemd/hepanode.toml"])
def test_shipped_configuration_loads(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DEPLOY / file, {})
    assert settings.receiver.callers[0].ae_title == "HEPANODE"
    assert settings.receiver.callers[0].address == "127.0.0.1"


def test_example_shows_every_key(tmp_path: Path) -> None:
    shown: dict[str, set[str]] = {}
    fields: dict[str, set[str]] = {}
    for name, model, table in models(tomllib.loads(whole(EXAMPLE))):
        shown.setdefault(name, set()).update(table)
        fields[name] = set(model.model_fields)
    assert shown == fields


def test_commented_keys_of_the_example_stand_at_their_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "hepanode.toml"
    file.write_text(whole(EXAMPLE))
    loaded = load(monkeypatch, file, {})
    active = tomllib.loads(EXAMPLE.read_text())
    for name in Settings.model_fields:
        section = getattr(loaded, name)
        if not isinstance(section, BaseModel):
            continue
        default = Settings.model_fields[name].default
        for key in set(type(section).model_fields) - set(active.get(name, {})):
            assert getattr(section, key) == getattr(default, key), f"{name}.{key}"
    for destination in loaded.destinations:
        for key in ("kinds", "timeout", "retry_first", "retry_cap"):
            default = type(destination).model_fields[key].default
            assert getattr(destination, key) == default, f"destinations.{key}"
