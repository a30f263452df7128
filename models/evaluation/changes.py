"""How scanners and archives change a frame without changing what it shows.

Each function takes the whole grey frame, (H, W) uint8, and gives a new one; none knows an outline.
"""

import io
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from models.data import Grey
from models.images import content_window, crop
from models.images.fan import LIT

Change = Callable[[Grey], Grey]

DYNAMIC_RANGE = 60.0
"""dB over the 255 levels of a log-compressed image, a common setting of the liver presets. No file
of a picture says its own; with it a gain of 6 dB is 25.5 levels."""

_CUT = 0.05
_SMALL, _LARGE = (720, 576), (1024, 768)
_WORK = 192
_GAP, _RIM = 0.2, 0.02


def flipped(image: Grey) -> Grey:
    """The probe turned round: left is right."""
    return np.ascontiguousarray(image[:, ::-1])


def gained(image: Grey, decibels: float) -> Grey:
    """The gain turned by so many dB: after log compression the same number of levels is added to
    every echo that is seen. What is black stays so: what lies below the display's floor is not
    known, and beyond the fan there is nothing to amplify."""
    levels = 255.0 * decibels / DYNAMIC_RANGE
    moved = np.clip(np.rint(image + levels), 0, 255).astype(np.uint8)
    return np.where(image > LIT, moved, image)


def gamma_corrected(image: Grey, gamma: float) -> Grey:
    """Another grey map: the level as a share of 255, to the power of gamma; under 1 lightens."""
    levels = np.rint(255.0 * (np.arange(256) / 255.0) ** gamma).astype(np.uint8)
    return levels[image]


def jpeg_compressed(image: Grey, quality: int) -> Grey:
    """Stored by an archive that compresses hard."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def cut_tighter(image: Grey) -> Grey:
    """Exported without its surroundings, and with 5 % of the echo content's width and height lost
    at each edge."""
    x0, y0, x1, y1 = content_window(image)
    across, down = round(_CUT * (x1 - x0)), round(_CUT * (y1 - y0))
    return crop(image, (x0 + across, y0 + down, x1 - across, y1 - down)).copy()


def resampled(image: Grey) -> Grey:
    """At the size of another scanner's frames: one wider than 800 pixels at 720 x 576, others at
    1024 x 768, the two most common of Xu et al. 2023. Proportions stay; the rest is black."""
    height, width = image.shape
    across, down = _SMALL if width > 800 else _LARGE
    factor = min(across / width, down / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    scaled = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    frame = Image.new("L", (across, down))
    frame.paste(scaled, ((across - size[0]) // 2, (down - size[1]) // 2))
    return np.asarray(frame)


def without_fan_mask(image: Grey) -> Grey:
    """Tissue where the fan's black corners were, so that its shape cannot be read.

    Inside the box of the echo content each pixel beyond the fan becomes the one that mirrors it in
    the fan's edge, or the nearest of the edge where that lies beyond as well: speckle goes on, and
    no edge is left. The box itself stays, and so does what the detector crops to.
    """
    window = content_window(image)
    inside = crop(image, window)
    fan = _fan(inside)
    if not fan.any():
        return image.copy()
    nearest = ndimage.distance_transform_edt(~fan, return_distances=False, return_indices=True)
    mirrored = 2 * nearest - np.indices(fan.shape)
    height, width = fan.shape
    rows, columns = mirrored
    within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    within[within] = fan[rows[within], columns[within]]
    rows, columns = np.where(within, mirrored, nearest)
    x0, y0, x1, y1 = window
    filled = image.copy()
    filled[y0:y1, x0:x1] = inside[rows, columns]
    return filled


def _fan(image: Grey) -> npt.NDArray[np.bool_]:
    """Where a frame that is cropped to its echo content shows the fan: what is lit, with gaps up to
    a fifth of the frame wide, which are shadows, and without its outermost 2 %, which are dim."""
    height, width = image.shape
    step = max(1, -(-max(height, width) // _WORK))
    small = np.asarray(Image.fromarray(image).reduce(step)) if step > 1 else image
    reach, rim = (max(1, round(share * max(small.shape))) for share in (_GAP / 2, _RIM))
    lit = np.pad(ndimage.binary_opening(small > LIT, np.ones((3, 3), bool)), reach + 1)
    firm = ndimage.distance_transform_edt(~lit) <= reach
    closed = ndimage.distance_transform_edt(ndimage.binary_fill_holes(firm)) > reach + rim
    found = closed[reach + 1 : -reach - 1, reach + 1 : -reach - 1]
    return np.asarray(found.repeat(step, axis=0).repeat(step, axis=1)[:height, :width])


CHANGES: Mapping[str, Change] = {
    "flip": flipped,
    "gain_plus_6_db": partial(gained, decibels=6.0),
    "gain_minus_6_db": partial(gained, decibels=-6.0),
    "gamma_0.7": partial(gamma_corrected, gamma=0.7),
    "gamma_1.4": partial(gamma_corrected, gamma=1.4),
    "jpeg_quality_30": partial(jpeg_compressed, quality=30),
    "tighter_crop": cut_tighter,
    "other_scanner_size": resampled,
    "no_fan_mask": without_fan_mask,
}
"""What a frame goes through before a figure is said to hold, by its name in a card."""

TITLES: Mapping[str, str] = {
    "flip": "left and right exchanged",
    "gain_plus_6_db": "gain +6 dB",
    "gain_minus_6_db": "gain −6 dB",
    "gamma_0.7": "gamma 0.7, lighter",
    "gamma_1.4": "gamma 1.4, darker",
    "jpeg_quality_30": "JPEG of quality 30",
    "tighter_crop": "cropped tighter by 5 % at each edge",
    "other_scanner_size": "resampled to another scanner's size",
    "no_fan_mask": "fan mask removed, tissue in the corners",
}
"""What a page calls them."""
