"""``hepanode models``: the bundles that this node has, and which of them read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import fields, heading, print_json, say, table
from node.cli.session import Json, Session, command, noun
from node.errors import HepanodeError, NotFound

if TYPE_CHECKING:
    from models.bundle import Bundle
    from node.settings import Settings

app = noun("models", "The models: bundles of weights with their cards; training and evaluation.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A bundle's name.")]


@contextmanager
def model_errors() -> Iterator[None]:
    """What ``models`` says is wrong, as the command line says it; raises HepanodeError."""
    from models.errors import ModelError

    try:
        yield
    except ModelError as error:
        raise HepanodeError(str(error)) from error


def named_bundle(name: str, settings: Settings) -> Bundle:
    """The bundle of that name, verified. NotFound names those there are; raises ModelError."""
    from models.registry import find_bundles, load_bundle

    known = find_bundles(settings.bundle_folders)
    if name not in known and not (settings.bundle_store / name).is_symlink():
        raise NotFound(f"there is no bundle {name!r}; there are {', '.join(known)}")
    return load_bundle(name, settings.bundle_folders)


@command(app, "list")
def list_(session: Session, json: Json = False) -> None:
    """List the bundles that the node finds, and whether each was shipped or installed here.

    Of one name an installed bundle goes before one in analysis.bundle_folders, and that before a
    shipped one. Exit 1 when one cannot be used.
    """
    from models.errors import ModelError
    from models.registry import find_bundles

    settings = session.settings
    rows, wrong = [], []
    for name in find_bundles(settings.bundle_folders):
        try:
            rows.append(entry(named_bundle(name, settings), settings))
        except ModelError as error:
            wrong.append(str(error))
    if json:
        print_json(rows)
    else:
        table(
            ("NAME", "SYSTEM", "VERSION", "FROM", "READS FOR", "DIGEST", "LABELS"),
            [
                (
                    row["name"],
                    row["system"],
                    row["version"],
                    row["origin"],
                    ", ".join(row["reads_for"]) or "-",
                    row["digest"][:12],
                    f"{', '.join(row['labels'])} ({row['validation_status']})",
                )
                for row in rows
            ],
        )
    for line in wrong:
        say(line, style="bold red", error=True)
    raise typer.Exit(bool(wrong))


def entry(bundle: Bundle, settings: Settings) -> dict[str, Any]:
    """What `models list` says of a bundle. system : as `train` and `evaluate` name it. module : as
    the card names what reads with it."""
    from models.systems import system_name

    return {
        "name": bundle.name,
        "title": bundle.card.get("title", ""),
        "system": system_name(bundle),
        "module": bundle.system,
        "version": bundle.version,
        "backbone": bundle.backbone,
        "labels": list(bundle.labels),
        "lacks": list(bundle.lacks),
        "validation_status": bundle.validation_status,
        "digest": bundle.digest,
        "origin": _origin(bundle, settings),
        "reads_for": pathways(bundle.name, settings),
        "folder": str(bundle.folder),
    }


def pathways(name: str, settings: Settings) -> list[str]:
    """The pathways of the node that the bundle of that name reads for."""
    return [pathway for pathway, chosen in settings.analysis.bundles.items() if chosen == name]


def _origin(bundle: Bundle, settings: Settings) -> str:
    from models.registry import SHIPPED

    folder = bundle.folder.resolve()
    if folder.is_relative_to(settings.bundle_store.resolve()):
        return "installed"
    return "shipped" if folder.is_relative_to(SHIPPED.resolve()) else "configured"


@command(app)
def show(session: Session, name: Name, json: Json = False) -> None:
    """Show a bundle's card and the versions of it that are installed."""
    from models.installation import installed_versions

    settings = session.settings
    with model_errors():
        bundle = named_bundle(name, settings)
        versions = installed_versions(name, settings.bundle_store)
    found = entry(bundle, settings)
    if json:
        print_json({**found, "card": bundle.card, "installed": versions})
        return
    fields(
        [
            (key.replace("_", " "), _text(value))
            for key, value in {**found, **bundle.card}.items()
            if not isinstance(value, Mapping)
        ]
    )
    _print_tables(bundle.card)
    if versions:
        heading("installed versions")
        table(
            ("", "VERSION", "INSTALLED", "DIGEST", "FOLDER"),
            [
                (
                    "in force" if one.current else "",
                    one.version,
                    one.installed_at or "-",
                    one.digest[:12],
                    str(one.folder),
                )
                for one in versions
            ],
        )


def _print_tables(card: Mapping[str, Any]) -> None:
    """A card's tables under headings, its figures with their intervals."""
    for key, part in card.items():
        if not isinstance(part, Mapping) or not part:
            continue
        figures = [(name, row) for name, row in _leaves(part) if isinstance(row, Mapping)]
        heading(key.replace("_", " "))
        fields([(name, _text(row)) for name, row in _leaves(part) if not isinstance(row, Mapping)])
        if figures:
            table(
                ("FIGURE", "VALUE", "95 % INTERVAL", "CASES"),
                [(name, *_figure(row)) for name, row in figures],
            )


def _leaves(part: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values; a figure, which has a value and an interval, is one value."""
    for key, value in part.items():
        name = before + key
        if isinstance(value, Mapping) and "interval_95" not in value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _figure(row: Mapping[str, Any]) -> tuple[str, str, str]:
    low, high = row["interval_95"]
    return f"{row['value']:g}", f"{low:g} to {high:g}", str(row.get("cases", ""))


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@command(app)
def verify(
    session: Session,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Only these bundles.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Verify each bundle's digest and open it with its system; exit 1 names what is wrong."""
    from models.errors import ModelError
    from models.registry import find_bundles, open_system

    settings = session.settings
    rows: list[dict[str, str]] = []
    for name in names or find_bundles(settings.bundle_folders):
        row = {"name": name, "state": "ok", "digest": "", "error": ""}
        rows.append(row)
        try:
            bundle = named_bundle(name, settings)
            row["digest"] = bundle.digest
            open_system(bundle)
        except ModelError as error:
            row.update(state="wrong", error=str(error))
    if json:
        print_json(rows)
    else:
        table(
            ("NAME", "STATE", "SHA-256 OF THE WEIGHTS"),
            [(row["name"], row["state"], row["error"] or row["digest"]) for row in rows],
        )
    raise typer.Exit(any(row["error"] for row in rows))


@command(app)
def install(
    session: Session,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="A trained bundle, or a run folder that holds one.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Another name than the folder's."),
    ] = None,
    previous: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Return to the version of NAME that was before."),
    ] = None,
    json: Json = False,
) -> None:
    """Verify a trained bundle and make it the node's model; the old one stays.

    Workers take it for the next run, without a restart. Every version that was ever installed
    stays in the data folder, and every run's record names the digest of the weights that read.
    """
    from models.installation import default_name, find_trained, install_previous
    from models.installation import install as install_bundle

    settings = session.settings
    if (folder is None) == (previous is None):
        raise typer.BadParameter("name either a folder to install, or --previous NAME")
    with model_errors():
        if folder is not None:
            source = find_trained(folder)
            name = default_name(source) if name is None else name
            trial = partial(_try_to_read, name, settings)
            install_bundle(source, settings.bundle_store, name, settings.bundle_folders, trial)
        else:
            assert previous is not None
            name = previous
            install_previous(name, settings.bundle_store)
    _print_installed(name, settings, json=json)


def _try_to_read(name: str, settings: Settings, bundle: Bundle) -> None:
    """Opens the bundle, and each pathway that would read with it under a name."""
    from models.registry import open_system
    from workers import analysis

    system = open_system(bundle)
    reads_for = pathways(name, settings)
    for fits in analysis.CHECKS.keys() & reads_for:
        analysis.CHECKS[fits](bundle)
    for reader in analysis.READERS.keys() & reads_for:
        analysis.READERS[reader](system, bundle, {})
    for asked in analysis.ASKED.keys() & reads_for:
        analysis.ASKED[asked](system, bundle)
    for pathway in analysis.PATHWAYS.keys() & reads_for:
        try:
            analysis.PATHWAYS[pathway](system, bundle, settings.analysis.key_frames)
        except KeyError as error:
            raise HepanodeError(
                f"bundle {bundle.name!r}: the {pathway} pathway needs {error} in its card, which "
                "has none; train it with folds, or install it under a name of its own with --as"
            ) from error


def _print_installed(name: str, settings: Settings, *, json: bool) -> None:
    """What is in force under a name now."""
    try:
        with model_errors():
            found = entry(named_bundle(name, settings), settings)
    except NotFound:
        if json:
            print_json(None)
        else:
            say(f"no bundle {name!r} is in force any more")
        return
    if json:
        print_json(found)
        return
    say(f"{name} {found['version']} ({found['digest'][:12]}), {found['origin']}, is in force")
    if found["reads_for"]:
        say(f"it reads for: {', '.join(found['reads_for'])}")
    else:
        keys = [f"analysis.{pathway}_bundle" for pathway in settings.analysis.bundles]
        say(f"no pathway reads with it: name it in {_either(keys)} to let one")


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
