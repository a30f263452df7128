"""Paper 1's augmentations: crops, aspect, shifts, rotations, horizontal flips, and mixup.

All draw from torch's global generator: seed it first.
"""

from typing import NamedTuple

import torch
from torch.nn import functional


class Batch(NamedTuple):
    """images : (B, H, W) levels. masks : (B, H, W), later
    (B, h, w) at the resolution of the local prediction. targets, known : (B, L)."""

    images: torch.Tensor
    masks: torch.Tensor
    targets: torch.Tensor
    known: torch.Tensor


def augment(batch: Batch) -> Batch:
    """One random affine view of each image, its mask moved along.

    Zoom 0.85 to 1.1 on each axis apart (crop and aspect), shift up to 8 %, rotation up to 10
    degrees, mirrored half the time. Labels stay.
    """
    count, height, width = batch.images.shape
    draw = torch.rand(count, 6, device=batch.images.device)
    angle = torch.deg2rad((draw[:, 0] * 2 - 1) * 10)
    zoom_x = 0.85 + 0.25 * draw[:, 1]
    zoom_y = 0.85 + 0.25 * draw[:, 2]
    mirror = torch.where(draw[:, 3] < 0.5, -1.0, 1.0)
    aspect = height / width
    matrix = batch.images.new_zeros(count, 2, 3)
    matrix[:, 0, 0] = torch.cos(angle) * zoom_x * mirror
    matrix[:, 0, 1] = -torch.sin(angle) * zoom_y * aspect
    matrix[:, 1, 0] = torch.sin(angle) * zoom_x * mirror / aspect
    matrix[:, 1, 1] = torch.cos(angle) * zoom_y
    matrix[:, :, 2] = (draw[:, 4:6] * 2 - 1) * 0.16
    both = torch.stack([batch.images, batch.masks], dim=1)
    grid = functional.affine_grid(matrix, list(both.shape), align_corners=False)
    moved = functional.grid_sample(both, grid, align_corners=False)
    return batch._replace(images=moved[:, 0], masks=moved[:, 1])


def mixup(batch: Batch, alpha: float) -> Batch:
    """Each image mixed with another of the batch (Zhang et al. 2018), share ~ Beta(alpha, alpha).

    A label known of one of the two only counts with that one's share: binary cross entropy is
    linear in its target, so weighting is the same as mixing the two losses.
    """
    count = len(batch.images)
    share = torch.distributions.Beta(alpha, alpha).sample(torch.Size([count, 1]))
    share = share.to(batch.images.device)
    other = torch.randperm(count)
    known = share * batch.known + (1 - share) * batch.known[other]
    positive = share * batch.known * batch.targets
    positive = positive + (1 - share) * batch.known[other] * batch.targets[other]
    pixel = share[:, :, None]
    return Batch(
        images=pixel * batch.images + (1 - pixel) * batch.images[other],
        masks=pixel * batch.masks + (1 - pixel) * batch.masks[other],
        targets=positive / known.clamp_min(1e-9),
        known=known,
    )
