"""The models' time per frame, model by model: ``python -m tests.benchmarks.pathway``.

What a worker does between decoding and results over the decoded frames of a study, with a box to
outline in each, on all cores of this machine. Beside it, in the same run, the peer: a plain eager
loop of the same networks, one image at a time, batch normalisation not folded, tensors contiguous
and not channels-last, float32. Each measures in a process of its own, in turns, so that its peak
memory is its own too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch

from models.lesion.clicks import Prompt as Place
from models.registry import load_bundle, open_system
from node.settings import Analysis
from tests.benchmarks.gpu import frames_of
from workers.analysis import LoadedModels, analyse, plan
from workers.findings import Frame, Prompt
from workers.stages import Stages

MODELS = ("gate", "view", "lesion", "fat", "joint")
REQUIRED = 0.35
"""Seconds a frame on two cores, at most."""

_FOLDERS = ("frame.features", "lesion.attention", "fat.multiview", "lesion.joint")
_FEW = 2  # frames of the warm-up


def box_of(frame: Frame) -> tuple[tuple[float, float], tuple[float, float]]:
    height, width = frame.image.shape
    return (0.4 * width, 0.35 * height), (0.6 * width, 0.55 * height)


def of_worker(frames: Sequence[Frame]) -> dict[str, float]:
    """Seconds by stage of the analysis; 'whole' is from its begin to its end."""
    settings = Analysis(device="cpu")
    models = LoadedModels(settings)
    chosen = plan(models, settings, ["box"])

    def read(some: Sequence[Frame]) -> dict[str, float]:
        asked = [
            (Prompt(number, one.ref.sop_instance_uid, 1, "box", box_of(one)), one)
            for number, one in enumerate(some)
        ]
        stages, began = Stages(), time.perf_counter()
        found = analyse(chosen, some, (), models, settings, stages, asked)
        whole = time.perf_counter() - began
        assert len(found.readings) >= len(some) / 2, "the gate refuses too many: nothing to measure"
        return stages.seconds | {"whole": whole}

    read(frames[:_FEW])
    return read(frames)


def of_plain_loop(frames: Sequence[Frame]) -> dict[str, float]:
    """Seconds by model; 'whole' is from the loop's begin to its end."""
    settings = Analysis(device="cpu")
    with plain():
        systems: dict[str, Any] = {
            name: open_system(load_bundle(bundle))
            for name, bundle in settings.bundles.items()
            if name in MODELS
        }
        for name, system in systems.items():
            assert not list(channels_last(system)), f"{name} has channels-last weights"
        loop(systems, frames[:_FEW])
        return loop(systems, frames)


def loop(systems: dict[str, Any], frames: Sequence[Frame]) -> dict[str, float]:
    seconds = dict.fromkeys(systems, 0.0)
    began = time.perf_counter()
    for frame in frames:
        calls: dict[str, Callable[[Any], object]] = {
            "fat": lambda system, one=frame: system.read([one.image], [one.view]),
            "joint": lambda system, one=frame: system.read(one.image, Place(box=flat(box_of(one)))),
        }
        for name, system in systems.items():
            call = calls.get(name, lambda system, one=frame: system.read([one.image]))
            start = time.perf_counter()
            call(system)
            seconds[name] += time.perf_counter() - start
    return seconds | {"whole": time.perf_counter() - began}


def flat(box: tuple[tuple[float, float], tuple[float, float]]) -> tuple[float, float, float, float]:
    return (*box[0], *box[1])


@contextmanager
def plain() -> Iterator[None]:
    """In here systems are opened without folding, and nothing is made channels-last."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch, "channels_last", torch.contiguous_format))
        for name in _FOLDERS:
            stack.enter_context(
                patch(f"models.{name}.fold_normalisation", lambda network: network.eval())
            )
        yield


def channels_last(system: Any) -> Iterator[str]:
    """The names of weights that are not contiguous, in whatever networks a system holds."""
    for value in vars(system).values():
        if isinstance(value, torch.nn.Module):
            yield from (key for key, one in value.named_parameters() if not one.is_contiguous())


PARTS: dict[str, Callable[[Sequence[Frame]], dict[str, float]]] = {
    "worker": of_worker,
    "plain": of_plain_loop,
}


def measured(part: str, frames: int) -> dict[str, float]:
    """Seconds of a part in a process of its own, and 'peak', its memory in MB."""
    command = [sys.executable, "-m", "tests.benchmarks.pathway", "--part", part]
    done = subprocess.run(
        [*command, "--frames", str(frames)], stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def middle(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median over the rounds."""
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, help="one part only, as JSON")
    arguments = parser.parse_args()
    if arguments.part:
        seconds = PARTS[arguments.part](frames_of(arguments.frames))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(seconds | {"peak": peak}))
        return
    rounds = [
        {part: measured(part, arguments.frames) for part in PARTS} for _ in range(arguments.rounds)
    ]
    ours, theirs = (middle([one[part] for one in rounds]) for part in PARTS)
    count = arguments.frames
    print(f"{count} frames of 480x640, a box in each; {os.cpu_count()} cores")
    print(f"{'ms a frame':24}{'worker':>10}{'plain loop':>12}{'worker / plain':>16}")
    for name in [*(name for name in MODELS if name in ours), *others(ours), "whole"]:
        row = f"  {name:22}{1000 * ours[name] / count:10.1f}"
        if name in theirs:
            row += f"{1000 * theirs[name] / count:12.1f}{ours[name] / theirs[name]:15.2f}x"
        if name == "whole":
            row += f" (required: at most {1000 * REQUIRED:.0f} ms on two cores)"
        print(row)
    print(f"{'peak memory, MB':24}{ours['peak']:10.0f}{theirs['peak']:12.0f}")


def others(seconds: dict[str, float]) -> list[str]:
    """What a worker does beside the models that the peer has too."""
    return [name for name in seconds if name not in (*MODELS, "whole", "peak", "load models")]


if __name__ == "__main__":
    main()
