"""Bundles installed on a node: every version side by side, one of each name in force.

A store is a folder::

    <name>                       a link to the version in force, exchanged atomically
    .versions/<name>/<version>/  the bundle itself, never changed
    .versions/<name>/order.json  what was in force one after the other, and when each was installed

A version's folder is named by the first digits of its weights' digest and of its card's. Nothing is
ever removed, so a worker that reads an old version while a new one is installed ends with the old.
"""

import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from models.bundle import CARD, Bundle
from models.errors import BundleError
from models.registry import file_digest, load_bundle, read_bundle

_VERSIONS = ".versions"
_ORDER = "order.json"


@dataclass(frozen=True)
class Version:
    """A version of a name that lies in a store. installed_at : UTC, ISO 8601, the last time.
    current : it is the store's version in force."""

    folder: Path
    version: str
    digest: str
    installed_at: str
    current: bool


@dataclass(frozen=True)
class _Order:
    """stack : folders of versions, each in force after the one before it; the last one is now.
    installed : when, by folder, the latest last."""

    stack: tuple[str, ...] = ()
    installed: Mapping[str, str] | None = None


def find_trained(folder: Path) -> Path:
    """The bundle's folder: the folder itself, or the only one in a run folder that has a card.

    Raises BundleError.
    """
    if (folder / CARD).is_file():
        return folder
    inside = sorted(card.parent for card in folder.glob(f"*/{CARD}")) if folder.is_dir() else []
    if len(inside) == 1:
        return inside[0]
    found = ", ".join(path.name for path in inside) or "none"
    raise BundleError(f"{folder} is no bundle: it has no {CARD}; bundles inside: {found}")


def default_name(folder: Path) -> str:
    """The name that a bundle's folder stands for; a version in a store has its store's name."""
    folder = folder.resolve()
    stored = folder.parent.parent.name == _VERSIONS
    return folder.parent.name if stored else folder.name


def install(
    source: Path,
    store: Path,
    name: str,
    folders: Sequence[Path] = (),
    trial: Callable[[Bundle], None] = lambda bundle: None,
) -> Bundle:
    """Copies a bundle into the store and puts it in force under a name.

    folders : where the node looks for bundles besides. trial : called before anything is changed,
    and raises when the bundle is of no use. Raises BundleError when the bundle is
    damaged, the name cannot be a folder's or is one already, or a bundle of that name belongs to
    another system: what reads with the name could not read with this one.
    """
    bundle = read_bundle(source)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise BundleError(f"{name!r} cannot name a bundle: use letters, digits, '-', '_' and '.'")
    if (store / name).exists() and not (store / name).is_symlink():
        raise BundleError(
            f"{store / name} is a folder that nobody installed: install it as a bundle under "
            "another name, or move it away"
        )
    _refuse_another_system(bundle, name, (store, *folders))
    trial(bundle)
    versions = store / _VERSIONS / name
    versions.mkdir(parents=True, exist_ok=True)
    target = versions / f"{bundle.digest[:12]}-{file_digest(source / CARD)[:6]}"
    if not _is_whole(target):
        with tempfile.TemporaryDirectory(dir=versions, prefix=".new-") as folder:
            fresh = Path(folder) / target.name
            shutil.copytree(source, fresh)
            read_bundle(fresh, name)
            if target.exists():
                target.rename(Path(folder) / "damaged")
            fresh.rename(target)
    order = _read_order(versions)
    stack = order.stack if order.stack[-1:] == (target.name,) else (*order.stack, target.name)
    others = {one: at for one, at in (order.installed or {}).items() if one != target.name}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _write_order(versions, _Order(stack, {**others, target.name: now}))
    _point(store / name, target)
    return load_bundle(name, (store,))


def install_previous(name: str, store: Path) -> Version | None:
    """Puts the version in force that was before; None: there is none left, and a bundle of that
    name elsewhere, as the shipped one, is in force again.

    Raises BundleError when nothing of that name is installed.
    """
    versions = store / _VERSIONS / name
    order = _read_order(versions)
    if not order.stack or not (store / name).is_symlink():
        raise BundleError(f"no bundle {name!r} is installed here: there is no previous one")
    before = order.stack[:-1]
    if before:
        read_bundle(versions / before[-1], name)
        _point(store / name, versions / before[-1])
    else:
        (store / name).unlink()
    _write_order(versions, _Order(before, order.installed))
    return next((one for one in installed_versions(name, store) if one.current), None)


def installed_versions(name: str, store: Path) -> tuple[Version, ...]:
    """The versions of a name in a store as their cards call themselves, the latest last."""
    versions = store / _VERSIONS / name
    installed = _read_order(versions).installed or {}
    in_force = (store / name).resolve() if (store / name).is_symlink() else None
    found = []
    for card in versions.glob(f"[!.]*/{CARD}"):
        said = tomllib.loads(card.read_text(encoding="utf-8"))
        found.append(
            Version(
                folder=card.parent,
                version=str(said.get("version", "")),
                digest=str(said.get("digest", "")),
                installed_at=installed.get(card.parent.name, ""),
                current=card.parent.resolve() == in_force,
            )
        )
    place = {one: number for number, one in enumerate(installed)}  # a second may hold two
    return tuple(sorted(found, key=lambda one: place.get(one.folder.name, -1)))


def _refuse_another_system(bundle: Bundle, name: str, folders: Sequence[Path]) -> None:
    try:
        present = load_bundle(name, folders)
    except BundleError:
        return  # there is none, or it is damaged and about to be replaced
    if present.system != bundle.system:
        raise BundleError(
            f"bundle {name!r} is of the system {present.system!r}, {bundle.folder} of "
            f"{bundle.system!r}: what reads with the one cannot read with the other; "
            "install it under a name of its own"
        )


def _is_whole(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    try:
        read_bundle(folder)
    except BundleError:
        return False
    return True


def _point(link: Path, target: Path) -> None:
    """Makes the link lead to the target; whoever reads meanwhile finds the old or the new."""
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    fresh.replace(link)


def _read_order(versions: Path) -> _Order:
    try:
        said = json.loads((versions / _ORDER).read_text(encoding="utf-8"))
        return _Order(tuple(said["stack"]), dict(said["installed"]))
    except FileNotFoundError:
        return _Order()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{versions / _ORDER} cannot be read: {error!r}") from error


def _write_order(versions: Path, order: _Order) -> None:
    fresh = versions / f".{_ORDER}"
    text = json.dumps({"stack": order.stack, "installed": order.installed or {}}, indent=2)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(versions / _ORDER)
