"""Paper 1's augmentations: crops, aspect, shifts, rotations, horizontal flips, and mixup; and
echoes varied as by other scanners.

All draw from torch's global generator: seed it first.
"""

from typing import NamedTuple

import torch

from models.training.augmentation import random_views, varied_echoes


class Batch(NamedTuple):
    """images : (B, H, W) levels. masks : (B, H, W), later
    (B, h, w) at the resolution of the local prediction. targets, known : (B, L)."""

    images: torch.Tensor
    masks: torch.Tensor
    targets: torch.Tensor
    known: torch.Tensor


def augment(batch: Batch, varied: float = 0.0) -> Batch:
    """One random view of each image, its mask moved along, and the echoes of a share of them
    varied. Labels stay."""
    moved = random_views(torch.stack([batch.images, batch.masks], dim=1))
    images = moved[:, 0]
    if varied:
        chosen = torch.rand(len(images), 1, 1, device=images.device) < varied
        images = torch.where(chosen, varied_echoes(images), images)
    return batch._replace(images=images, masks=moved[:, 1])


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
