"""A model bundle: a folder with ``model.safetensors`` and its ``card.toml``."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS = "model.safetensors"
CARD = "card.toml"

VALIDATION_STATUSES = (
    "validated on patients",
    "cross-validated on public data",
    "cross-validated on local data",
    "simulated data only",
    "not validated",
)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose card was read and whose weights were checked against the card's digest.

    name : the folder's name. digest : sha256 of the weights, in hex. system : which system reads
    it, as ``room.file`` under ``models``. labels : what the model can say; lacks : what it was
    never trained to say. validation_status : one of ``VALIDATION_STATUSES``. card : the whole
    card, with preprocessing, protocol, figures and licences.
    """

    name: str
    folder: Path
    system: str
    version: str
    digest: str
    backbone: str
    labels: tuple[str, ...]
    lacks: tuple[str, ...]
    validation_status: str
    card: Mapping[str, Any]

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def card_digest(self) -> str:
        """sha256 of what the card says, in hex: thresholds and calibration change answers too."""
        text = json.dumps(self.card, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def title(self) -> str:
        """What a report prints: name, version and the first digits of the digest."""
        return f"{self.name} {self.version} ({self.digest[:12]})"
