"""Paper 3's augmentation of regions: translation on both axes, rescaling, horizontal flips."""

import torch
from torch.nn import functional

SHIFT = 0.1
ZOOM = (0.9, 1.1)


def augment_rois(images: torch.Tensor) -> torch.Tensor:
    """One random view of each region: (B, H, W) levels, on their device.

    Shifted by up to a tenth on each axis, rescaled by 0.9 to 1.1 and mirrored half the time; the
    paper gives no amounts. What a shift uncovers is the region's own reflection, so that no black
    edge tells a copy from an original. Draws from torch's global generator: seed it first.
    """
    draw = torch.rand(len(images), 4)
    zoom = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * draw[:, 0]
    matrix = torch.zeros(len(images), 2, 3)
    matrix[:, 0, 0] = zoom * torch.where(draw[:, 1] < 0.5, -1.0, 1.0)
    matrix[:, 1, 1] = zoom
    matrix[:, :, 2] = (draw[:, 2:4] * 2 - 1) * 2 * SHIFT  # the grid's axes run from -1 to 1
    planes = images.float()[:, None]
    grid = functional.affine_grid(matrix.to(images.device), list(planes.shape), align_corners=False)
    moved = functional.grid_sample(planes, grid, padding_mode="reflection", align_corners=False)
    return moved[:, 0]
