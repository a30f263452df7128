"""What bundles say of ten livers of another scanner: ``python -m tests.benchmarks.scanner``.

The frames of ``byra-ten`` show liver and kidney and no lesion; in seven of them somebody set the
squares of a hepatorenal index (``byra-rois``). No bundle learned a lesion, a liver or a kidney from
them. They were looked at when the kidney's level and epochs and the familiar distance were chosen.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.fat.found_squares import find_squares
from models.registry import load_bundle, open_system
from models.simulation import simulate_participant
from tests.peers import shared

HALF = 14
"""The positions in ``byra-rois`` are those of the upper left corners of squares 28 pixels wide."""


def told(data: Path) -> dict[str, dict[str, str]]:
    """By patient, the squares in the first frame."""
    with (data / "byra-rois" / "frames.csv").open() as lines:
        return {row["patient"]: row for row in csv.DictReader(lines) if row["frame"] == "1"}


def picture(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def main() -> None:
    data, names = shared() / "data", ("lesion-attention", "gate", "kidney", "fan-liver")
    detector, gate, kidneys, livers = (open_system(load_bundle(name)) for name in names)
    rows, off, inside = told(data), [], []
    for path in sorted((data / "byra-ten").glob("*.jpg")):
        image = picture(path)
        (reading,), (seen,) = detector.read([image]), gate.features.see([image])
        (kidney,), (anatomy,) = kidneys.read([image]), livers.read([image])
        found = find_squares(image, anatomy.liver, kidney)
        print(
            f"{path.stem}: lesion {reading.probabilities['lesion']:.2f}, "
            f"{'familiar' if detector.familiar.knows(seen) else 'unlike'}; "
            f"kidney {kidney.mean():.1%} of the frame; {_index(found)}",
            end="",
        )
        if row := rows.get(re.findall(r"\d+", path.stem)[0]):
            x, y = (int(row[f"kidney_{axis}"]) + HALF for axis in "xy")
            inside.append(bool(kidney[y, x]))
            index = float(row["hepatorenal_index"])
            print(f", a person's {index:.2f} {'in' if inside[-1] else 'beside'} it", end="")
            if found is not None:
                off.append(abs(found.reading.index - index))
        print()
    frames = [one.image for n in range(10) for one in simulate_participant(5.0, 300 + n).values()]
    unlike = sum(not detector.familiar.knows(one) for one in gate.features.see(frames))
    print(f"simulated frames unlike the detector's: {unlike} of {len(frames)}")
    print(f"a person's square lies in the found kidney: {sum(inside)} of {len(inside)}")
    print(f"indices apart: {np.mean(off):.2f} on average, {max(off):.2f} at most, of {len(off)}")


def _index(found: Any) -> str:
    if found is None:
        return "no room for squares"
    return f"index {found.reading.index:.2f} ({found.low:.2f} to {found.high:.2f})"


if __name__ == "__main__":
    main()
