"""What a set of images is, as a card must say it: ``data.toml`` beside the manifest."""

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from models.errors import TrainingError

SHIPPED = Path(__file__).parent / "about"
"""Descriptions of public sets, whose own folders have none."""

Kind = Literal["local", "public", "simulated"]

_STATUS = {
    "local": "cross-validated on local data",
    "public": "cross-validated on public data",
    "simulated": "simulated data only",
}


@dataclass(frozen=True)
class About:
    """name : of the set, with its authors. kind : 'local' is a hospital's own. source : where it
    can be had. licence, attribution : of the images; weights derived from them carry both.
    limits : what a figure on this set cannot show."""

    name: str
    kind: Kind = "local"
    source: str = "not stated"
    licence: str = "not stated"
    attribution: str = ""
    limits: str = ""

    def status(self, *, validated: bool) -> str:
        """The validation status of a bundle fitted on the set; validated : out of fold."""
        if self.kind == "simulated":
            return _STATUS[self.kind]
        return _STATUS[self.kind] if validated else "not validated"

    def as_card(self) -> dict[str, str]:
        return {key: value for key, value in asdict(self).items() if value and key != "limits"}


def read_about(manifest: Path, given: str | None = None) -> About:
    """The description of a manifest's images.

    given : a .toml file, or the name of a shipped description; without it ``data.toml`` beside the
    manifest, else the folder's name and nothing more. TrainingError when it cannot be used.
    """
    folder = manifest if manifest.is_dir() else manifest.parent
    file = folder / "data.toml"
    if given is not None:
        file = SHIPPED / f"{given}.toml" if (SHIPPED / f"{given}.toml").is_file() else Path(given)
    elif not file.is_file():
        return About(folder.resolve().name)
    try:
        about = About(**tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        shipped = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.toml")))
        raise TrainingError(
            f"{file} does not describe a data set ({error}); it holds name, kind, source, licence, "
            f"attribution and limits. Shipped descriptions: {shipped}"
        ) from error
    if about.kind not in _STATUS:
        raise TrainingError(f"{file}: kind {about.kind!r} is not one of {', '.join(_STATUS)}")
    return about
