"""Names and files in the configuration that only the workers and the models know."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files

from node.cli.checks.finding import Finding
from node.errors import SettingsError
from node.settings import Settings, toml_path


def check(settings: Settings) -> None:
    """Raises SettingsError for a view or a bundle that there is not, and a table of messages that
    is none.

    A receiver's image holds no workers: there such a name harms nobody and is not looked at.
    """
    try:
        from models.registry import find_bundles
        from workers.messages.table import read_language

        # the table itself: its room imports torch, which takes seconds
        views = tuple(
            tomllib.loads((files("workers") / "frames" / "views.toml").read_text("utf-8"))
        )
    except ModuleNotFoundError:
        return
    analysis = settings.analysis
    for view in analysis.view_words:
        if view not in views:
            raise _unknown("analysis.view_words", view, "view", views)
    bundles = find_bundles(analysis.bundle_folders)
    for key, name in analysis.bundles.items():
        if name not in bundles:
            raise _unknown(f"analysis.{key}_bundle", name, "bundle", bundles)
    try:
        read_language(settings.results.messages)
    except SettingsError as error:
        raise SettingsError(f"{_where()}results.messages: {error}") from None


def names(settings: Settings) -> Iterator[Finding]:
    try:
        check(settings)
    except SettingsError as error:
        yield Finding("wrong", "names", str(error), "correct the name in the configuration")


def _unknown(key: str, value: str, what: str, known: tuple[str, ...]) -> SettingsError:
    return SettingsError(
        f"{_where()}{key} = {value!r}: no such {what}; known here: {', '.join(known) or 'none'}"
    )


def _where() -> str:
    return f"{source}: " if (source := toml_path()) else ""
