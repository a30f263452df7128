"""How long the papers' protocols take here: one epoch of each fit on a few images, reckoned up.

Time does not depend on what a network knows, so that random initial weights serve. Reading the
images, evaluation and charts come on top; they are minutes. No part of `make bench`: it compares
nothing, it tells a hospital what to expect.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision

from models.data import read_manifest
from models.simulation.manifest import Population, write_manifest
from models.systems import SYSTEMS, protocol
from models.training.options import Options
from tests.peers import shared


@dataclass(frozen=True)
class Whole:
    """A system's protocol as `hepanode models evaluate SYSTEM --recipe RECIPE` runs it."""

    system: str
    recipe: str
    epochs: int
    folds: int
    repeats: int = 1


WHOLE = (
    Whole("attention", "small", 12, 3),
    Whole("attention", "paper", 30, 3, 3),
    Whole("dcnn-us", "small", 12, 5),
    Whole("dcnn-us", "paper", 30, 5),
    Whole("roi", "small", 12, 5),
    Whole("roi", "paper", 30, 5),
    Whole("joint", "joint", 40, 3),
    Whole("joint", "paper", 16, 3),
    Whole("joint", "paper-segmentation", 16, 3),
    Whole("joint", "paper-classification", 16, 3),
)


PARTICIPANTS = 135
"""Of paper 5."""


class FirstFold(Exception):
    """The networks of the first fold are fitted."""


class Stopwatch:
    """Adds up the seconds between the begin and the end of each fit of the first fold."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if "fold-1" in what:
            raise FirstFold
        if "fold-0" in what and not what.endswith("read"):
            if done == 0:
                self._began[what] = time.perf_counter()
            elif done == total:
                self.seconds += time.perf_counter() - self._began[what]


def hours(whole: Whole, images: int, weights: Path) -> float:
    """Of all epochs of all fits over the whole manifest."""
    cases = read_manifest(shared() / "data" / "aul")
    some = cases[:: len(cases) // images][:images]
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="protocol-") as out, suppress(FirstFold):
        protocol(SYSTEMS[whole.system]).cross_validate(
            some,
            Options(
                Path(out),
                init=None if whole.recipe in ("small", "joint") else weights,
                epochs=1,
                recipe=whole.recipe,
                progress=watch,
            ),
        )
    passes = whole.epochs * whole.folds * whole.repeats * len(cases) / len(some)
    return watch.seconds * passes / 3600


def multiview_hours(participants: int) -> float:
    """Of paper 5's: the features of every frame once, and a fold for each participant. Its heads
    are found faster in features that mean something: the backbone is the one with its weights here.
    """
    began: list[float] = []

    def watch(what: str, done: int, total: int) -> None:
        if what == "folds":
            raise FirstFold
        began.append(time.perf_counter())

    with tempfile.TemporaryDirectory(prefix="protocol-") as out, suppress(FirstFold):
        folder = Path(out)
        write_manifest(folder, Population(participants, lesions=0.0), processes=0)
        options = Options(folder, progress=watch)
        protocol(SYSTEMS["multiview-fat"]).cross_validate(read_manifest(folder), options)
    features, fold = began[-1] - began[0], time.perf_counter() - began[-1]
    return (features + participants * fold) / 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=30)
    arguments = parser.parse_args()
    print(f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, 600 images of AUL")
    with tempfile.TemporaryDirectory(prefix="weights-") as folder:
        for name in ("resnet18", "resnet50", "densenet121", "vgg16_bn"):
            torch.save(torchvision.models.get_model(name).state_dict(), f"{folder}/{name}.pth")
        for whole in WHOLE:
            print(
                f"{whole.system:10} {whole.recipe:22} {whole.repeats} x {whole.folds} folds, "
                f"{whole.epochs:2} epochs: {hours(whole, arguments.images, Path(folder)):7.1f} h",
                flush=True,
            )
    taken = multiview_hours(PARTICIPANTS)
    print(f"multiview-fat, {PARTICIPANTS} participants left out one by one: {taken:.1f} h")


if __name__ == "__main__":
    main()
