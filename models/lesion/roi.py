"""The region classifier (Tangruangkiat et al. 2023, paper 3) at inference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from models.backbones import BACKBONES, Backbone, check_backbone
from models.bundle import Bundle
from models.explain.gradcam import grad_cam
from models.folding import fold_normalisation
from models.images import Window, imagenet_tensor
from models.images.roi import crop_roi, lesion_window
from models.lesion.region import Region
from models.lesion.roi_network import RoiNetwork
from models.weights import fill, read_weights

_BATCH = 8
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class RoiReading:
    """probabilities : by class, adding up to 1, as if all classes were equally common; calibrated
    where the bundle's card has a temperature. intervals : by class, how far its probability goes
    within the 95 % interval of that; empty where the card has none. called :
    the most probable class. attention : (h, w) float32 0..1, Grad-CAM of the called class over
    ``window``, x0, y0, x1, y1 in the given image; the window may reach beyond it."""

    probabilities: Mapping[str, float]
    called: str
    attention: npt.NDArray[np.float32]
    window: Window
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


class CropReadings(NamedTuple):
    """probabilities : (N, k) float64. attention : (N, h, w) float32, of the most probable class."""

    probabilities: npt.NDArray[np.float64]
    attention: npt.NDArray[np.float32]


class RoiClassifier:
    """Says which class a region of a B-mode image belongs to; made by ``load`` from a bundle."""

    def __init__(self, network: RoiNetwork, bundle: Bundle, device: str) -> None:
        self.bundle = bundle
        self.classes = network.classes
        self._device = torch.device(device)
        self._network = fold_normalisation(network).to(self._device)
        self._temperature = temperature_of(bundle)

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> "RoiClassifier":
        """The classifier of a bundle; BundleError when the weights do not fit its card."""
        check_backbone(bundle)
        network = RoiNetwork(bundle.backbone, bundle.labels)
        fill(network, read_weights(bundle), bundle)
        return cls(network, bundle, device)

    def read(self, regions: Sequence[Region]) -> list[RoiReading]:
        """One reading per region, in order; a region is read with the rim around its box."""
        windows = [lesion_window(region.box) for region in regions]
        crops = [
            crop_roi(region.image, window) for region, window in zip(regions, windows, strict=True)
        ]
        found = self.read_crops(np.stack(crops))
        return [
            RoiReading(
                probabilities=dict(zip(self.classes, row.tolist(), strict=True)),
                called=self.classes[int(row.argmax())],
                attention=cells,
                window=window,
                intervals=self._intervals(row),
            )
            for row, cells, window in zip(*found, windows, strict=True)
        ]

    def _intervals(self, row: npt.NDArray[np.float64]) -> dict[str, tuple[float, float]]:
        ends = self.bundle.card.get("calibration", {}).get("interval_95", ())
        if not ends:
            return {}
        logits = np.log(np.maximum(row, _TINY)) * self._temperature
        within = np.stack([row, *(softmax(logits / end) for end in ends)])
        bounds = zip(within.min(axis=0).tolist(), within.max(axis=0).tolist(), strict=True)
        return dict(zip(self.classes, bounds, strict=True))

    def read_crops(self, crops: npt.NDArray[np.uint8]) -> CropReadings:
        """What ``read`` says, of crops that are (N, 224, 224) already."""
        row = BACKBONES[self.bundle.backbone]
        return classify_crops(self._network, crops, row, self._device, self._temperature)


def temperature_of(bundle: Bundle) -> float:
    """What its logits are divided by; 1 where the card has no calibration."""
    return float(bundle.card.get("calibration", {}).get("temperature", 1.0))


def classify_crops(
    network: RoiNetwork,
    crops: npt.NDArray[np.uint8],
    row: Backbone,
    device: torch.device,
    temperature: float = 1.0,
) -> CropReadings:
    """What a network in evaluation mode makes of crops, (N, 224, 224)."""
    probabilities, attention = [], []
    for start in range(0, len(crops), _BATCH):
        images = imagenet_tensor(torch.from_numpy(crops[start : start + _BATCH]), row.mean, row.std)
        with torch.inference_mode():
            features = network.backbone(images.to(device))
            logits = network.classify(features)
        best = logits.argmax(dim=1, keepdim=True).clone()
        attention.append(grad_cam(features, _scores_of(network, best)).cpu())
        probabilities.append(torch.softmax(logits.double() / temperature, dim=1).cpu())
    return CropReadings(torch.cat(probabilities).numpy(), torch.cat(attention).float().numpy())


def _scores_of(
    network: RoiNetwork, classes: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    def score(features: torch.Tensor) -> torch.Tensor:
        return network.classify(features).gather(1, classes).squeeze(1)

    return score


SYSTEM = RoiClassifier
