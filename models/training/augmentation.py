"""Random views of images and of whatever lies over them, drawn from torch's global generator."""

import torch
from torch.nn import functional

GAIN, GAMMA, OFFSET = 0.35, 0.35, 0.08
"""How far echoes are varied as by other scanners: logarithms of the factors of level and exponent,
and a share of the full level, each up to this either way."""


def random_views(planes: torch.Tensor) -> torch.Tensor:
    """One random affine view of each image; its planes (B, P, H, W) are moved alike.

    Paper 1's: zoom 0.85 to 1.1 on each axis apart (crop and aspect), shift up to 8 %, rotation up
    to 10 degrees, mirrored half the time. What comes into view is 0.
    """
    count, _, height, width = planes.shape
    draw = torch.rand(count, 6, device=planes.device)
    angle = torch.deg2rad((draw[:, 0] * 2 - 1) * 10)
    zoom_x = 0.85 + 0.25 * draw[:, 1]
    zoom_y = 0.85 + 0.25 * draw[:, 2]
    mirror = torch.where(draw[:, 3] < 0.5, -1.0, 1.0)
    aspect = height / width
    matrix = planes.new_zeros(count, 2, 3)
    matrix[:, 0, 0] = torch.cos(angle) * zoom_x * mirror
    matrix[:, 0, 1] = -torch.sin(angle) * zoom_y * aspect
    matrix[:, 1, 0] = torch.sin(angle) * zoom_x * mirror / aspect
    matrix[:, 1, 1] = torch.cos(angle) * zoom_y
    matrix[:, :, 2] = (draw[:, 4:6] * 2 - 1) * 0.16
    grid = functional.affine_grid(matrix, list(planes.shape), align_corners=False)
    return functional.grid_sample(planes, grid, align_corners=False)


def varied_echoes(images: torch.Tensor) -> torch.Tensor:
    """Gain, gamma and offset of images (B, H, W) in levels 0..255 changed at random; black stays
    black. ``models.training.joint.samples.varied`` is the same for one view and its own draws."""
    draw = torch.rand(len(images), 3, device=images.device).view(-1, 3, 1, 1) * 2 - 1
    gain, gamma = torch.exp(GAIN * draw[:, 0]), torch.exp(GAMMA * draw[:, 1])
    changed = ((images / 255) ** gamma * gain + OFFSET * draw[:, 2]).clamp(0, 1) * 255
    return torch.where(images > 0, changed, images)
