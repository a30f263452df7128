"""Features of a frozen backbone: what every small head over whole frames looks at."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import BACKBONES, build_backbone
from models.bundle import Bundle
from models.fat.preprocessing import prepare
from models.folding import fold_normalisation
from models.frame.seen import Seen
from models.images import Window, imagenet_tensor
from models.weights import fill

_BATCH = 4


class Features:
    """The features of a backbone in inference, the same in fitting and in the node.

    digest : sha256 of backbone and weights; two of one digest say the same of an image.
    """

    def __init__(self, network: torch.nn.Module, backbone: str, device: str) -> None:
        self.digest = _digest(network, backbone)
        self._row = BACKBONES[backbone]
        self._device = torch.device(device)
        self._network = fold_normalisation(network).to(self._device)
        self._network.to(memory_format=torch.channels_last)

    @classmethod
    def of_bundle(cls, bundle: Bundle, tensors: dict[str, torch.Tensor], device: str) -> "Features":
        """Of the backbone whose weights are what is left of a bundle's tensors; BundleError when
        they do not fit it."""
        network = build_backbone(bundle.backbone)
        fill(network, tensors, bundle)
        return cls(network, bundle.backbone, device)

    def __call__(
        self, images: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], list[Window]]:
        """(n, C) pooled features of n >= 1 images (H, W) uint8, cropped to their echo content, and
        the crops."""
        pooled, windows = zip(*((one.pooled, one.window) for one in self.see(images)), strict=True)
        return np.stack(pooled), list(windows)

    def see(self, images: Sequence[npt.NDArray[np.uint8]]) -> Iterator[Seen]:
        """The features of each image (H, W) uint8, cropped to its echo content."""
        for start in range(0, len(images), _BATCH):
            frames = [prepare(image) for image in images[start : start + _BATCH]]
            tensor = imagenet_tensor([one.grey for one in frames], self._row.mean, self._row.std)
            with torch.inference_mode():
                tensor = tensor.to(self._device, memory_format=torch.channels_last)
                maps = self._network(tensor).float()
                pooled = maps.mean(dim=(2, 3)).cpu().numpy()
                maps = maps.cpu().numpy()
            for frame, own, mean in zip(frames, maps, pooled, strict=True):
                yield Seen(self.digest, own, mean, frame.window)


def _digest(network: torch.nn.Module, backbone: str) -> str:
    content = hashlib.sha256(backbone.encode())
    for name, tensor in network.state_dict().items():
        # In half precision, as bundles keep it: so ImageNet weights are those of a bundle of them.
        values = tensor.half() if tensor.is_floating_point() else tensor
        content.update(name.encode() + values.cpu().contiguous().numpy().tobytes())
    return content.hexdigest()
