"""An outline as DICOM has it: closed, and inside the image."""

from __future__ import annotations

import math

import numpy as np
from pydicom.dataset import Dataset

from workers.findings import Point


def closed(outline: tuple[Point, ...], header: Dataset | None) -> np.ndarray | None:
    """(N, 2) column, row; inside the image, last point as the first; None for no area."""
    points = np.array([p for p in outline if all(map(math.isfinite, p))], dtype=float)
    if len(points) < 3:
        return None
    if header is not None and isinstance(header.get("Columns"), int):
        points[:, 0] = points[:, 0].clip(0, header.Columns)
    if header is not None and isinstance(header.get("Rows"), int):
        points[:, 1] = points[:, 1].clip(0, header.Rows)
    return points if (points[0] == points[-1]).all() else np.vstack([points, points[:1]])
