"""Liver fat from four standard views (Byra et al. 2021, paper 5) at inference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES, build_backbone
from models.bundle import Bundle
from models.errors import BundleError, ModelError
from models.fat.preprocessing import prepare
from models.fat.scope import Scope
from models.folding import fold_normalisation
from models.images import Window, imagenet_tensor
from models.weights import fill, read_weights

VIEWS = (
    "hepatic veins",
    "right portal vein",
    "right posterior portal vein",
    "liver/kidney",
)

ESTIMATORS = (*VIEWS, "any view")
"""Rows of the heads; the last was fitted over all views, for frames whose view is unknown."""

QUANTITIES = ("fat_percent", "p_5", "p_10")
"""Columns of the heads: a Lasso for the fat fraction, logits for >= 5 % and >= 10 %."""

FAT_RANGE = (0.0, 50.0)
"""Per cent. A linear estimate may leave what a proton density fat fraction of liver can be."""

_BATCH = 4


@dataclass(frozen=True)
class FatReading:
    """What one frame says.

    view : one of ``VIEWS``, or None when it was read by the estimator for any view.
    fat_percent : proton density fat fraction in %, clamped to ``FAT_RANGE``. p_5, p_10 :
    probability of a fraction of at least 5 % and 10 %; the paper fits the two apart, so here
    p_10 is held at p_5 where it would exceed it. cam : (h, w) float32, signed class
    activation map of p_5 in logits (Zhou et al. 2016): positive speaks for fat; its mean plus the
    head's intercept is the logit. window : x0, y0, x1, y1 of the given image that cam covers.
    familiar : whether the frame is like those that the estimator was fitted on (models.fat.scope);
    where it is not, the numbers mean nothing.
    """

    view: str | None
    fat_percent: float
    p_5: float
    p_10: float
    cam: npt.NDArray[np.float32]
    window: Window
    familiar: bool


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
        network: torch.nn.Module,
        weight: torch.Tensor,
        bias: torch.Tensor,
        scope: Scope,
        bundle: Bundle,
        device: str,
    ) -> None:
        self.bundle = bundle
        self._device = torch.device(device)
        self._network = fold_normalisation(network).to(self._device)
        self._network.to(memory_format=torch.channels_last)
        self._weight = weight
        self._bias = bias
        self._scope = scope

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "MultiviewFat":
        """The estimator of a bundle; BundleError when the weights do not fit its card."""
        if bundle.backbone not in BACKBONES:
            raise BundleError(
                f"bundle {bundle.name!r}: there is no backbone {bundle.backbone!r}; "
                f"there are {', '.join(BACKBONES)}"
            )
        tensors = read_weights(bundle)
        weight = tensors.pop("heads.weight", torch.empty(0))
        bias = tensors.pop("heads.bias", torch.empty(0))
        shape = (len(ESTIMATORS), len(QUANTITIES))
        if weight.shape != (*shape, BACKBONES[bundle.backbone].channels) or bias.shape != shape:
            raise BundleError(
                f"bundle {bundle.name!r}: its heads have shape {tuple(weight.shape)}; expected "
                f"{shape} estimators and quantities over the features of {bundle.backbone}"
            )
        try:
            scope = Scope.take(tensors)
        except KeyError as error:
            raise BundleError(
                f"bundle {bundle.name!r}: {error} is missing: without a scope it cannot tell "
                "which frames it may judge; fit it again"
            ) from None
        network = build_backbone(bundle.backbone)
        fill(network, tensors, bundle)
        return cls(network, weight, bias, scope, bundle, device)

    def read(
        self, images: Sequence[npt.NDArray[np.uint8]], views: Sequence[str | None]
    ) -> list[FatReading]:
        """One reading per frame, in order.

        images : (H, W) uint8 echo level each, of any sizes. views : one of ``VIEWS`` each, or None
        where unknown. ModelError when the two differ in length or a view has another name.
        """
        if len(images) != len(views):
            raise ModelError(f"{len(images)} frames were given with {len(views)} views")
        unknown = {view for view in views if view is not None and view not in VIEWS}
        if unknown:
            raise ModelError(
                f"there is no view {', '.join(sorted(unknown))!r}; there are "
                f"{', '.join(VIEWS)}, and None for an unknown view"
            )
        return [
            reading
            for start in range(0, len(images), _BATCH)
            for reading in self._read_batch(
                images[start : start + _BATCH], views[start : start + _BATCH]
            )
        ]

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

    def _read_batch(
        self, images: Sequence[npt.NDArray[np.uint8]], views: Sequence[str | None]
    ) -> Iterator[FatReading]:
        prepared = [prepare(image) for image in images]
        row = BACKBONES[self.bundle.backbone]
        tensor = imagenet_tensor([frame.grey for frame in prepared], row.mean, row.std)
        with torch.inference_mode():
            tensor = tensor.to(self._device, memory_format=torch.channels_last)
            features = self._network(tensor).float().cpu()
        distances = self._scope.distance(features.mean(dim=(2, 3)).numpy())
        for frame, view, own, distance in zip(prepared, views, features, distances, strict=True):
            estimator = ESTIMATORS.index("any view" if view is None else view)
            weight, bias = self._weight[estimator], self._bias[estimator]
            fat, logit_5, logit_10 = (weight @ own.mean(dim=(1, 2)) + bias).tolist()
            p_5 = _sigmoid(logit_5)
            yield FatReading(
                view=view,
                fat_percent=min(max(fat, FAT_RANGE[0]), FAT_RANGE[1]),
                p_5=p_5,
                p_10=min(p_5, _sigmoid(logit_10)),
                cam=torch.einsum("c,chw->hw", weight[1], own).numpy(),
                window=frame.window,
                familiar=bool(distance <= self._scope.limit),
            )


def _sigmoid(logit: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(logit, -50.0, 50.0))))


SYSTEM = MultiviewFat
