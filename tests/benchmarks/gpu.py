"""Frames per second of the analysis on a GPU: ``python -m tests.benchmarks.gpu``.

What a worker does between decoding and results, both pathways over the decoded frames of a study,
beside a bare loop in the same run: the same two networks, with the same preprocessing, over the
same frames in the same batches. Without a GPU it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from models.registry import load_bundle, open_system
from models.simulation import SIMULATED_VIEWS, simulate_frame
from node.settings import Analysis
from workers.analysis import LoadedModels, analyse, plan
from workers.findings import Frame, FrameRef
from workers.stages import Stages

DISTINCT = 16  # frames that are simulated; the others repeat them
BATCH = 8  # as the worker reads


def frames_of(count: int) -> list[Frame]:
    drawn = [
        simulate_frame(SIMULATED_VIEWS[seed % len(SIMULATED_VIEWS)], 12, seed=seed)
        for seed in range(min(count, DISTINCT))
    ]
    frames = []
    for index in range(count):
        one = drawn[index % DISTINCT]
        height, width = one.image.shape
        frames.append(
            Frame(
                ref=FrameRef(f"1.2.3.{index}", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.3", 1, 1),
                image=one.image,
                source=np.repeat(one.image[..., None], 3, axis=2),
                window=(0, 0, width, height),
                spacing=None,
                view=one.view,
            )
        )
    return frames


def of_worker(frames: Sequence[Frame], device: str) -> Callable[[], object]:
    settings = Analysis(device=device)
    models = LoadedModels(settings)
    return lambda: analyse(plan(models, settings), frames, (), models, settings, Stages())


def of_bare_loop(frames: Sequence[Frame], device: str) -> Callable[[], object]:
    settings = Analysis()
    lesion = open_system(load_bundle(settings.lesion_bundle), device)
    fat = open_system(load_bundle(settings.fat_bundle), device)

    def loop() -> None:
        for start in range(0, len(frames), BATCH):
            part = frames[start : start + BATCH]
            lesion.read([frame.image for frame in part])
            fat.read([frame.image for frame in part], [frame.view for frame in part])

    return loop


def frames_per_second(work: Callable[[], object], count: int) -> float:
    """Of the second time; the first loads the models and warms the device up."""
    work()
    torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=256)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU here: nothing was measured")
        return
    device = "cuda:0"
    frames = frames_of(arguments.frames)
    worker = frames_per_second(of_worker(frames, device), len(frames))
    bare = frames_per_second(of_bare_loop(frames, device), len(frames))
    print(torch.cuda.get_device_name(device))
    print(f"analysis of a worker  {worker:8.1f} frames/s")
    print(f"bare loop             {bare:8.1f} frames/s")
    print(f"  worker / bare       {worker / bare:8.2f} x frames/s")


if __name__ == "__main__":
    main()
