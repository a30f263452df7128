"""Is a frame like those that the estimator was fitted on? A model must not answer beyond them.

Pooled features of the fitted frames are described by their mean, K principal directions with
their spread, and the mean energy outside them. A frame's distance is its mean squared z-score
along the directions plus its energy outside them over the mean one: about 2 for a fitted frame.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

DIRECTIONS = 32
FAMILIAR = 99.0
"""Percentile of the held-out frames' distances up to which a frame counts as familiar."""

_PREFIX = "scope."


@dataclass(frozen=True)
class Scope:
    """mean : (C,). directions : (K, C), orthonormal. spread : (K,) standard deviations along them.
    outside : mean squared length of what they leave. limit : the largest familiar distance."""

    mean: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    outside: float
    limit: float

    @classmethod
    def fit(cls, fitted: npt.NDArray[np.float32], held_out: npt.NDArray[np.float32]) -> Self:
        """From pooled features (n, C) of frames fitted on, and of others of the same kind."""
        mean = fitted.mean(axis=0)
        _, singular, directions = np.linalg.svd(fitted - mean, full_matrices=False)
        # The last directions of a few frames have no spread: keep at most a quarter of them.
        count = min(DIRECTIONS, max(1, len(fitted) // 4))
        directions = directions[:count]
        spread = singular[:count] / np.sqrt(len(fitted))
        centred = fitted - mean
        rest = centred - centred @ directions.T @ directions
        unlimited = cls(mean, directions, spread, float((rest**2).sum(axis=1).mean()), np.inf)
        limit = float(np.percentile(unlimited.distance(held_out), FAMILIAR))
        return cls(mean, directions, spread, unlimited.outside, limit)

    def distance(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(n,) distances of pooled features (n, C)."""
        centred = features - self.mean
        along = centred @ self.directions.T
        rest = centred - along @ self.directions
        scores = ((along / self.spread) ** 2).mean(axis=1)
        return np.asarray(scores + (rest**2).sum(axis=1) / self.outside, dtype=np.float64)

    def limited(self, limit: float) -> Self:
        """The same with another limit."""
        return replace(self, limit=limit)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a bundle keeps."""
        return {
            f"{_PREFIX}mean": torch.tensor(self.mean),
            f"{_PREFIX}directions": torch.tensor(self.directions),
            f"{_PREFIX}spread": torch.tensor(self.spread),
            f"{_PREFIX}limits": torch.tensor([self.outside, self.limit]),
        }

    @classmethod
    def take(cls, tensors: dict[str, torch.Tensor]) -> Self:
        """Take the scope's tensors out of a bundle's; KeyError when one is missing."""
        mean, directions, spread, limits = (
            tensors.pop(_PREFIX + name).float().numpy()
            for name in ("mean", "directions", "spread", "limits")
        )
        return cls(mean, directions, spread, float(limits[0]), float(limits[1]))
