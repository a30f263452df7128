"""Simulated participants as a folder that training and evaluation read like a hospital's own."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.errors import ModelError, TrainingError
from models.images.contours import mask_outline
from models.simulation.anatomy import VIEWS
from models.simulation.frame import SimulatedFrame, simulate_participant
from models.simulation.lesions import LESION_KINDS, Lesion

MANIFEST = "manifest.csv"
STEATOSIS_PERCENT = 5.0

_COLUMNS = ("id", "image", "patient", "view", "fat_percent", "background", "type", "spacing")
_OUTLINES = ("outline", "liver", "kidney", "mass")
_FAT_STRATA = ((1.0, 5.0, 0.30), (5.0, 10.0, 0.25), (10.0, 20.0, 0.25), (20.0, 35.0, 0.20))
_RADII_MM = (7.0, 28.0)

_ABOUT = """\
name = "{participants} simulated participants, four views each (models.simulation), seed {seed}"
kind = "simulated"
source = "models.simulation of this version; no patient data"
licence = "MIT"
limits = "Simulated frames only: figures show that a method works on its own simulator and say \
nothing of patients."
"""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Population:
    """lesions : share of participants with a lesion. lesion_views : in how many of the four views
    it is seen at most. kinds : drawn from alike, each one of ``LESION_KINDS``; focal fatty sparing
    only in livers of at least ``sparing_from`` per cent fat, for in a lean one nobody can see it.
    """

    participants: int = 20
    seed: int = 0
    lesions: float = 0.5
    lesion_views: int = 2
    kinds: tuple[str, ...] = LESION_KINDS
    sparing_from: float = 12.0

    def __post_init__(self) -> None:
        if self.participants < 1 or not 0 <= self.lesions <= 1:
            raise TrainingError("simulate at least one participant, and a share of lesions of 0..1")
        if not 1 <= self.lesion_views <= len(VIEWS):
            raise TrainingError(f"a lesion is seen in 1 to {len(VIEWS)} views")
        if wrong := set(self.kinds) - set(LESION_KINDS):
            raise TrainingError(
                f"there is no lesion kind {min(wrong)!r}; there are {', '.join(LESION_KINDS)}"
            )


def write_manifest(
    folder: Path,
    population: Population,
    processes: int = 1,
    progress: Progress = lambda what, done, total: None,
) -> Path:
    """Simulates participants into ``folder/images`` and writes ``manifest.csv``, last of all, and
    ``data.toml``; returns the manifest.

    Each participant has the four views, in some of which a lesion may be seen. The same population
    gives the same files with any number of processes, and the first participants of a larger one.
    TrainingError when the folder has a manifest already.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        raise TrainingError(f"{manifest} is there already: name a new folder")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows: list[Mapping[str, Any]] = []
    numbers = range(population.participants)
    progress("simulating participants", 0, population.participants)
    with _mapped(processes) as mapped:
        for done, found in enumerate(mapped(partial(_participant, folder, population), numbers), 1):
            rows += found
            progress("simulating participants", done, population.participants)
    about = _ABOUT.format(participants=population.participants, seed=population.seed)
    (folder / "data.toml").write_text(about, encoding="utf-8")
    fresh = manifest.with_suffix(".new")
    with fresh.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, (*_COLUMNS, *_OUTLINES))
        writer.writeheader()
        writer.writerows(rows)
    return fresh.replace(manifest)


@contextmanager
def _mapped(processes: int) -> Iterator[Callable[..., Iterator[list[dict[str, Any]]]]]:
    """``map``, over so many processes."""
    if processes <= 1:
        yield map
        return
    # Not forked: a process that runs threads, as torch's, may not be copied.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool.map


def _participant(folder: Path, population: Population, number: int) -> list[dict[str, Any]]:
    """Writes one participant's pictures and returns the manifest's rows."""
    generator = np.random.default_rng((population.seed, number))
    low, high, _ = _FAT_STRATA[
        generator.choice(len(_FAT_STRATA), p=[row[2] for row in _FAT_STRATA])
    ]
    fat = float(generator.uniform(low, high))
    frames = _simulated(fat, population, generator)
    return [
        _row(folder, f"sim-{population.seed}-{number:05}", frame, fat) for frame in frames.values()
    ]


def _simulated(
    fat: float, population: Population, generator: np.random.Generator
) -> Mapping[str, SimulatedFrame]:
    """The views of one person; a lesion that finds no room is tried smaller, then left out."""
    seed = int(generator.integers(2**31))
    kinds = [
        kind
        for kind in population.kinds
        if kind != "focal fatty sparing" or fat >= population.sparing_from
    ]
    if kinds and generator.random() < population.lesions:
        kind = kinds[int(generator.integers(len(kinds)))]
        radius = float(generator.uniform(*_RADII_MM))
        count = int(generator.integers(1, population.lesion_views + 1))
        views = tuple(str(view) for view in generator.choice(list(VIEWS), count, replace=False))
        for size in (radius, 0.7 * radius, 0.5 * radius):
            try:
                return simulate_participant(
                    fat, seed, lesion=Lesion(kind, size), lesion_views=views
                )
            except ModelError:
                continue
    return simulate_participant(fat, seed)


def _row(folder: Path, patient: str, frame: SimulatedFrame, fat: float) -> dict[str, Any]:
    identity = f"{patient}-{frame.view.replace('/', ' ').replace(' ', '-')}"
    Image.fromarray(frame.image).save(folder / "images" / f"{identity}.png")
    mass = None if frame.lesion_mask is None else frame.lesion_mask & frame.fan
    shown = frame.lesion is not None and mass is not None and mask_outline(mass) is not None
    return {
        "id": identity,
        "image": f"images/{identity}.png",
        "patient": patient,
        "view": frame.view,
        "fat_percent": f"{fat:.2f}",
        "background": "steatosis" if fat >= STEATOSIS_PERCENT else "normal",
        "type": frame.lesion.kind if shown and frame.lesion else "none",
        "spacing": f"{frame.spacing[0]:.4f}",
        "outline": _polygon(frame.fan),
        "liver": _polygon(frame.liver),
        "kidney": _polygon(frame.kidney),
        "mass": _polygon(mass) if shown else "",
    }


def _polygon(mask: npt.NDArray[np.bool_] | None) -> str:
    outline: Sequence[tuple[float, float]] | None = None if mask is None else mask_outline(mask)
    return json.dumps(outline, separators=(",", ":")) if outline else ""
