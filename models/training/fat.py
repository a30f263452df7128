"""``python -m models.training.fat --out DIR``: the multi-view fat estimator's bundle.

Simulates participants, extracts features with a frozen ImageNet backbone, fits the sparse heads on
one part and reports figures on the other. The bundle appears as ``OUT/fat-multiview``. Stopped at
any time, the same command goes on where it was.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES, imagenet_backbone
from models.errors import TrainingError
from models.evaluation.fat import evaluate_estimates, geometry_only
from models.evaluation.metrics import bootstrap
from models.fat.multiview import ESTIMATORS, FAT_RANGE, VIEWS
from models.fat.preprocessing import prepare
from models.fat.scope import Scope
from models.training.card import write_bundle
from models.training.fat_card import fat_card
from models.training.fat_heads import LinearHead, fit_classifier, fit_regressor
from models.training.fat_samples import VARIANTS, FatSamples, fat_samples, pooled_features
from models.training.manifest import read_grey

log = logging.getLogger(__name__)

Heads = list[tuple[LinearHead, LinearHead, LinearHead]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the whole protocol and writes the bundle."""
    parser = argparse.ArgumentParser(prog="python -m models.training.fat", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="features and bundle")
    parser.add_argument("--participants", type=int, default=480, help="to fit on")
    parser.add_argument("--held-out", type=int, default=160, help="to report figures on")
    parser.add_argument("--backbone", choices=list(BACKBONES), default="efficientnet_lite0")
    parser.add_argument("--imagenet", type=Path, help="a local file of ImageNet weights")
    parser.add_argument("--real", type=Path, help="real frames named *-fat-<percent>.jpg")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)

    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    name, seed = options.backbone, options.seed
    train = fat_samples(options.participants, seed, name, options.imagenet, states)
    test = fat_samples(options.held_out, 1000 + seed, name, options.imagenet, states)
    heads = _fit(train)
    scope = Scope.fit(_rows(train), _rows(test))
    figures = _figures(heads, train, test)
    if options.real is not None:
        figures["real_frames"] = _real_frames(heads, scope, options.real, name, options.imagenet)
    for key, row in figures.items():
        log.info("%s: %s", key, row)
    card = fat_card(name, len(train.fat), len(test.fat), seed, figures, _strengths(heads))
    tensors = {
        **imagenet_backbone(name, options.imagenet).state_dict(),
        "heads.weight": torch.tensor(
            np.array([[head.weight for head in row] for row in heads]), dtype=torch.float32
        ),
        "heads.bias": torch.tensor([[head.bias for head in row] for row in heads]),
        **scope.tensors(),
    }
    full = frozenset({"heads.weight", "heads.bias", *scope.tensors()})
    write_bundle(options.out / "fat-multiview", tensors, card, full=full)


def _rows(samples: FatSamples) -> npt.NDArray[np.float32]:
    """(n, C) of every frame and variant."""
    return samples.features.reshape(-1, samples.features.shape[-1])


def _fit(train: FatSamples) -> Heads:
    """Heads in the order of ``ESTIMATORS``: one view each, then all views together."""
    count = len(train.fat)
    heads: Heads = []
    for number, name in enumerate(ESTIMATORS):
        views = [number] if number < len(VIEWS) else list(range(len(VIEWS)))
        repeats = len(views) * VARIANTS
        features = train.features[:, views].reshape(count * repeats, -1).astype(np.float64)
        fat = np.repeat(train.fat, repeats)
        groups = np.repeat(np.arange(count), repeats)
        heads.append(
            (
                fit_regressor(features, fat, groups),
                fit_classifier(features, fat, groups, 5.0),
                fit_classifier(features, fat, groups, 10.0),
            )
        )
        log.info("heads for %s fitted on %d rows", name, len(features))
    return heads


def _apply(
    heads: tuple[LinearHead, LinearHead, LinearHead], features: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """(n, 3) fat in %, P(>= 5 %), P(>= 10 %)."""
    fat, p_5, p_10 = heads
    return np.stack(
        [
            np.clip(fat(features), *FAT_RANGE),
            1.0 / (1.0 + np.exp(-p_5(features))),
            1.0 / (1.0 + np.exp(-p_10(features))),
        ],
        axis=1,
    )


def _figures(heads: Heads, train: FatSamples, test: FatSamples) -> dict[str, Any]:
    single = [_apply(heads[number], test.features[:, number, 0]) for number in range(len(VIEWS))]
    unknown = [_apply(heads[-1], test.features[:, number, 0]) for number in range(len(VIEWS))]
    return {
        "multiview": evaluate_estimates(test.fat, np.mean(single, axis=0)),
        **{
            view: evaluate_estimates(test.fat, row) for view, row in zip(VIEWS, single, strict=True)
        },
        "any view, one frame": evaluate_estimates(test.fat, unknown[0]),
        "any view, four frames": evaluate_estimates(test.fat, np.mean(unknown, axis=0)),
        "geometry_only": geometry_only(
            train.geometry.reshape(len(train.fat), -1),
            train.fat,
            test.geometry.reshape(len(test.fat), -1),
            test.fat,
        ),
    }


def _real_frames(
    heads: Heads, scope: Scope, folder: Path, name: str, imagenet: Path | None
) -> dict[str, Any]:
    """What the liver/kidney heads make of real frames: the domain gap, in numbers."""
    files = sorted(folder.glob("*-fat-*.jpg"))
    if not files:
        raise TrainingError(f"{folder} holds no frame named *-fat-<percent>.jpg")
    network = imagenet_backbone(name, imagenet).eval()
    grey = [prepare(read_grey(file)).grey for file in files]
    fat = np.asarray([float(file.stem.rsplit("-", 1)[1]) for file in files])
    features = pooled_features(name, network, grey)
    estimates = _apply(heads[VIEWS.index("liver/kidney")], features)
    return {
        "what": "real liver/kidney frames with biopsy fat, none of them used in fitting",
        "frames": len(files),
        "biopsy_fat_percent": [float(value) for value in fat],
        "estimated_fat_percent": [round(float(value), 1) for value in estimates[:, 0]],
        "mean_absolute_error": bootstrap(
            lambda truth, estimate: float(np.abs(truth - estimate).mean()), fat, estimates[:, 0]
        ).as_card(),
        "called_5_percent_or_more": int((estimates[:, 1] >= 0.5).sum()),
        "familiar": int((scope.distance(features) <= scope.limit).sum()),
    }


def _strengths(heads: Heads) -> dict[str, list[float]]:
    return {
        name: [head.strength for head in row] for name, row in zip(ESTIMATORS, heads, strict=True)
    }


if __name__ == "__main__":
    main()
