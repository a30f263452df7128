"""Areas under the curve within each image size: where a confound by scanner would show."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.evaluation.metrics import Figure, area_under_curve, bootstrap, over_repeats

PATIENTS = 20
"""A size seen in fewer is no group of its own."""

FEWEST = 5
"""Cases of either answer, below which an area would be noise."""

OTHERS = "other sizes"

Floats = npt.NDArray[np.floating]


def areas_by_size(
    truth: Floats, logits: Floats, sizes: Sequence[tuple[int, int]], patients: Sequence[str]
) -> dict[str, Figure]:
    """The area within each group, largest first, by its name, as '1024x768 pixels'.

    truth : (n,) 0 or 1. logits : (r, n), of a model or a baseline: the groups are the same. sizes :
    (width, height) of each whole image. Sizes of few patients, or of nearly one answer only, are
    ``OTHERS`` together, within which size still tells something; what those cannot show either is
    left out.
    """
    places: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, size in enumerate(sizes):
        places[size].append(place)
    groups: dict[str, list[int]] = {}
    others: list[int] = []
    for size, own in sorted(places.items(), key=lambda item: -len(item[1])):
        if len({patients[place] for place in own}) >= PATIENTS and _both(truth[own]):
            groups[f"{size[0]}x{size[1]} pixels"] = own
        else:
            others += own
    if others and _both(truth[others]):
        groups[OTHERS] = others
    return {
        name: bootstrap(
            over_repeats(area_under_curve),
            truth[own],
            *logits[:, own],
            patients=[patients[place] for place in own],
        )
        for name, own in groups.items()
    }


def _both(truth: Floats) -> bool:
    return bool(min(truth.sum(), (1 - truth).sum()) >= FEWEST)
