"""Finding, verifying and opening model bundles. Importing this module does not import torch.

A system is a file ``models/<room>/<file>.py`` that defines ``SYSTEM``, a class with
``load(bundle, device)``; a bundle's card names it as ``system = "<room>.<file>"``. A new system is
a new file and a new bundle, and nothing else.
"""

import hashlib
import importlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.bundle import CARD, VALIDATION_STATUSES, WEIGHTS, Bundle
from models.errors import BundleError

SHIPPED = Path(__file__).parent / "bundles"
"""Where the bundles lie that come with the package."""

_REQUIRED: dict[str, type] = {
    "system": str,
    "version": str,
    "backbone": str,
    "labels": list,
    "lacks": list,
    "validation_status": str,
    "digest": str,
    "preprocessing": dict,
}


def find_bundles(extra_dirs: Sequence[Path] = ()) -> tuple[str, ...]:
    """The names of all bundles, sorted: folders with a card in ``extra_dirs`` or shipped."""
    found = {
        card.parent.name
        for directory in (*extra_dirs, SHIPPED)
        if directory.is_dir()
        for card in directory.glob(f"*/{CARD}")
    }
    return tuple(sorted(found))


def load_bundle(name: str, folders: Sequence[Path] = ()) -> Bundle:
    """A bundle with its card read and its weights verified; no weights are loaded.

    folders : searched first, in order, so that an own bundle takes the place of a shipped one.
    Raises BundleError when it is missing, its card is incomplete, or its digest does not match.
    """
    for directory in (*folders, SHIPPED):
        folder = directory / name
        if (folder / CARD).is_file() or folder.is_symlink():
            # A link is followed once: card and weights are of one version, whatever is installed
            # between reading the one and loading the other. One that leads nowhere is an error:
            # another model of the name must not take its place in silence.
            return read_bundle(folder.resolve(), name)
    searched = ", ".join(str(directory) for directory in (*folders, SHIPPED))
    raise BundleError(
        f"bundle {name!r}: not found in {searched}; "
        f"there are: {', '.join(find_bundles(folders)) or 'none'}. "
        "Correct the name in the configuration or add its folder."
    )


def read_bundle(folder: Path, name: str | None = None) -> Bundle:
    """The bundle in a folder, verified as ``load_bundle`` says; name : the folder's by default."""
    name = name or folder.resolve().name
    card = _read_card(folder, name)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise BundleError(f"bundle {name!r}: {WEIGHTS} is missing; install the bundle again")
    digest = file_digest(weights)
    if digest != card["digest"]:
        raise BundleError(
            f"bundle {name!r}: {WEIGHTS} has sha256 {digest[:12]}…, its card says "
            f"{card['digest'][:12]}…: the weights were damaged or exchanged; "
            "install the bundle again"
        )
    return Bundle(
        name=name,
        folder=folder,
        system=card["system"],
        version=card["version"],
        digest=digest,
        backbone=card["backbone"],
        labels=tuple(card["labels"]),
        lacks=tuple(card["lacks"]),
        validation_status=card["validation_status"],
        card=card,
    )


def open_system(bundle: Bundle, device: str = "cpu") -> Any:
    """The bundle's system, loaded with its weights on a device; imports torch on first use."""
    if not re.fullmatch(r"[a-z_]+\.[a-z_]+", bundle.system):
        raise _unknown_system(bundle)
    try:
        module = importlib.import_module(f"models.{bundle.system}")
    except ModuleNotFoundError as error:
        if error.name is None or not f"models.{bundle.system}".startswith(error.name):
            raise
        raise _unknown_system(bundle) from error
    if not hasattr(module, "SYSTEM"):
        raise _unknown_system(bundle)
    return module.SYSTEM.load(bundle, device=device)


def file_digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_card(folder: Path, name: str) -> Mapping[str, Any]:
    try:
        card = tomllib.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BundleError(
            f"bundle {name!r}: {CARD} cannot be read ({error}); install the bundle again"
        ) from error
    for key, kind in _REQUIRED.items():
        if not isinstance(card.get(key), kind):
            raise BundleError(
                f"bundle {name!r}: {CARD} needs {key!r} as a {kind.__name__}; "
                "correct the card or install the bundle again"
            )
    if card["validation_status"] not in VALIDATION_STATUSES:
        raise BundleError(
            f"bundle {name!r}: validation_status {card['validation_status']!r} is not one "
            f"of {', '.join(map(repr, VALIDATION_STATUSES))}; correct the card"
        )
    return card


def _unknown_system(bundle: Bundle) -> BundleError:
    return BundleError(
        f"bundle {bundle.name!r}: this version has no system {bundle.system!r}; "
        "upgrade hepanode or correct 'system' in the card"
    )
