"""What findings of tests are made of: models, maps and outlines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.findings import ModelIdentity, RegionReading

LESION_MODEL = ModelIdentity(
    name="lesion-attention",
    version="1.0",
    digest="ab" * 32,
    validation_status="cross-validated on public data",
    figures="detection AUC 0.95 (0.93 to 0.97), malignancy AUC 0.86 (0.82 to 0.89), 600 images",
)
FAT_MODEL = ModelIdentity(
    name="fat-multiview",
    version="1.0",
    digest="cd" * 32,
    validation_status="simulated data only",
)
JOINT_MODEL = ModelIdentity(
    name="lesion-joint",
    version="1.0.0",
    digest="ef" * 32,
    validation_status="cross-validated on public data",
    figures="outline in a box: Jaccard 0.80 (0.80 to 0.81)",
)
MASS_MODEL = ModelIdentity(
    name="fan-liver",
    version="1.0.0",
    digest="9a" * 32,
    validation_status="cross-validated on public data",
)
READINGS = (
    RegionReading(
        ModelIdentity("lesion-dcnn-us", "1.0.0", "12" * 32, "cross-validated on public data"),
        {"malignant": 0.7031},
        {"malignant": "if it is a lesion; read in the box of the model's outline"},
    ),
    RegionReading(
        ModelIdentity("lesion-roi", "2.1.0", "34" * 32, "not validated", "accuracy 0.75"),
        {"none": 0.0625, "benign": 0.25, "malignant": 0.6875},
        dict.fromkeys(("none", "benign", "malignant"), "all equally frequent"),
    ),
)
RENAL_MODEL = ModelIdentity(
    name="fat-hepatorenal",
    version="1.0.0",
    digest="0f" * 32,
    validation_status="cross-validated on public data",
    figures="fat against biopsy: Spearman correlation 0.74 (0.54 to 0.85)",
)


def attention(shape: tuple[int, int], centre: tuple[float, float], width: float) -> NDArray:
    """A blob of 0..1, as an attention map looks."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2)
    return (0.93 * np.exp(-distance)).astype(np.float32)


def ring(centre: tuple[float, float], radii: tuple[float, float], points: int = 40) -> tuple:
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return tuple(
        (float(centre[0] + radii[0] * np.cos(a)), float(centre[1] + radii[1] * np.sin(a)))
        for a in angles
    )
