"""Where the joint system looks: the part of an image that a prompt asks about, at a fixed size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.images import Window
from models.lesion.clicks import FARTHEST, Box, Point, distance_map


@dataclass(frozen=True)
class View:
    """The rectangle x0, y0, x1, y1 of an image, edge to edge, seen at size x size pixels. It may
    reach beyond the image, which is black there."""

    x0: float
    y0: float
    x1: float
    y1: float
    size: int

    def points(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """Pixels of the image as pixels of the view."""
        across, down = self.size / (self.x1 - self.x0), self.size / (self.y1 - self.y0)
        return tuple(
            ((x + 0.5 - self.x0) * across - 0.5, (y + 0.5 - self.y0) * down - 0.5)
            for x, y in points
        )

    def image_points(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """Pixels of the view as pixels of the image."""
        across, down = (self.x1 - self.x0) / self.size, (self.y1 - self.y0) / self.size
        return tuple(
            ((x + 0.5) * across + self.x0 - 0.5, (y + 0.5) * down + self.y0 - 0.5)
            for x, y in points
        )

    def cut(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """(size, size): the view of an image (H, W); shrinking averages."""
        height, width = image.shape
        left, top = int(np.floor(self.x0)), int(np.floor(self.y0))
        right, bottom = int(np.ceil(self.x1)), int(np.ceil(self.y1))
        part = np.zeros((bottom - top, right - left), np.uint8)
        rows, columns = (
            slice(max(top, 0), min(bottom, height)),
            slice(max(left, 0), min(right, width)),
        )
        if rows.stop > rows.start and columns.stop > columns.start:
            part[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = (
                image[rows, columns]
            )
        box = (self.x0 - left, self.y0 - top, self.x1 - left, self.y1 - top)
        size = (self.size, self.size)
        return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR, box))

    def spread(
        self, values: npt.NDArray[np.float32], shape: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        """(H, W) float32: values (size, size) of the view back in the whole image, 0 outside."""
        whole = np.zeros(shape, np.float32)
        left, top = max(0, round(self.x0)), max(0, round(self.y0))
        right, bottom = min(shape[1], round(self.x1)), min(shape[0], round(self.y1))
        if right <= left or bottom <= top:
            return whole
        across, down = self.size / (self.x1 - self.x0), self.size / (self.y1 - self.y0)
        # A frame of one pixel more, for the bilinear filter has no answer beyond the outermost.
        framed = Image.fromarray(np.pad(values.astype(np.float32), 1, mode="edge"))
        x, y = (left - self.x0) * across + 1, (top - self.y0) * down + 1
        whole[top:bottom, left:right] = np.asarray(
            framed.transform(
                (right - left, bottom - top),
                Image.Transform.AFFINE,
                (across, 0, x, 0, down, y),
                Image.Resampling.BILINEAR,
            )
        )
        return whole


@dataclass(frozen=True)
class Framing:
    """How prompts become views.

    size : pixels of the network's input, both ways. whole : the fan crop is looked at whatever the
    prompt, as in paper 4. Otherwise a box is looked at ``factor`` times enlarged, each side by its
    own scale, so that the box always takes the same place; and a click at the middle of a square
    whose side is ``reach`` times the root of the fan crop's area.
    """

    size: int
    whole: bool = False
    factor: float = 1.6
    reach: float = 0.7

    def of_window(self, window: Window) -> View:
        """The fan crop, each side by its own scale."""
        x0, y0, x1, y1 = window
        return View(x0, y0, x1, y1, self.size)

    def of_box(self, box: Box) -> View:
        """A box (middles of pixels) and what is around it."""
        x0, y0, x1, y1 = box
        across, down = (x1 - x0 + 1) * self.factor / 2, (y1 - y0 + 1) * self.factor / 2
        x, y = (x0 + x1 + 1) / 2, (y0 + y1 + 1) / 2
        return View(x - across, y - down, x + across, y + down, self.size)

    def of_clicks(self, clicks: Sequence[Point], window: Window) -> View:
        """A square around the clicks, larger where they lie far apart."""
        columns, rows = [x for x, _ in clicks], [y for _, y in clicks]
        side = self.reach * ((window[2] - window[0]) * (window[3] - window[1])) ** 0.5
        side = max(side, 2 * (max(columns) - min(columns)), 2 * (max(rows) - min(rows)))
        x, y = (min(columns) + max(columns) + 1) / 2, (min(rows) + max(rows) + 1) / 2
        return View(x - side / 2, y - side / 2, x + side / 2, y + side / 2, self.size)


def prompt_maps(
    view: View, foreground: Sequence[Point], background: Sequence[Point]
) -> npt.NDArray[np.float32]:
    """(2, size, size) float32 0..1: distance maps of both kinds of clicks, over 255.

    foreground, background : in pixels of the whole image.
    """
    shape = (view.size, view.size)
    maps = [distance_map(view.points(clicks), shape) for clicks in (foreground, background)]
    return np.stack(maps) / np.float32(FARTHEST)
