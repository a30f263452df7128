"""Resizing, and grey levels as ImageNet backbones expect them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def resize(
    image: npt.NDArray[np.uint8], size: tuple[int, int], *, method: str = "bilinear"
) -> npt.NDArray[np.uint8]:
    """An image at (height, width) pixels; shrinking averages, so speckle does not alias.

    method : 'bilinear' or 'bicubic'.
    """
    height, width = size
    return np.asarray(Image.fromarray(image).resize((width, height), _FILTERS[method]))


def standardised(
    grey: npt.NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.float32]:
    """Grey levels as a network of one grey channel expects them: by the means over the colours of
    the backbone that it was made of."""
    centre, scale = np.float32(np.mean(mean)), np.float32(np.mean(std))
    return (grey.astype(np.float32) / np.float32(255) - centre) / scale


def imagenet_tensor(
    grey: Sequence[npt.NDArray[np.floating] | npt.NDArray[np.uint8]] | torch.Tensor,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
) -> torch.Tensor:
    """Grey images as (N, 3, H, W) float32: the grey channel copied three times, standardised.

    grey : N arrays (H, W), or one tensor (N, H, W), in levels 0..255.
    """
    stack = grey if isinstance(grey, torch.Tensor) else torch.from_numpy(np.stack(grey))
    colour = (stack.float() / 255.0)[:, None].expand(-1, 3, -1, -1)
    shape = (1, 3, 1, 1)
    centre = torch.tensor(mean, device=stack.device).view(shape)
    return (colour - centre) / torch.tensor(std, device=stack.device).view(shape)
