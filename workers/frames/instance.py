"""One stored instance: is it ultrasound, what are its frames, how many are there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pydicom import uid

from node.errors import FrameError
from workers.findings import Reason
from workers.frames import encapsulation
from workers.frames.codecs import NATIVE, VIDEO, check_supported
from workers.frames.header import Header
from workers.frames.layout import Layout, layout
from workers.frames.regions import candidates
from workers.messages import say

ULTRASOUND = frozenset(
    {
        uid.UltrasoundImageStorage,
        uid.UltrasoundMultiFrameImageStorage,
        uid.EnhancedUSVolumeStorage,
        "1.2.840.10008.5.1.4.1.1.6",  # retired, as the next
        "1.2.840.10008.5.1.4.1.1.3",
    }
)

SECONDARY_CAPTURE = frozenset(
    {
        uid.SecondaryCaptureImageStorage,
        uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
        uid.MultiFrameSingleBitSecondaryCaptureImageStorage,
    }
)


@dataclass(frozen=True)
class StoredInstance:
    """A file of the input snapshot; ``own_result`` is for objects that this node made."""

    path: Path
    sop_instance_uid: str
    own_result: bool = False


def check_class(header: Header) -> None:
    """Raises FrameError for what is no ultrasound image: it is kept, but not analysed."""
    claims_image = header.sop_class_uid in ULTRASOUND | SECONDARY_CAPTURE
    if header.pixel_data is None and not claims_image:
        raise FrameError(uid.UID(header.sop_class_uid).name, Reason.NOT_AN_IMAGE)
    if header.sop_class_uid not in ULTRASOUND and header.modality != "US":
        raise FrameError(uid.UID(header.sop_class_uid).name, Reason.NOT_ULTRASOUND)
    if header.pixel_data is None or header.pixel_data.length == 0:
        raise FrameError("", Reason.NO_PIXELS)


def usable_layout(header: Header, limit: int) -> Layout:
    """The layout of an instance that may hold B-mode; FrameError says why it cannot."""
    check_class(header)
    check_supported(header.transfer_syntax)
    found = layout(header, limit)
    candidates(header.dataset, found.rows, found.columns)
    return found


def present(stream: BinaryIO, header: Header, said: Layout) -> tuple[Layout, str]:
    """The layout with the number of frames that are in the file, and what differs from the header.

    Raises FrameError when there is not one.
    """
    assert header.pixel_data is not None
    if header.transfer_syntax in NATIVE:
        count = _native_frames(header, said)
    elif header.transfer_syntax in VIDEO:
        return said, ""
    else:
        count = len(encapsulation.frames(stream, header, said.frames))
    if count == 0:
        raise FrameError(say("the file ends within its first frame"), Reason.UNDECODABLE)
    if count == said.frames:
        return said, ""
    return (
        replace(said, frames=min(count, said.frames)),
        say("the header says {said} frames, the file holds {held}", said=said.frames, held=count),
    )


def _native_frames(header: Header, said: Layout) -> int:
    assert header.pixel_data is not None
    if header.pixel_data.length is None:
        raise FrameError(say("native pixel data of undefined length"), Reason.UNREADABLE)
    one, whole = said.native_bits, 8 * header.pixel_data.length
    surplus = whole - one * said.frames
    # Trailing padding is common, but more of it means that rows and columns are not the pixels'.
    if one > whole or (surplus > 0 and surplus % one > max(one // 50, 16)):
        raise FrameError(
            say(
                "{whole} bytes of pixel data do not hold frames of {one}",
                whole=header.pixel_data.length,
                one=one // 8,
            ),
            Reason.UNREADABLE,
        )
    return min(8 * header.pixel_data.available, whole) // one
