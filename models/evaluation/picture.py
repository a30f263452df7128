"""Drawing on example frames: what the model saw, and what was true."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from models.data import Box, Grey, Outline
from models.images import Window

TRUE = (0, 200, 255)
FOUND = (255, 176, 0)
"""Colours of the reference and of the model's own outline; apart for every eye."""

_OPACITY = 0.55
_WIDTH = 2


def draw(
    grey: Grey,
    *,
    heat: npt.NDArray[np.floating] | None = None,
    window: Window | None = None,
    outlines: Sequence[Outline] = (),
    found: Sequence[Outline] = (),
    boxes: Sequence[Box] = (),
) -> npt.NDArray[np.uint8]:
    """(H, W, 3): a frame with a map (h, w) of 0..1 over a window, true outlines and boxes in blue,
    found ones in orange."""
    picture = Image.fromarray(grey).convert("RGB")
    if heat is not None:
        x0, y0, x1, y1 = window or (0, 0, picture.width, picture.height)
        size = (x1 - x0, y1 - y0)
        levels = Image.fromarray(np.asarray(heat, np.float32)).resize(
            size, Image.Resampling.BICUBIC
        )
        values = np.clip(np.asarray(levels), 0.0, 1.0)
        colours = matplotlib.colormaps["inferno"](0.3 + 0.65 * values)[..., :3]
        over = Image.fromarray((colours * 255).astype(np.uint8))
        mask = Image.fromarray((values * _OPACITY * 255).astype(np.uint8))
        picture.paste(over, (x0, y0), mask)
    pen = ImageDraw.Draw(picture)
    for outline, colour in [
        *((line, TRUE) for line in outlines),
        *((line, FOUND) for line in found),
    ]:
        pen.line([*outline, outline[0]], fill=colour, width=_WIDTH)
    for box in boxes:
        pen.rectangle(box, outline=TRUE, width=_WIDTH)
    return np.asarray(picture)
