"""What a JPEG or JPEG 2000 codestream says of its own size, read before anything is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from workers.messages import say

_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
"""Start of frame markers of ITU-T T.81 B.1.1.3 and of JPEG-LS (T.87 C.1.1)."""

_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_SOC_SIZ = b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class CodestreamSize:
    """``colour`` tells how three components are coded: 'RGB', 'YBR' or '' where it is silent."""

    rows: int
    columns: int
    samples: int
    precision: int
    colour: str = ""

    @property
    def decoded_bytes(self) -> int:
        return self.rows * self.columns * self.samples * -(-self.precision // 8)


def codestream_size(data: bytes) -> CodestreamSize:
    """The size that a frame of the JPEG families will have; ValueError if the header is damaged."""
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        # A box of the JP2 format may stand before the codestream, though PS3.5 A.4.4 forbids it.
        start = data.find(_SOC_SIZ, 0, 4096)
        if start >= 0:
            return _jpeg_2000(data, start)
    except (struct.error, IndexError):
        raise ValueError(say("the codestream ends within its header")) from None
    raise ValueError(say("no JPEG or JPEG 2000 codestream"))


def _jpeg(data: bytes) -> CodestreamSize:
    colour = ""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError(say("the JPEG header is damaged"))
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker == 0xE0 and body.startswith(b"JFIF"):
            colour = "YBR"
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) > 11:
            colour = "YBR" if body[11] else "RGB"
        elif marker in _SOF:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", body)
            if not colour and body[6::3][:samples].upper() == b"RGB":
                colour = "RGB"
            return CodestreamSize(rows, columns, samples, precision, colour)
        elif marker in (0xDA, 0xD9):
            raise ValueError(say("the JPEG header has no start of frame"))
        at += 2 + length


def _jpeg_2000(data: bytes, start: int) -> CodestreamSize:
    """The SIZ segment, ITU-T T.800 A.5.1."""
    x1, y1, x0, y0 = struct.unpack_from(">4L", data, start + 8)
    (samples,) = struct.unpack_from(">H", data, start + 40)
    precision = (data[start + 42] & 0x7F) + 1
    return CodestreamSize(y1 - y0, x1 - x0, samples, precision)
