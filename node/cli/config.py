"""``hepanode config``: what is configured, and whether it is right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.cli.output import print_json, say, table
from node.cli.session import Json, Session, command, noun
from node.urls import without_password

if TYPE_CHECKING:
    from pydantic import BaseModel

app = noun("config", "The configuration: a TOML file, then HEPANODE_SECTION__KEY variables.")


@command(app)
def show(session: Session, json: Json = False) -> None:
    """Show each effective value and where it came from; passwords in URLs are hidden."""
    entries = list(_entries(session.settings))
    if json:
        print_json(
            [{"key": key, "value": value, "source": source} for key, value, source in entries]
        )
        return
    table(("KEY", "FROM", "VALUE"), [(key, source, _text(value)) for key, value, source in entries])


@command(app)
def check(session: Session) -> None:
    """Check the configuration; exit 2 names each wrong key, its value and what is allowed."""
    from node.cli.checks import names
    from node.settings import toml_path

    settings = session.settings
    names.check(settings)
    say(f"{toml_path() or 'defaults and environment'}: ok")
    if not settings.destinations:
        say("but no [[destinations]] is configured: results stay in the data folder")
    if settings.results.messages:
        _say_language(settings.results.messages)


def _say_language(table: Path) -> None:
    """A receiver's image holds no workers and writes no results."""
    try:
        from workers.messages.table import coverage, read_language
    except ModuleNotFoundError:
        return
    translated, of = coverage(table)
    language = read_language(table).name
    say(f"results speak {language}: {translated} of {of} messages, the others English")


def _entries(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Dotted key, value and source of every setting."""
    from pydantic import BaseModel

    for name in type(settings).model_fields:
        value, key = getattr(settings, name), prefix + name
        if isinstance(value, BaseModel):
            yield from _entries(value, f"{key}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for position, one in enumerate(value):
                yield from _entries(one, f"{key}[{position}].")
        else:
            given = name in settings.model_fields_set
            yield key, _plain(value), _source(key) if given else "default"


def _source(key: str) -> str:
    """Where a given value came from: the environment goes before the file."""
    section = key.partition("[")[0]  # a list is given whole, as JSON
    parts = section.split(".")
    above = {"__".join(parts[: n + 1]) for n in range(len(parts))}
    variables = {name.lower().removeprefix("hepanode_"): name for name in os.environ}
    name = next((variables[part] for part in sorted(above) if part in variables), None)
    return name or "file"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, str):
        return without_password(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _text(value: Any) -> str:
    if value in ("", None):
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)
