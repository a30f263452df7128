"""One named decoder per transfer syntax, never whatever plug-in happens to be installed.

Every decoder returns samples as the photometric interpretation beside them says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import simplejpeg
from numpy.typing import NDArray
from openjpeg.utils import decode as decode_jpeg_2000
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

from node.errors import FrameError
from workers.findings import Reason
from workers.frames.codestream import codestream_size
from workers.frames.header import Header
from workers.frames.layout import Layout
from workers.messages import say


@dataclass(frozen=True)
class Samples:
    """One decoded frame: (rows, columns) or (rows, columns, 3), and what its samples mean."""

    values: NDArray[Any]
    photometric: str


Decoder = Callable[[str, bytes, Layout], Samples]

_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""APP14 segment that says: these components are RGB, not transformed."""


def native(stream: BinaryIO, header: Header, layout: Layout, index: int) -> Samples:
    """Frame ``index`` (from 0) of native Pixel Data: only its own bytes are read."""
    assert header.pixel_data is not None
    stream.seek(header.pixel_data.start)
    options = layout.options() | {"pixel_vr": header.pixel_data.vr}
    decoder = get_decoder(header.transfer_syntax)
    values, _ = decoder.as_array(stream, index=index, raw=True, **options)
    return Samples(values, layout.photometric)


def still(header: Header, codestream: bytes, layout: Layout, limit: int) -> Samples:
    """One frame of encapsulated Pixel Data.

    Raises FrameError: TOO_LARGE or UNREADABLE when the codestream's own header says so, and
    ValueError or RuntimeError of the codec.
    """
    syntax = header.transfer_syntax
    if syntax != uid.RLELossless:
        _check(codestream, layout, limit)
    return STILL[syntax](syntax, codestream, layout)


def _check(codestream: bytes, layout: Layout, limit: int) -> None:
    """A decompression bomb and a header that lies end here, before anything is decoded."""
    size = codestream_size(codestream)
    if size.decoded_bytes > limit:
        raise FrameError(
            say(
                "the codestream would decode to {size} MiB, the limit is {limit} MiB",
                size=size.decoded_bytes >> 20,
                limit=limit >> 20,
            ),
            Reason.TOO_LARGE,
        )
    told = (layout.columns, layout.rows, layout.samples)
    coded = (size.columns, size.rows, size.samples)
    if told != coded:
        raise FrameError(
            say(
                "columns, rows and samples are {told} in the header, {coded} in the codestream",
                told=" x ".join(map(str, told)),
                coded=" x ".join(map(str, coded)),
            ),
            Reason.UNREADABLE,
        )


def _jpeg(syntax: str, codestream: bytes, layout: Layout) -> Samples:
    """libjpeg-turbo by simplejpeg, 8 bits; a damaged or truncated stream is an error."""
    size = codestream_size(codestream)
    if size.precision != 8:
        words = say("JPEG with {bits} bits", bits=size.precision)
        raise FrameError(words, Reason.UNSUPPORTED_CODEC)
    if size.samples == 1:
        values = simplejpeg.decode_jpeg(codestream, "GRAY", strict=True)
        return Samples(values[..., 0], layout.photometric)
    if layout.photometric == "RGB" and not size.colour:
        # Without a marker libjpeg would take three components for YCbCr and convert.
        codestream = codestream[:2] + _ADOBE_RGB + codestream[2:]
    return Samples(simplejpeg.decode_jpeg(codestream, "RGB", strict=True), "RGB")


def _jpeg_2000(syntax: str, codestream: bytes, layout: Layout) -> Samples:
    """OpenJPEG; it undoes the multiple component transformation, so ICT and RCT come as RGB."""
    return Samples(decode_jpeg_2000(codestream), layout.photometric)


def _by_pydicom(plugin: str) -> Decoder:
    def decode(syntax: str, codestream: bytes, layout: Layout) -> Samples:
        values, _ = get_decoder(syntax).as_array(
            encapsulate([codestream]),
            index=0,
            raw=True,
            decoding_plugin=plugin,
            **replace(layout, frames=1).options(),
        )
        return Samples(values, layout.photometric)

    return decode


NATIVE = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
    }
)

STILL: dict[str, Decoder] = {
    uid.RLELossless: _by_pydicom("pydicom"),
    uid.JPEGBaseline8Bit: _jpeg,
    uid.JPEGExtended12Bit: _jpeg,
    uid.JPEGLossless: _by_pydicom("gdcm"),
    uid.JPEGLosslessSV1: _by_pydicom("gdcm"),
    uid.JPEGLSLossless: _by_pydicom("gdcm"),
    uid.JPEGLSNearLossless: _by_pydicom("gdcm"),
    uid.JPEG2000Lossless: _jpeg_2000,
    uid.JPEG2000: _jpeg_2000,
    uid.HTJ2KLossless: _jpeg_2000,
    uid.HTJ2KLosslessRPCL: _jpeg_2000,
    uid.HTJ2K: _jpeg_2000,
}

VIDEO = frozenset(
    {
        uid.MPEG2MPML,
        uid.MPEG2MPMLF,
        uid.MPEG2MPHL,
        uid.MPEG2MPHLF,
        uid.MPEG4HP41,
        uid.MPEG4HP41F,
        uid.MPEG4HP41BD,
        uid.MPEG4HP41BDF,
        uid.MPEG4HP422D,
        uid.MPEG4HP422DF,
        uid.MPEG4HP423D,
        uid.MPEG4HP423DF,
        uid.MPEG4HP42STEREO,
        uid.MPEG4HP42STEREOF,
        uid.HEVCMP51,
        uid.HEVCM10P51,
    }
)


def check_supported(transfer_syntax: str) -> None:
    """Raises FrameError, naming the syntax, when no decoder is named for it."""
    if transfer_syntax not in STILL and transfer_syntax not in NATIVE | VIDEO:
        name = uid.UID(transfer_syntax).name
        raise FrameError(
            transfer_syntax if name == transfer_syntax else f"{name} ({transfer_syntax})",
            Reason.UNSUPPORTED_CODEC,
        )
