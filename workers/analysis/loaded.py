"""Models in memory: opened lazily, once per process, and again when their weights change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.bundle import Bundle
from models.errors import ModelError
from models.registry import load_bundle, open_system
from node.errors import StorageError
from node.settings import Analysis
from workers.findings import ModelIdentity
from workers.messages import marked, say

log = logging.getLogger(__name__)

_HEADLINES = {"auc": marked("AUC"), "spearman": marked("Spearman correlation")}


FROM_GEOMETRY = marked("from image geometry alone")
"""What a figure's baseline often is."""


def choose_device(wanted: str) -> str:
    """'auto' is the first GPU where there is one, else the CPU."""
    if wanted != "auto":
        return wanted
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


class LoadedModels:
    """The systems that this process has opened, by bundle name and digest of the weights.

    folders : searched before the shipped bundles; None: those that the analysis settings name.
    """

    def __init__(self, settings: Analysis, folders: Sequence[Path] | None = None) -> None:
        self._settings = settings
        self._folders = settings.bundle_folders if folders is None else tuple(folders)
        self._open: dict[str, tuple[Path, str, Any]] = {}
        self._lock = threading.Lock()

    def verify(self, name: str) -> Bundle | None:
        """The bundle of that name with its weights verified; None, and logged, when unusable."""
        try:
            return load_bundle(name, self._folders)
        except ModelError as error:
            log.error("%s", error)
            return None

    def system(self, bundle: Bundle) -> Any:
        """The bundle's system on the configured device.

        Raises ModelError when the weights do not fit their card, StorageError when they, verified
        a moment ago, cannot be read now.
        """
        with self._lock:
            folder, digest, system = self._open.get(bundle.name, (None, "", None))
            if (folder, digest) != (bundle.folder, bundle.digest):  # thresholds are the card's
                self._prepare_torch()
                try:
                    system = open_system(bundle, choose_device(self._settings.device))
                except ModelError as error:
                    if isinstance(error.__cause__, OSError):
                        raise StorageError(str(error)) from error
                    raise
                self._open[bundle.name] = (bundle.folder, bundle.digest, system)
            return system

    def _prepare_torch(self) -> None:
        import torch

        if self._settings.threads:
            torch.set_num_threads(self._settings.threads)


def identity(bundle: Bundle) -> ModelIdentity:
    """What every result says of the model that made it."""
    return ModelIdentity(
        name=bundle.name,
        version=bundle.version,
        digest=bundle.digest,
        validation_status=bundle.validation_status,
        figures=_figures(bundle),
    )


def card_figures(bundle: Bundle, wanted: Sequence[tuple[str, str, str]]) -> str:
    """One line of figures of a card, each with its interval and beside its baseline.

    wanted : name in the card, what it is, and what its baseline is; both are said here.
    """
    parts = []
    figures = bundle.card.get("figures", {})
    for name, title, rival in wanted:
        if name in figures:
            text = figure_words(title, figures[name])
            baselines = figures.get("baseline", {})
            if baseline := baselines.get(name) or figures.get(f"{name}_geometry_only"):
                text += f", {say(rival)} {baseline['value']:.2f}"
            parts.append(text)
    return "; ".join(parts)


def figure_words(title: str, figure: Mapping[str, Any]) -> str:
    """A figure of a card with its interval."""
    low, high = figure["interval_95"]
    return say(
        "{title} {value:.2f} ({low:.2f} to {high:.2f})",
        title=say(title),
        value=figure["value"],
        low=low,
        high=high,
    )


def _figures(bundle: Bundle) -> str:
    """One line: each label's AUC, or the study estimate's correlation, with its 95 % interval and,
    beside it, what the geometry of the images alone reaches, as the card has them."""
    parts = []
    figures = bundle.card.get("figures", {})
    for label in (*bundle.labels, "multiview"):
        row = figures.get(label)
        for key, title in _HEADLINES.items():
            figure = row.get(key) if isinstance(row, Mapping) else None
            if isinstance(figure, Mapping):
                text = f"{say(label)}: {figure_words(title, figure)}"
                if baseline := row.get(f"{key}_geometry_only"):
                    text += f", {say(FROM_GEOMETRY)} {baseline['value']:.2f}"
                parts.append(text)
    return "; ".join(parts)
