"""From decoded samples to what a viewer shows: 8-bit RGB, converted exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

from workers.frames.codecs import Samples
from workers.frames.header import integer, number, value

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Conversion:
    """How one instance's samples become RGB.

    dataset : holds lookup tables, rescale and window of a single-sample image
    """

    dataset: Dataset
    bits_stored: int

    def to_rgb(self, samples: Samples) -> RGB:
        """(rows, columns, 3) uint8 RGB."""
        values = samples.values
        if samples.photometric.startswith("MONOCHROME"):
            grey = _grey(values, self.bits_stored, self.dataset)
            if samples.photometric == "MONOCHROME1":
                grey = 255 - grey
            return np.repeat(grey[..., None], 3, axis=2)
        if samples.photometric == "PALETTE COLOR":
            return np.take(self._palette, values.astype(np.int64), axis=0, mode="wrap")
        values = _eight_bits(values, self.bits_stored)
        if samples.photometric.startswith("YBR_PARTIAL"):
            return _ycbcr_to_rgb(_full_range(values))
        if samples.photometric.startswith("YBR_FULL"):
            return _ycbcr_to_rgb(values)
        # RGB; the components of YBR_ICT and YBR_RCT exist only inside a JPEG 2000 codestream.
        return np.ascontiguousarray(values)

    @cached_property
    def _palette(self) -> RGB:
        """RGB of every stored value; to expand a segmented table (PS3.3 C.7.9.2) takes 100 ms."""
        stored = np.arange(2**self.bits_stored, dtype=np.uint32)
        dtype = np.dtype(np.uint8 if self.bits_stored <= 8 else np.uint16)
        if integer(self.dataset, "PixelRepresentation") == 1:
            dtype = np.dtype(f"i{dtype.itemsize}")
        table = apply_color_lut(stored.astype(dtype), self.dataset)
        return _table_to_eight_bits(table[:, :3])


def luminance(rgb: RGB) -> NDArray[np.uint8]:
    """(rows, columns) uint8, ITU-R BT.601 luma: a grey pixel keeps its value."""
    return np.asarray(Image.fromarray(rgb).convert("L"))


def _grey(values: NDArray[Any], bits_stored: int, dataset: Dataset) -> NDArray[np.uint8]:
    """Modality and VOI transformation for more than 8 bits (PS3.3 C.11.1, C.11.2)."""
    if bits_stored == 1:
        return np.asarray((values != 0) * 255, np.uint8)
    if bits_stored <= 8 and values.dtype == np.uint8:
        return np.asarray(values << (8 - bits_stored), np.uint8)
    modality = apply_modality_lut(values, dataset)
    if value(dataset, "VOILUTSequence"):
        return _table_to_eight_bits(apply_voi(modality.astype(values.dtype), dataset))
    centre, width = number(dataset, "WindowCenter"), number(dataset, "WindowWidth")
    if centre is not None and width is not None and width >= 1:
        return _windowed(modality, centre, width, str(value(dataset, "VOILUTFunction") or ""))
    return _eight_bits(modality - min(0, modality.min()), bits_stored)


def _windowed(
    values: NDArray[Any], centre: float, width: float, function: str
) -> NDArray[np.uint8]:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, to 0..255."""
    x = values.astype(np.float64)
    if function == "SIGMOID":
        y = 1 / (1 + np.exp(np.clip(-4 * (x - centre) / width, -50, 50)))
    elif function == "LINEAR_EXACT":
        y = (x - centre) / width + 0.5
    else:
        y = (x - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5
    return np.asarray(np.round(np.clip(y, 0, 1) * 255), np.uint8)


def _eight_bits(values: NDArray[Any], bits_stored: int) -> NDArray[np.uint8]:
    """By the depth in use: 8-bit data in a 16-bit container keep their values."""
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    depth = min(max(int(values.max()).bit_length(), 8), max(bits_stored, 8))
    return np.asarray(np.clip(values // 2 ** (depth - 8), 0, 255), np.uint8)


def _table_to_eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The output of a lookup table, 8 or 16 bits; some 16-bit tables hold 8-bit entries."""
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    return np.asarray(values >> (8 if values.max() > 255 else 0), np.uint8)


def _full_range(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From the partial range of PS3.3 C.7.6.3.1.2: Y 16..235, CB and CR 16..240."""
    low = np.array([16, 128, 128])
    scale = np.array([255 / 219, 255 / 224, 255 / 224])
    full = (values - low) * scale + np.array([0, 128, 128])
    return np.asarray(np.round(np.clip(full, 0, 255)), np.uint8)


def _ycbcr_to_rgb(values: NDArray[np.uint8]) -> RGB:
    """PS3.3 C.7.6.3.1.2, the equations of JFIF, as Pillow has them in C."""
    image = Image.frombytes("YCbCr", (values.shape[1], values.shape[0]), values.tobytes())
    return np.asarray(image.convert("RGB"))
