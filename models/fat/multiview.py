"""Liver fat from four standard views (Byra et al. 2021, paper 5) at inference."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES, check_backbone
from models.bundle import Bundle
from models.errors import BundleError, ModelError
from models.fat.scope import Scope
from models.frame.features import Features
from models.frame.seen import Seen
from models.images import Window
from models.weights import read_weights

VIEWS = (
    "hepatic veins",
    "right portal vein",
    "right posterior portal vein",
    "liver/kidney",
)

ANY_VIEW = "any view"

ESTIMATORS = (*VIEWS, ANY_VIEW)
"""Rows of the heads; the last was fitted over all views, for frames whose view is unknown. A card
may name fewer views: those that had no labelled frames have no estimator."""

QUANTITIES = ("fat_percent", "p_5", "p_10")
"""Columns of the heads: a Lasso for the fat fraction, logits for >= 5 % and >= 10 %."""

FAT_RANGE = (0.0, 50.0)
"""Per cent. A linear estimate may leave what a proton density fat fraction of liver can be."""

LinearMap = tuple[torch.Tensor, torch.Tensor]
"""Weight (…, C) and bias (…)."""


@dataclass(frozen=True)
class FatReading:
    """What one frame says.

    view : one of ``VIEWS``, or None when it was read by the estimator for any view, because the
    view is unknown or has no estimator of its own.
    fat_percent : proton density fat fraction in %, clamped to ``FAT_RANGE``. p_5, p_10 :
    probability of a fraction of at least 5 % and 10 %; the paper fits the two apart, so here
    p_10 is held at p_5 where it would exceed it. cam : (h, w) float32, signed class
    activation map of p_5 in logits (Zhou et al. 2016): positive speaks for fat; its mean plus the
    head's intercept is the logit. window : x0, y0, x1, y1 of the given image that cam covers.
    familiar : whether the frame is like those that the estimator was fitted on (models.fat.scope);
    where it is not, the numbers mean nothing. features : (C,) pooled features, for the composite.
    """

    view: str | None
    fat_percent: float
    p_5: float
    p_10: float
    cam: npt.NDArray[np.float32]
    window: Window
    familiar: bool
    features: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))


@dataclass(frozen=True)
class FatEstimate:
    """What a study says: the mean over its views, frames of one view averaged first.

    views : those it rests on, in the order of ``VIEWS``; empty when only frames of unknown view
    were at hand. frames : the readings it rests on.
    """

    fat_percent: float
    p_5: float
    p_10: float
    views: tuple[str, ...]
    frames: tuple[FatReading, ...]


class MultiviewFat:
    """Reads liver frames for fat; made by ``load`` from a bundle."""

    def __init__(
        self,
        features: Features,
        weight: torch.Tensor,
        bias: torch.Tensor,
        scope: Scope,
        bundle: Bundle,
        composite: LinearMap | None = None,
    ) -> None:
        self.bundle = bundle
        self.features = features
        self.estimators = _estimators(bundle)
        self._weight = weight
        self._bias = bias
        self._scope = scope
        self._composite = composite

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "MultiviewFat":
        """The estimator of a bundle; BundleError when the weights do not fit its card."""
        check_backbone(bundle)
        tensors = read_weights(bundle)
        channels = BACKBONES[bundle.backbone].channels
        heads = _take(
            tensors, "heads", (len(_estimators(bundle)), len(QUANTITIES)), channels, bundle
        )
        composite = None
        if "composite.weight" in tensors:
            width = len(VIEWS) * channels
            composite = _take(tensors, "composite", (len(QUANTITIES),), width, bundle)
        try:
            scope = Scope.take(tensors)
        except KeyError as error:
            raise BundleError(
                f"bundle {bundle.name!r}: {error} is missing: without a scope it cannot tell "
                "which frames it may judge; fit it again"
            ) from None
        features = Features.of_bundle(bundle, tensors, device)
        return cls(features, *heads, scope, bundle, composite)

    def read(
        self, images: Sequence[npt.NDArray[np.uint8]], views: Sequence[str | None]
    ) -> list[FatReading]:
        """One reading per frame, in order.

        images : (H, W) uint8 echo level each, of any sizes. views : one of ``VIEWS`` each, or None
        where unknown. ModelError when the two differ in length or a view has another name.
        """
        self._check(len(images), views)
        return [self._reading(*pair) for pair in zip(self.features.see(images), views, strict=True)]

    def of_seen(self, seen: Sequence[Seen], views: Sequence[str | None]) -> list[FatReading]:
        """The same from what ``features`` makes of the frames."""
        self._check(len(seen), views)
        return [self._reading(*pair) for pair in zip(seen, views, strict=True)]

    def combine(self, readings: Sequence[FatReading]) -> FatEstimate:
        """The study's estimate; ModelError without any reading.

        Frames of unknown view count only where no frame has a known one: the paper's estimate is
        a mean over the four views.
        """
        if not readings:
            raise ModelError("a fat estimate needs at least one frame")
        groups: dict[str | None, list[FatReading]] = {}
        for reading in readings:
            groups.setdefault(reading.view, []).append(reading)
        views = tuple(view for view in VIEWS if view in groups)
        used = [groups[view] for view in views] or [groups[None]]
        fat, p_5, p_10 = (
            float(np.mean([np.mean([getattr(frame, name) for frame in group]) for group in used]))
            for name in QUANTITIES
        )
        return FatEstimate(fat, p_5, p_10, views, tuple(frame for group in used for frame in group))

    def composite(self, readings: Sequence[FatReading]) -> FatEstimate | None:
        """The study's estimate by the composite model (paper 5): the features of the four views
        side by side, those of one view averaged. None where a view is missing or the bundle has no
        such model."""
        frames = [[row for row in readings if row.view == view] for view in VIEWS]
        if self._composite is None or not all(frames):
            return None
        means = [np.mean([row.features for row in group], axis=0) for group in frames]
        weight, bias = self._composite
        values = (weight @ torch.from_numpy(np.concatenate(means)).float() + bias).tolist()
        used = tuple(row for group in frames for row in group)
        return FatEstimate(*_quantities(*values), VIEWS, used)

    def _check(self, count: int, views: Sequence[str | None]) -> None:
        if count != len(views):
            raise ModelError(f"{count} frames were given with {len(views)} views")
        unknown = {view for view in views if view is not None and view not in VIEWS}
        if unknown:
            raise ModelError(
                f"there is no view {', '.join(sorted(unknown))!r}; there are "
                f"{', '.join(VIEWS)}, and None for an unknown view"
            )

    def _reading(self, seen: Seen, view: str | None) -> FatReading:
        known = view if view in self.estimators else None
        estimator = self.estimators.index(known or ANY_VIEW)
        weight, bias = self._weight[estimator], self._bias[estimator]
        pooled = torch.from_numpy(seen.pooled)
        fat, p_5, p_10 = _quantities(*(weight @ pooled + bias).tolist())
        return FatReading(
            view=known,
            fat_percent=fat,
            p_5=p_5,
            p_10=p_10,
            cam=torch.einsum("c,chw->hw", weight[1], torch.from_numpy(seen.maps)).numpy(),
            window=seen.window,
            familiar=bool(self._scope.distance(seen.pooled[None])[0] <= self._scope.limit),
            features=seen.pooled,
        )


def _estimators(bundle: Bundle) -> tuple[str, ...]:
    """Those of the card, in the order of the heads; BundleError when they cannot be such."""
    names = tuple(bundle.card.get("estimators", ESTIMATORS))
    if ANY_VIEW not in names or not set(names) <= set(ESTIMATORS):
        raise BundleError(
            f"bundle {bundle.name!r}: its card has the estimators {', '.join(map(str, names))}; "
            f"expected {ANY_VIEW!r} and some of {', '.join(VIEWS)}"
        )
    return names


def _take(
    tensors: dict[str, torch.Tensor],
    name: str,
    shape: tuple[int, ...],
    channels: int,
    bundle: Bundle,
) -> LinearMap:
    """Weight and bias out of a bundle's tensors; BundleError when they have another shape."""
    weight = tensors.pop(f"{name}.weight", torch.empty(0))
    bias = tensors.pop(f"{name}.bias", torch.empty(0))
    if weight.shape != (*shape, channels) or bias.shape != shape:
        raise BundleError(
            f"bundle {bundle.name!r}: its {name} have shape {tuple(weight.shape)}; expected "
            f"{shape} estimators and quantities over {channels} features of {bundle.backbone}"
        )
    return weight, bias


def _quantities(fat: float, logit_5: float, logit_10: float) -> tuple[float, float, float]:
    """Fat in % within ``FAT_RANGE``, P(>= 5 %), and P(>= 10 %) held at the one before."""
    p_5 = _sigmoid(logit_5)
    return min(max(fat, FAT_RANGE[0]), FAT_RANGE[1]), p_5, min(p_5, _sigmoid(logit_10))


def _sigmoid(logit: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(logit, -50.0, 50.0))))


SYSTEM = MultiviewFat
