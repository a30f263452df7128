"""Frames of the B-mode simulator per second: ``python -m tests.benchmarks.simulator``.

480x640 frames, one process, the four views in turn and a lesion in every fifth, as the demo and
the first fitting take them. Beside it, in the same run and on the same grid, a bare scan
conversion of Rayleigh noise, the least that any simulator could take. Where PyMUST is installed
it makes one frame too: a wave model, which answers another question.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from models.simulation import SIMULATED_VIEWS, Lesion, simulate_frame
from models.simulation.fan import BEAMS, ROWS, Fan

THOUSAND_MINUTES = 10.0
"""What is required: a thousand frames in less."""

SCATTERERS = 4000  # of the PyMUST frame; a liver would take twenty times as many


def simulated(index: int) -> NDArray[np.uint8]:
    view = SIMULATED_VIEWS[index % len(SIMULATED_VIEWS)]
    lesion = Lesion("metastasis") if index % 5 == 0 else None
    return simulate_frame(view, index % 40, lesion, seed=index).image


def bare(index: int) -> NDArray[np.uint8]:
    """A new fan for each frame, as each simulated person has one."""
    noise = np.random.default_rng(index).rayleigh(size=(ROWS, BEAMS))
    fan = Fan(radius=60.0, half_angle=0.55 + 0.001 * (index % 50), depth=150.0)
    grey = 20.0 * np.log10(fan.scan_convert(noise) + 1e-3)
    return np.clip(4.0 * grey + 90.0, 0, 255).astype(np.uint8)


def pymust_frame(index: int) -> NDArray[np.uint8]:
    """One diverging wave of a convex probe, simulated, demodulated and beamformed."""
    import pymust

    probe = pymust.getparam("C5-2v")
    probe.fs = 4 * probe.fc
    rng = np.random.default_rng(index)
    angle, depth = rng.uniform(-0.6, 0.6, SCATTERERS), rng.uniform(0.005, 0.12, SCATTERERS)
    x, z = (probe.radius + depth) * np.sin(angle), (probe.radius + depth) * np.cos(angle)
    delays = np.zeros((1, probe.Nelements))
    echoes, _ = pymust.simus(x, z - probe.radius, rng.standard_normal(SCATTERERS), delays, probe)
    signal = pymust.rf2iq(echoes, probe.fs, probe.fc)
    columns, rows, *_ = pymust.impolgrid(np.array([256, 128]), 0.12, 1.2, probe)
    beams = pymust.dasmtx(signal, columns, rows, delays, probe) @ signal.flatten(order="F")
    return np.asarray(pymust.bmode(beams.reshape(columns.shape, order="F"), 50))


def frames_per_second(make: Callable[[int], NDArray[np.uint8]], count: int) -> float:
    make(0)
    began = time.perf_counter()
    for index in range(1, count + 1):
        make(index)
    return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=40)
    arguments = parser.parse_args()
    ours = frames_per_second(simulated, arguments.frames)
    least = frames_per_second(bare, arguments.frames)
    print(f"simulator, 480x640            {ours:8.2f} frames/s")
    print(
        f"  a thousand frames           {1000 / ours / 60:8.2f} min (required: under "
        f"{THOUSAND_MINUTES:g})"
    )
    print(f"bare scan conversion of noise {least:8.2f} frames/s")
    print(f"  simulator / bare            {ours / least:8.2f} x frames/s")
    if find_spec("pymust") is None:
        print("PyMUST                        not installed")
        return
    began = time.perf_counter()
    pymust_frame(0)
    seconds = time.perf_counter() - began
    print(f"PyMUST, {SCATTERERS} scatterers       {1 / seconds:8.4f} frames/s")
    print(f"  simulator / PyMUST          {ours * seconds:8.0f} x frames/s")


if __name__ == "__main__":
    main()
