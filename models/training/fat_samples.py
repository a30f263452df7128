"""Simulated participants as pooled backbone features, for the multi-view fat estimator."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import backbone, imagenet_backbone
from models.evaluation.geometry import geometry_features
from models.fat.multiview import VIEWS
from models.fat.preprocessing import SIZE
from models.images import Window, content_window, crop, imagenet_tensor, resize
from models.simulation import simulate_participant

log = logging.getLogger(__name__)

VARIANTS = 3
"""The frame, its mirror image, and the frame cropped up to 20 pixels to one side (paper 5)."""

_STRATA = ((1.0, 5.0, 0.30), (5.0, 10.0, 0.25), (10.0, 20.0, 0.25), (20.0, 35.0, 0.20))
_CHUNK = 20


@dataclass(frozen=True)
class FatSamples:
    """N simulated participants.

    fat : (N,) per cent. features : (N, 4 views, VARIANTS, C) pooled features. geometry :
    (N, 4 views, f) features of the confound baseline.
    """

    fat: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    geometry: npt.NDArray[np.float64]


def fat_samples(
    count: int, seed: int, name: str, imagenet: Path | None, states: Path
) -> FatSamples:
    """Simulates participants and extracts their features, about 1 s each on one core.

    states : finished groups of twenty are kept here and not simulated again.
    """
    network = imagenet_backbone(name, imagenet).eval().to(memory_format=torch.channels_last)
    groups = []
    for start in range(0, count, _CHUNK):
        file = states / f"participants-{seed}-{start:04d}.npz"
        if not file.exists():
            rows = [_participant(seed, start + offset, name, network) for offset in range(_CHUNK)]
            fat, features, geometry = (np.stack(column) for column in zip(*rows, strict=True))
            np.savez(file, fat=fat, features=features, geometry=geometry)
            log.info("%d of %d participants simulated", start + _CHUNK, count)
        with np.load(file, allow_pickle=False) as saved:
            groups.append({key: saved[key] for key in ("fat", "features", "geometry")})
    whole = {key: np.concatenate([group[key] for group in groups])[:count] for key in groups[0]}
    return FatSamples(whole["fat"], whole["features"], whole["geometry"])


def pooled_features(
    name: str, network: torch.nn.Module, grey: list[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.float32]:
    """Pooled features (n, C) of prepared frames."""
    row = backbone(name)
    with torch.inference_mode():
        tensor = imagenet_tensor(grey, row.mean, row.std)
        features: torch.Tensor = network(tensor.contiguous(memory_format=torch.channels_last))
    return np.asarray(features.mean(dim=(2, 3)).numpy(), dtype=np.float32)


def _participant(
    seed: int, number: int, name: str, network: torch.nn.Module
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    generator = np.random.default_rng((seed, number))
    low, high, _ = _STRATA[generator.choice(len(_STRATA), p=[share for *_, share in _STRATA])]
    fat = float(generator.uniform(low, high))
    frames = simulate_participant(fat, seed=int(generator.integers(2**31)))
    features, windows = [], []
    for view in VIEWS:
        image = frames[view].image
        window = content_window(image)
        plain = resize(crop(image, window), SIZE, method="bicubic")
        moved = _shifted(window, image.shape[1], int(generator.integers(-20, 21)))
        shifted = resize(crop(image, moved), SIZE, method="bicubic")
        features.append(pooled_features(name, network, [plain, plain[:, ::-1].copy(), shifted]))
        windows.append(window)
    sizes = [(frames[view].image.shape[1], frames[view].image.shape[0]) for view in VIEWS]
    return np.asarray(fat), np.stack(features), geometry_features(sizes, windows)


def _shifted(window: Window, width: int, shift: int) -> Window:
    x0, y0, x1, y1 = window
    return (min(max(x0 + shift, 0), width - 2), y0, max(min(x1 + shift, width), 2), y1)
