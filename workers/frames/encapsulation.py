"""Where the frames lie in encapsulated Pixel Data (PS3.5 A.4), found without reading them."""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, BinaryIO

from node.errors import FrameError
from workers.findings import Reason
from workers.frames.header import Header, PixelData, value
from workers.messages import say

_ITEM = b"\xfe\xff\x00\xe0"
_DELIMITER = b"\xfe\xff\xdd\xe0"
_STARTS = (b"\xff\xd8", b"\xff\x4f", b"\x00\x00")
"""First bytes of a JPEG, a JPEG 2000 and a boxed JPEG 2000 codestream."""


@dataclass(frozen=True)
class Fragment:
    """One item; ``item`` is the offset of its tag, ``start`` that of its value."""

    item: int
    start: int
    length: int


def fragments(stream: BinaryIO, pixel_data: PixelData) -> tuple[Fragment, list[Fragment], bool]:
    """Basic Offset Table, fragments, and whether the last one or the delimiter is missing."""
    end = pixel_data.start + pixel_data.available
    at = pixel_data.start
    found: list[Fragment] = []
    while True:
        stream.seek(at)
        head = stream.read(8)
        if head[:4] == _DELIMITER:
            cut_off = False
            break
        if len(head) < 8:
            cut_off = True
            break
        if head[:4] != _ITEM:
            raise FrameError(say("the encapsulated pixel data are not items"), Reason.UNREADABLE)
        (length,) = struct.unpack("<L", head[4:])
        if at + 8 + length > end:
            cut_off = True
            break
        found.append(Fragment(at, at + 8, length))
        at += 8 + length
    if len(found) < 2:
        if cut_off:
            raise FrameError(say("the file ends within its first frame"), Reason.UNDECODABLE)
        raise FrameError(say("the encapsulated pixel data are empty"), Reason.NO_PIXELS)
    return found[0], found[1:], cut_off


def frames(stream: BinaryIO, header: Header, number_of_frames: int) -> list[list[Fragment]]:
    """The fragments of each frame that is whole in the file.

    An offset table is believed when it points at fragments; without one, a fragment is a frame if
    the numbers agree, and else a frame begins where a fragment begins with a codestream.
    """
    assert header.pixel_data is not None
    table, parts, cut_off = fragments(stream, header.pixel_data)
    starts = _offsets(stream, header, table, number_of_frames)
    if not starts or not {start + parts[0].item for start in starts} <= {p.item for p in parts}:
        starts = _without_table(stream, parts, number_of_frames, cut_off)
    begins = {start + parts[0].item for start in starts}
    grouped: list[list[Fragment]] = []
    for part in parts:
        if part.item in begins or not grouped:
            grouped.append([])
        grouped[-1].append(part)
    # Of a frame in several fragments nobody knows whether the missing one was its last.
    if cut_off and any(len(group) > 1 for group in grouped):
        grouped.pop()
    return grouped[:number_of_frames]


def read(stream: BinaryIO, parts: list[Fragment]) -> bytes:
    """The codestream that lies in these fragments."""
    pieces = []
    for part in parts:
        stream.seek(part.start)
        pieces.append(stream.read(part.length))
    return b"".join(pieces)


class Joined(io.RawIOBase):
    """The fragments as one file to read, of which no more than what is asked for is in memory."""

    def __init__(self, stream: BinaryIO, parts: Sequence[Fragment]) -> None:
        self._stream = stream
        self._parts = parts
        self._ends = list(accumulate(part.length for part in parts))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Up to the end of a fragment; 0 at the end of the last."""
        index = bisect_right(self._ends, self._at)
        if index == len(self._parts):
            return 0
        left = self._ends[index] - self._at
        part = self._parts[index]
        self._stream.seek(part.start + part.length - left)
        piece = self._stream.read(min(len(buffer), left))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _offsets(stream: BinaryIO, header: Header, table: Fragment, number_of_frames: int) -> list[int]:
    """Offsets from the first fragment's item: Extended Offset Table, else the Basic one."""
    extended = value(header.dataset, "ExtendedOffsetTable")
    if isinstance(extended, bytes) and len(extended) == 8 * number_of_frames:
        return list(struct.unpack(f"<{number_of_frames}Q", extended))
    if table.length and table.length == 4 * number_of_frames:
        return list(struct.unpack(f"<{number_of_frames}L", read(stream, [table])))
    return []


def _without_table(
    stream: BinaryIO, parts: list[Fragment], number_of_frames: int, cut_off: bool
) -> list[int]:
    first = parts[0].item
    if number_of_frames == 1:
        return [0]
    if len(parts) == number_of_frames:
        return [part.item - first for part in parts]
    found = []
    for part in parts:
        stream.seek(part.start)
        if stream.read(2) in _STARTS:
            found.append(part.item - first)
    # RLE frames have exactly one fragment each, and no marker (PS3.5 G.2).
    return found or [part.item - first for part in parts]
