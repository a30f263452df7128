"""Regions of interest: the square around a lesion, and a square of liver beside it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.images.fan import Window, content_window
from models.images.outlines import outline_mask
from models.images.resizing import resize

ROI_SIZE = (224, 224)
"""Height and width of a cropped region as papers 2 and 3 give it to their networks."""

RIM = 0.1
"""What a region shows around the lesion's box, in shares of the box's longer side, on each side."""

LEAST = 24
"""Pixels: a square of liver with a shorter side holds no texture worth reading."""

_WORK = 256
_REACH = 1.0
_DEPTH = 0.25

Polygon = Sequence[tuple[float, float]]
Rectangle = tuple[float, float, float, float]


def lesion_window(box: Rectangle, rim: float = RIM) -> Window:
    """The square around a lesion's box x0, y0, x1, y1, with a rim of its surroundings.

    Square, so that resizing keeps the lesion's shape; it may reach beyond the image. The rim is
    kept and not masked out: halo and margin are signs, and a box from a detector has no outline.
    """
    x0, y0, x1, y1 = box
    side = max(1, round(max(x1 - x0, y1 - y0) * (1 + 2 * rim)))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    return (left, top, left + side, top + side)


def background_window(
    image: npt.NDArray[np.uint8],
    boxes: Sequence[Rectangle],
    *,
    liver: Polygon | None = None,
    fan: Polygon | None = None,
    largest: int | None = None,
) -> Window | None:
    """The largest square of liver that touches no lesion; None where none is worth reading.

    image : (H, W) uint8. boxes : of every mass; the square keeps off each by its rim. liver : its
    outline; without one the square lies beside the first box, at most the box's longer side away
    and at its depth, inside the fan's outline or, without one, the echo content: probably liver.
    largest : the longest side wanted, in pixels. Without box and liver there is no such square.
    """
    height, width = image.shape
    step = max(1, -(-max(height, width) // _WORK))
    shape = (-(-height // step), -(-width // step))
    if liver is not None:
        allowed = _inside(liver, shape, step)
    elif boxes:
        allowed = _beside(boxes[0], shape, step)
        allowed &= _inside(_corners(content_window(image)) if fan is None else fan, shape, step)
    else:
        return None
    for box in boxes:
        allowed &= ~_covered(lesion_window(box), shape, step)
    # The chessboard distance to the nearest forbidden pixel is half the side of the largest
    # square about a pixel; the border of zeros makes the image's edge forbidden.
    room = ndimage.distance_transform_cdt(np.pad(allowed, 1), metric="chessboard")[1:-1, 1:-1]
    row, column = np.unravel_index(int(room.argmax()), room.shape)
    half = (int(room[row, column]) - 1) * step
    if largest is not None:
        half = min(half, largest // 2)
    if 2 * half < LEAST:
        return None
    x, y = int(column) * step + step // 2, int(row) * step + step // 2
    return (x - half, y - half, x + half, y + half)


def crop_roi(
    image: npt.NDArray[np.uint8], window: Window, size: tuple[int, int] = ROI_SIZE
) -> npt.NDArray[np.uint8]:
    """The window's part of an image at ``size``; what lies beyond the image is black."""
    height, width = image.shape
    x0, y0, x1, y1 = window
    out = np.zeros((y1 - y0, x1 - x0), np.uint8)
    left, top, right, bottom = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
    if left < right and top < bottom:
        out[top - y0 : bottom - y0, left - x0 : right - x0] = image[top:bottom, left:right]
    return np.array(resize(out, size))  # a copy that torch may take: Pillow's own is read-only


def _inside(polygon: Polygon, shape: tuple[int, int], step: int) -> npt.NDArray[np.bool_]:
    return np.array(outline_mask([[(x / step, y / step) for x, y in polygon]], shape))


def _covered(window: Window, shape: tuple[int, int], step: int) -> npt.NDArray[np.bool_]:
    x0, y0, x1, y1 = window
    mask = np.zeros(shape, bool)
    mask[
        max(0, y0 // step) : max(0, -(-y1 // step)), max(0, x0 // step) : max(0, -(-x1 // step))
    ] = True
    return mask


def _beside(box: Rectangle, shape: tuple[int, int], step: int) -> npt.NDArray[np.bool_]:
    left, _, right, _ = lesion_window(box, rim=RIM + _REACH)
    _, top, _, bottom = lesion_window(box, rim=_DEPTH)
    return _covered((left, top, right, bottom), shape, step)


def _corners(window: Window) -> Polygon:
    x0, y0, x1, y1 = window
    return ((x0, y0), (x1 - 1, y0), (x1 - 1, y1 - 1), (x0, y1 - 1))
