"""The pooled features of a manifest's images, for the heads that are fitted on them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.backbones import imagenet_backbone
from models.data import Case
from models.data.seen import fingerprint
from models.evaluation.geometry import geometry_features
from models.frame.features import Features
from models.training.options import Options


def pooled(backbone: str, options: Options) -> Features:
    """Features by a backbone's ImageNet weights, or those that the options name."""
    return Features(imagenet_backbone(backbone, options.init).eval(), backbone, options.device)


def features_of(
    cases: Sequence[Case], options: Options, read: Features
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """(n, C) features, about 50 ms each on one core, and (n, 9) geometry. What was computed is kept
    in ``options.out / 'states'`` by image and network, and not computed again."""
    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, case in enumerate(cases):
        options.progress("features", number, len(cases))
        file = states / f"features-{read.digest[:16]}-{fingerprint(case)}.npz"
        if not file.exists():
            image = options.read(case)
            features, windows = read([image])
            geometry = geometry_features([(image.shape[1], image.shape[0])], windows)
            fresh = file.with_suffix(".new.npz")
            np.savez(fresh, features=features[0], geometry=geometry[0])
            fresh.replace(file)
        with np.load(file, allow_pickle=False) as saved:
            rows.append((saved["features"], saved["geometry"]))
    options.progress("features", len(cases), len(cases))
    features, geometry = (np.stack(column) for column in zip(*rows, strict=True))
    return features.astype(np.float32), geometry.astype(np.float64)
