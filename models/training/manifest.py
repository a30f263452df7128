"""Reading an annotated image set: ``annotations.jsonl`` beside ``images/<id>.jpg``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.errors import TrainingError

Point = tuple[float, float]

CLASSES: Mapping[str, Mapping[str, int]] = {
    "normal": {"lesion": 0},
    "benign": {"lesion": 1, "malignant": 0},
    "malignant": {"lesion": 1, "malignant": 1},
}
"""The labels each class gives; a label that a class does not give is unknown, not negative."""


@dataclass(frozen=True)
class Annotation:
    """One image's labels. mass : outlines in pixel x, y of the whole image, none when normal.
    patient : folds never divide a patient; the image's own id where the manifest has none."""

    id: str
    patient: str
    file: Path
    labels: Mapping[str, int]
    masses: tuple[tuple[Point, ...], ...]


def read_manifest(folder: Path) -> list[Annotation]:
    """Every line of ``annotations.jsonl``, in order; TrainingError names the line at fault."""
    manifest = folder / "annotations.jsonl"
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TrainingError(f"{manifest} cannot be read ({error}); name the data folder") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            outline = tuple((float(x), float(y)) for x, y in row.get("mass") or ())
            rows.append(
                Annotation(
                    id=row["id"],
                    patient=row.get("patient", row["id"]),
                    file=folder / "images" / f"{row['id']}.jpg",
                    labels=CLASSES[row["class"]],
                    masses=(outline,) if outline else (),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{manifest} line {number} is not usable: {error!r}") from error
    return rows


def read_grey(file: Path) -> npt.NDArray[np.uint8]:
    """An image file as (H, W) uint8 echo level."""
    with Image.open(file) as image:
        return np.asarray(image.convert("L"))


def boxes(masses: Sequence[Sequence[Point]]) -> list[tuple[float, float, float, float]]:
    """The tight box x0, y0, x1, y1 of each outline: paper 1's annotation."""
    return [
        (
            min(x for x, _ in outline),
            min(y for _, y in outline),
            max(x for x, _ in outline),
            max(y for _, y in outline),
        )
        for outline in masses
    ]
