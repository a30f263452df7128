"""DCNN-US (Yang et al. 2020, paper 2) at inference: malignancy of a lesion from its images."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES, Backbone, check_backbone
from models.bundle import Bundle
from models.explain.gradcam import grad_cam
from models.folding import fold_normalisation
from models.images import Window, imagenet_tensor
from models.images.roi import ROI_SIZE, background_window, crop_roi, lesion_window
from models.lesion.clinical import ClinicalModel
from models.lesion.dcnn_us_network import BranchOutput, LesionBackgroundNetwork
from models.lesion.region import Region
from models.platt import Platt
from models.weights import fill, read_weights

_BATCH = 8

Crops = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DcnnUsReading:
    """What the model says of one lesion.

    probability : that it is malignant, calibrated for equal prior of both. model : 'LBC' with
    clinical factors, 'LB' without. image_probability : of model LB alone. left_out : factors of
    the model that are not known of the patient. images : how many were averaged; the paper has
    four. backgrounds : in how many of them a liver background could be cropped. background_types :
    mean probability by type, empty where the bundle was not taught them. interval : the 95 %
    interval of a probability of model LB, of its calibration alone (``models.platt``), where the
    card has one; None of LBC.
    attention : (h, w) float32 0..1 per image, Grad-CAM of model LB on the lesion, over the window
    of the same place, x0, y0, x1, y1 in that image; it may reach beyond it.
    """

    probability: float
    model: str
    image_probability: float
    left_out: tuple[str, ...]
    images: int
    backgrounds: int
    background_types: Mapping[str, float]
    attention: tuple[npt.NDArray[np.float32], ...]
    windows: tuple[Window, ...]
    interval: tuple[float, float] | None = None


class Crop(NamedTuple):
    """One image as the networks take it. lesion, background : (224, 224) uint8. present : whether
    there is a background; it is black where there is none. window : the lesion's."""

    lesion: Crops
    background: Crops
    present: bool
    window: Window


class Scores(NamedTuple):
    """Of N images. malignant, lesion : (N,) logits of model LB and of its lesion branch alone.
    types : (N, k) probabilities. attention : (N, h, w)."""

    malignant: npt.NDArray[np.float64]
    lesion: npt.NDArray[np.float64]
    types: npt.NDArray[np.float64]
    attention: npt.NDArray[np.float32]


class DcnnUs:
    """Reads lesions; made by ``load`` from a bundle."""

    def __init__(self, network: LesionBackgroundNetwork, bundle: Bundle, device: str) -> None:
        scaling = bundle.card.get("calibration", {}).get("malignant", {})
        table = bundle.card.get("clinical")
        self.bundle = bundle
        self.types = network.types
        self._scaling = Platt.of_card(scaling)
        self.clinical = None if table is None else ClinicalModel.from_card(table)
        self._device = torch.device(device)
        self._network = fold_normalisation(network).to(self._device)

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "DcnnUs":
        """The system of a bundle; BundleError when the weights do not fit its card."""
        check_backbone(bundle)
        types = bundle.card.get("background_types", [])
        network = LesionBackgroundNetwork(bundle.backbone, types)
        fill(network, read_weights(bundle), bundle)
        return cls(network, bundle, device)

    def read(
        self,
        lesions: Sequence[Sequence[Region]],
        clinical: Sequence[Mapping[str, float]] | None = None,
    ) -> list[DcnnUsReading]:
        """One reading per lesion, in order.

        lesions : the images of each, at least one. clinical : what is known of each one's patient,
        by ``models.factors.CLINICAL``.
        """
        known = clinical if clinical is not None else [{} for _ in lesions]
        return [
            self._read(regions, factors) for regions, factors in zip(lesions, known, strict=True)
        ]

    def read_crops(self, crops: Sequence[Crop]) -> Scores:
        """Each image's own scores, before any average."""
        return score_crops(self._network, crops, BACKBONES[self.bundle.backbone], self._device)

    def probability(self, logits: float, clinical: Mapping[str, float]) -> tuple[float, float]:
        """Of malignancy by the whole model and by model LB, from a lesion's mean logit."""
        image = self._scaling.slope * logits + self._scaling.intercept
        whole = image if self.clinical is None else self.clinical.logit(image, clinical)
        return _sigmoid(whole), _sigmoid(image)

    def _read(self, regions: Sequence[Region], clinical: Mapping[str, float]) -> DcnnUsReading:
        crops = [crop(region) for region in regions]
        scores = self.read_crops(crops)
        logit = float(scores.malignant.mean())
        whole, image = self.probability(logit, clinical)
        types = scores.types[[row.present for row in crops]]
        names = self.types if len(types) else ()
        return DcnnUsReading(
            probability=whole,
            model="LB" if self.clinical is None else "LBC",
            image_probability=image,
            left_out=() if self.clinical is None else self.clinical.left_out(clinical),
            images=len(crops),
            backgrounds=sum(row.present for row in crops),
            background_types={
                name: float(types[:, number].mean()) for number, name in enumerate(names)
            },
            attention=tuple(scores.attention),
            windows=tuple(row.window for row in crops),
            interval=self._scaling.interval(logit) if self.clinical is None else None,
        )


def crop(region: Region) -> Crop:
    """The lesion with its rim, and the largest square of liver that touches no lesion."""
    window = lesion_window(region.box)
    boxes = (region.box, *region.others)
    around = background_window(region.image, boxes, liver=region.liver, fan=region.fan)
    return Crop(
        lesion=crop_roi(region.image, window),
        background=np.zeros(ROI_SIZE, np.uint8)
        if around is None
        else crop_roi(region.image, around),
        present=around is not None,
        window=window,
    )


def score_crops(
    network: LesionBackgroundNetwork, crops: Sequence[Crop], row: Backbone, device: torch.device
) -> Scores:
    """What a network in evaluation mode makes of images."""
    parts: list[tuple[torch.Tensor, ...]] = []
    for start in range(0, len(crops), _BATCH):
        rows = crops[start : start + _BATCH]
        with torch.inference_mode():
            lesion, background = (
                imagenet_tensor(images, row.mean, row.std).to(device)
                for images in ([each.lesion for each in rows], [each.background for each in rows])
            )
            present = torch.tensor([float(each.present) for each in rows], device=device)
            features = network.lesion.backbone(lesion)
            around = network.background(background)
            output = network.fuse(features, around, present)
        cells = grad_cam(features, _malignancy(network, around, present))
        types = torch.sigmoid(output.background.logits)
        parts.append((output.malignant, output.lesion.logits.squeeze(1), types, cells))
    malignant, branch, types, cells = (
        torch.cat([part[place] for part in parts]).cpu() for place in range(4)
    )
    return Scores(
        malignant.double().numpy(),
        branch.double().numpy(),
        types.double().numpy(),
        cells.float().numpy(),
    )


def _malignancy(
    network: LesionBackgroundNetwork, around: BranchOutput, present: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    # Tensors made in inference mode take no part in a gradient; their copies may stand beside it.
    fixed = BranchOutput(*(values.clone() for values in around))
    there = present.clone()

    def score(features: torch.Tensor) -> torch.Tensor:
        return network.fuse(features, fixed, there).malignant

    return score


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit)) if logit > -700 else 0.0


SYSTEM = DcnnUs
