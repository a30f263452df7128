"""How far two masks of an image agree."""

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def jaccard(found: Mask, truth: Mask) -> float:
    """Area of the intersection over area of the union, 0..1; 1 where both are empty."""
    union = np.count_nonzero(found | truth)
    return np.count_nonzero(found & truth) / union if union else 1.0


def dice(found: Mask, truth: Mask) -> float:
    """Twice the shared area over the sum of both areas, 0..1; 1 where both are empty."""
    total = np.count_nonzero(found) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(found & truth) / total if total else 1.0
