"""The Image Pixel module (PS3.3 C.7.6.3) as numbers that agree with each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.errors import FrameError
from workers.findings import Reason
from workers.frames.header import Header, integer, value
from workers.messages import say

SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_PARTIAL_422": 3,
    "YBR_PARTIAL_420": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}
"""Samples per pixel of each photometric interpretation (PS3.3 C.7.6.3.1.2)."""

_SUBSAMPLED = {"YBR_FULL_422", "YBR_PARTIAL_422"}


@dataclass(frozen=True)
class Layout:
    """Shape and encoding of every frame of one instance."""

    rows: int
    columns: int
    samples: int
    photometric: str
    planar: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    frames: int

    @property
    def decoded_bytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.rows * self.columns * self.samples * -(-self.bits_allocated // 8)

    @property
    def native_bits(self) -> int:
        """Bits of one frame as native Pixel Data hold it; 4:2:2 has two samples per pixel."""
        samples = 2 if self.photometric in _SUBSAMPLED else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    def options(self) -> dict[str, Any]:
        """The same, in the words of pydicom's decoders."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "samples_per_pixel": self.samples,
            "photometric_interpretation": self.photometric.replace("PARTIAL_422", "FULL_422"),
            "planar_configuration": self.planar,
            "bits_allocated": self.bits_allocated,
            "bits_stored": self.bits_stored,
            "pixel_representation": int(self.signed),
            "number_of_frames": self.frames,
            "pixel_keyword": "PixelData",
        }


def layout(header: Header, limit: int) -> Layout:
    """The layout of an image's frames.

    limit : bytes that one decoded frame may have

    Raises FrameError: UNREADABLE when elements are missing or contradict each other, TOO_LARGE.
    """
    dataset = header.dataset
    photometric = str(value(dataset, "PhotometricInterpretation") or "").upper()
    frames = integer(dataset, "NumberOfFrames") if "NumberOfFrames" in dataset else 1
    bits_allocated = _positive(header, "BitsAllocated")
    found = Layout(
        rows=_positive(header, "Rows"),
        columns=_positive(header, "Columns"),
        samples=_positive(header, "SamplesPerPixel"),
        photometric=photometric,
        planar=integer(dataset, "PlanarConfiguration") or 0,
        bits_allocated=bits_allocated,
        bits_stored=integer(dataset, "BitsStored") or bits_allocated,
        signed=integer(dataset, "PixelRepresentation") == 1,
        frames=frames or 0,
    )
    if found.frames < 1:
        raise FrameError(say("Number of Frames is not a positive number"), Reason.UNREADABLE)
    if photometric not in SAMPLES:
        raise FrameError(say("unknown Photometric Interpretation"), Reason.UNREADABLE)
    if found.samples != SAMPLES[photometric]:
        words = say(
            "{samples} samples per pixel in {photometric}",
            samples=found.samples,
            photometric=photometric,
        )
        raise FrameError(words, Reason.UNREADABLE)
    if bits_allocated not in (1, 8, 16, 32) or not 1 <= found.bits_stored <= bits_allocated:
        words = say(
            "{stored} of {allocated} bits per sample",
            stored=found.bits_stored,
            allocated=bits_allocated,
        )
        raise FrameError(words, Reason.UNREADABLE)
    if found.decoded_bytes > limit:
        words = say(
            "one frame of {columns} x {rows} pixels would have {size} MiB, the limit is {limit} "
            "MiB",
            columns=found.columns,
            rows=found.rows,
            size=found.decoded_bytes >> 20,
            limit=limit >> 20,
        )
        raise FrameError(words, Reason.TOO_LARGE)
    return found


def _positive(header: Header, keyword: str) -> int:
    found = integer(header.dataset, keyword)
    if found is None or found < 1:
        words = say("{element} is missing or not a positive number", element=keyword)
        raise FrameError(words, Reason.UNREADABLE)
    return found
