"""Writing a bundle: weights in half precision and the card that names their digest."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w
import torch

from models.backbones import backbone, weight_file
from models.bundle import CARD, WEIGHTS, Bundle
from models.evaluation.calibration import RESAMPLES
from models.evaluation.metrics import Figure
from models.registry import file_digest, read_bundle
from models.training.options import Options
from models.weights import write_weights

log = logging.getLogger(__name__)

LARGEST = 14 * 1024 * 1024
"""Bytes that the weights of one network may take in the repository."""


CALIBRATION = (
    "Platt scaling of the out-of-fold logits at equal prior of both answers, with the covariance "
    f"of slope and intercept over {RESAMPLES} resamples of patients: an interval of a probability "
    "is that of the calibration alone, not of how well an image was read"
)
"""What a card says of probabilities that have an interval."""


def initial_weights(backbones: Iterable[str], options: Options) -> dict[str, Any]:
    """What a card says of the weights that training started from: the source of each backbone's,
    or that they were a local file, and its sha256 by backbone."""
    names = list(dict.fromkeys(backbones))
    if options.init is None:
        return {"source": "; ".join(backbone(name).origin for name in names)}
    files = {name: weight_file(name, options.init) for name in names}
    return {
        "source": "a local file",
        "sha256": {name: file_digest(file) for name, file in files.items() if file is not None},
    }


def beside_geometry(
    figures: Mapping[str, Figure], baseline: Mapping[str, Figure]
) -> dict[str, dict[str, object]]:
    """Figures as a card holds them, and the confound baseline's as ``<name>_geometry_only``."""
    return {name: figure.as_card() for name, figure in figures.items()} | {
        f"{name}_geometry_only": figure.as_card() for name, figure in baseline.items()
    }


def strata_card(strata: Mapping[str, Mapping[str, Figure]]) -> dict[str, dict[str, object]]:
    """Figures within groups, by group, as a card holds them."""
    return {
        group: {name: figure.as_card() for name, figure in figures.items()}
        for group, figures in strata.items()
    }


def write_bundle(
    folder: Path,
    tensors: dict[str, torch.Tensor],
    card: Mapping[str, Any],
    *,
    full: frozenset[str] = frozenset(),
    networks: int = 1,
) -> Bundle:
    """Writes weights and card into a folder and reads them back as a bundle.

    card : everything but the digest. full : tensors that keep their precision. networks : in the
    ensemble. A bundle of more than 14 MB a network is written all the same, with a warning: it
    serves a hospital, but is too large to ship.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(tensors, folder / WEIGHTS, full=full)
    size = (folder / WEIGHTS).stat().st_size
    if size > LARGEST * networks:
        log.warning("%s takes %d bytes, too many to ship: see a smaller backbone", folder, size)
    complete = {**card, "digest": file_digest(folder / WEIGHTS)}
    plain = {key: value for key, value in complete.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in complete.items() if isinstance(value, Mapping)}
    text = tomli_w.dumps({**plain, **tables}, multiline_strings=True)
    (folder / CARD).write_text(text, encoding="utf-8")
    bundle = read_bundle(folder)
    log.info("%s written to %s", bundle.title, folder)
    return bundle
