"""A worker's time per frame, model by model: ``python -m tests.benchmarks.pathway``.

A study of simulated frames as DICOM files, with a box to outline in each, from the files to the
encoded result objects, on all cores of this machine; the weights are loaded. Beside it, in the same
run, the peer: a plain eager loop of the same networks over the same images and boxes, one at a
time, batch normalisation not folded, tensors contiguous and not channels-last, float32, no map used
twice. Which frames are looked at for masses, and which boxes are proposed in them, the worker has
said. Each measures in a process of its own, in turns, so that its peak memory is its own too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.bundle import Bundle
from models.lesion.clicks import Prompt as Place
from models.registry import load_bundle, open_system
from models.simulation import SIMULATED_VIEWS, simulate_frame
from node.association.wrap import Study
from node.settings import Analysis
from workers.analysis import Asked, LoadedModels, analyse, plan
from workers.findings import Frame, FrameRef, Prompt
from workers.frames import StoredInstance, read, read_asked, select
from workers.results import ResultContext, build, encode
from workers.results.sources import read_headers
from workers.stages import Stages

REQUIRED = 0.35
"""Seconds a frame on two cores, at most."""

ONCE = ("gate", "lesion", "fat")
"""What reads every frame."""

MODELS = (*ONCE, "fan_liver", "joint")
REST = ("decode", "between models", "result objects")
BOX = ((256.0, 168.0), (384.0, 264.0))  # in a frame of 480x640
DISTINCT = 16  # frames that are simulated; the others repeat them
_FEW = 2  # frames of the warm-up

_FOLDERS = ("frame.features", "frame.fan_liver", "lesion.attention", "lesion.joint")
_CLOCKED = {"see", "of_features", "of_seen", "read", "read_all"}

Figures = dict[str, float]
Work = list[tuple[str, int, list[Any]]]
"""Calls of a model: its name, the image's number, and the boxes."""


def write_study(folder: Path, count: int) -> list[StoredInstance]:
    """Still frames, 480x640 RGB, not compressed, over the four views."""
    study, stored = Study(patient_id="BENCH"), []
    for index in range(count):
        picture = folder / f"{index % DISTINCT}.png"
        view = SIMULATED_VIEWS[index % DISTINCT % len(SIMULATED_VIEWS)]
        if not picture.exists():
            drawn = simulate_frame(view, 12, seed=index)
            Image.fromarray(drawn.image).convert("RGB").save(picture, compress_level=1)
        path = folder / f"{index}.dcm"
        stored.append(StoredInstance(path, study.wrap(picture, path, view=view)))
    return stored


def frames_of(instances: Sequence[StoredInstance], settings: Analysis) -> Iterator[Frame]:
    for one in instances:
        for frame in read(one.path, select([one], settings).frames, settings):
            assert isinstance(frame, Frame)
            yield frame


class Clock:
    """A system, or a part of one, whose readings are timed and noted."""

    def __init__(self, system: Any, note: Callable[[float, tuple[Any, ...]], None]) -> None:
        self._system = system
        self._note = note

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._system, name)
        if name == "features":
            return Clock(found, self._note)
        if name not in _CLOCKED:
            return found

        def timed(*given: Any) -> list[Any]:
            began = time.perf_counter()
            said = list(found(*given))
            self._note(time.perf_counter() - began, given)
            return said

        return timed


class ClockedModels(LoadedModels):
    """Adds up the seconds of each model, and keeps what the peer is to do."""

    def __init__(self, settings: Analysis, numbers: Mapping[bytes, int]) -> None:
        super().__init__(settings)
        self.seconds: Counter[str] = Counter()
        self.work: Work = []
        self._numbers = numbers
        self._names = {bundle: name for name, bundle in settings.bundles.items()}

    def system(self, bundle: Bundle) -> Any:
        name = self._names[bundle.name]

        def note(seconds: float, given: tuple[Any, ...]) -> None:
            self.seconds[name] += seconds
            if name == "joint":
                image, places = given
                self.work.append((name, self._number(image), [place.box for place in places]))
            elif name == "fan_liver":
                self.work += [(name, self._number(image), []) for image in given[0]]

        return Clock(super().system(bundle), note)

    def _number(self, image: NDArray[np.uint8]) -> int:
        return self._numbers[image.tobytes()]


def of_worker(instances: Sequence[StoredInstance], _: Work) -> tuple[Figures, Work]:
    """Seconds of each model and of the rest; 'whole' is from the files to the result objects."""
    settings = Analysis(device="cpu")
    numbers: dict[bytes, int] = {}
    for number, frame in enumerate(frames_of(instances, settings)):
        numbers.setdefault(frame.image.tobytes(), number)
    models = ClockedModels(settings, numbers)
    chosen = plan(models, settings, ["box"])

    def analysed(some: Sequence[StoredInstance]) -> Figures:
        models.seconds.clear()
        models.work.clear()
        stages, began = Stages(), time.perf_counter()
        asked = asked_of(some, settings, stages)
        found = analyse(chosen, frames_of(some, settings), (), models, settings, stages, asked)
        assert len(found.readings) >= len(some) / 2, "the gate refuses too many: nothing to measure"
        with stages.stage("result objects"):
            paths = {one.sop_instance_uid: one.path for one in some}

            def source_of(ref: FrameRef) -> NDArray[np.uint8]:
                (frame,) = read(paths[ref.sop_instance_uid], [ref], settings)
                assert isinstance(frame, Frame)
                return frame.source

            for one in build(_context(), found, read_headers(paths), source_of):
                encode(one)
        whole = time.perf_counter() - began
        figures = {name: models.seconds[name] for name in MODELS}
        figures |= {name: stages.seconds[name] for name in ("decode", "result objects")}
        return figures | {"between models": whole - sum(figures.values()), "whole": whole}

    analysed(instances[:_FEW])
    return analysed(instances), models.work


def asked_of(
    instances: Sequence[StoredInstance], settings: Analysis, stages: Stages
) -> Iterator[Asked]:
    for number, one in enumerate(instances):
        prompt = Prompt(number, one.sop_instance_uid, 1, "box", BOX)
        with stages.stage("decode"):
            frame = read_asked(one, 1, prompt.inside, settings)
        yield prompt, frame


def _context() -> ResultContext:
    return ResultContext(
        result_key="0" * 64,
        version=1,
        predecessors=(),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        run_id=1,
        node_name="BENCH",
        node_serial="BENCH",
        software_version="0",
    )


def of_plain_loop(instances: Sequence[StoredInstance], work: Work) -> tuple[Figures, Work]:
    """Seconds of each model for the same work."""
    settings = Analysis(device="cpu")
    images = [frame.image for frame in frames_of(instances, settings)]
    views = [frame.view for frame in frames_of(instances, settings)]
    with plain() as networks:
        systems = {name: open_system(load_bundle(settings.bundles[name])) for name in MODELS}
    assert len(networks) >= len(MODELS)  # a detector may have several
    assert all(one.is_contiguous() for network in networks for one in network.parameters())
    calls: dict[str, Callable[[int, list[Any]], object]] = {
        "gate": lambda number, _: systems["gate"].read([images[number]]),
        "lesion": lambda number, _: systems["lesion"].read([images[number]]),
        "fat": lambda number, _: systems["fat"].read([images[number]], [views[number]]),
        "fan_liver": lambda number, _: systems["fan_liver"].read([images[number]]),
        "joint": lambda number, boxes: [
            systems["joint"].read(images[number], Place(box=tuple(box))) for box in boxes
        ],
    }
    every: Work = [(name, number, []) for name in ONCE for number in range(len(images))]
    for name, number, boxes in [*every[:: len(images)], *work[:_FEW]]:
        calls[name](number, boxes)
    seconds = dict.fromkeys(MODELS, 0.0)
    for name, number, boxes in [*every, *work]:
        began = time.perf_counter()
        calls[name](number, boxes)
        seconds[name] += time.perf_counter() - began
    return seconds, []


@contextmanager
def plain() -> Iterator[list[torch.nn.Module]]:
    """In here systems are opened without folding, and nothing is made channels-last; theirs are the
    networks that are given."""
    networks: list[torch.nn.Module] = []

    def unfolded(network: torch.nn.Module) -> torch.nn.Module:
        networks.append(network.eval())
        return network

    with ExitStack() as stack:
        stack.enter_context(patch.object(torch, "channels_last", torch.contiguous_format))
        for name in _FOLDERS:
            stack.enter_context(patch(f"models.{name}.fold_normalisation", unfolded))
        yield networks


PARTS: dict[str, Callable[[Sequence[StoredInstance], Work], tuple[Figures, Work]]] = {
    "worker": of_worker,
    "plain": of_plain_loop,
}


def measured(part: str, frames: int, work: Work) -> tuple[Figures, Work]:
    """Seconds of a part in a process of its own, and 'peak', its memory in MB."""
    command = [sys.executable, "-m", "tests.benchmarks.pathway", "--part", part]
    done = subprocess.run(
        [*command, "--frames", str(frames)],
        input=json.dumps(work),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    figures, found = json.loads(done.stdout.splitlines()[-1])
    return figures, found


def middle(rounds: Sequence[Figures]) -> Figures:
    """The median over the rounds."""
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, help="one part only, as JSON")
    arguments = parser.parse_args()
    if arguments.part:
        with tempfile.TemporaryDirectory() as folder:
            instances = write_study(Path(folder), arguments.frames)
            figures, done = PARTS[arguments.part](instances, json.load(sys.stdin))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([figures | {"peak": peak}, done]))
        return
    work: Work = []
    rounds: dict[str, list[Figures]] = {part: [] for part in PARTS}
    for _ in range(arguments.rounds):
        ours, work = measured("worker", arguments.frames, work)
        theirs, _ = measured("plain", arguments.frames, work)
        rounds["worker"].append(ours)
        rounds["plain"].append(theirs)
    report(arguments.frames, work, middle(rounds["worker"]), middle(rounds["plain"]))


def report(count: int, work: Work, ours: Figures, theirs: Figures) -> None:
    calls = Counter(dict.fromkeys(ONCE, count))
    for name, _, boxes in work:
        calls[name] += len(boxes) or 1
    print(f"{count} frames of 480x640 with a box in each; {os.cpu_count()} cores")
    print(f"{'ms a frame':20}{'calls a frame':>15}{'worker':>10}{'plain loop':>12}{'ratio':>8}")

    def line(name: str, own: float, other: float | None = None, often: str = "") -> str:
        row = f"  {name:18}{often:>15}{1000 * own / count:10.1f}"
        return row if other is None else f"{row}{1000 * other / count:12.1f}{own / other:7.2f}x"

    for name in MODELS:
        print(line(name, ours[name], theirs[name], f"{calls[name] / count:.2f}"))
    print(line("all models", *(sum(one[name] for name in MODELS) for one in (ours, theirs))))
    for name in REST:
        print(line(name, ours[name]))
    print(f"{line('whole', ours['whole'])} (required: at most {1000 * REQUIRED:.0f} on two cores)")
    print(f"{'peak memory, MB':35}{ours['peak']:10.0f}{theirs['peak']:12.0f}")


if __name__ == "__main__":
    main()
