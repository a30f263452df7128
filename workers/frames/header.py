"""What a stored file says of itself, read without its pixels."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from node.errors import FrameError
from workers.findings import Reason
from workers.frames.stored import InstanceFile, storage_errors
from workers.messages import say

BAD_CONTENT = (
    InvalidDicomError,
    BytesLengthException,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    EOFError,
    OSError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What pydicom and the codecs raise on bytes that are not what they claim to be.

The file's own errors are none of these (``InstanceFile``), nor is a lack of memory.
"""

TAGS = (
    *("SpecificCharacterSet", "SOPClassUID", "Modality", "SeriesInstanceUID", "InstanceNumber"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction"),
    *("RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData"),
    *("GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData"),
    *("BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData"),
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    *("SequenceOfUltrasoundRegions", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *("ViewCodeSequence", "ViewName", "AnatomicRegionSequence", "ImageComments"),
    *("PrimaryAnatomicStructureSequence", "AcquisitionDeviceProcessingDescription"),
    *("AcquisitionProtocolName", "AcquisitionComments", "SeriesDescription", "ProtocolName"),
    *("PerformedProcedureStepDescription", "RequestedProcedureDescription", "StageName"),
)
"""The elements that this room reads; the others, vendors' raw volumes too, are skipped over."""

_SPECIFIC = tuple(Tag(keyword) for keyword in TAGS)
_META_BYTES = 2048
_PIXEL_DATA = (0x7FE0, 0x0010)
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class PixelData:
    """Where the value of Pixel Data lies.

    length : as the element says, None when encapsulated; available : bytes until the file's end
    """

    start: int
    length: int | None
    available: int
    vr: str


@dataclass(frozen=True)
class Header:
    """The elements of ``TAGS`` and what lies behind them."""

    dataset: Dataset
    transfer_syntax: str
    sop_class_uid: str
    series_instance_uid: str
    instance_number: int
    modality: str
    pixel_data: PixelData | None


@contextmanager
def opened(path: Path, limit: int) -> Iterator[tuple[Header, BinaryIO]]:
    """The header of a DICOM file, and the stream in which its Pixel Data lies.

    limit : bytes that a deflated data set may inflate to

    Raises StorageError when the file cannot be opened or read, FrameError when it is not a usable
    one.
    """
    with InstanceFile(path) as stream:
        header, inner = _parse(path, stream, limit)
        with inner:
            yield header, inner


@contextmanager
def quiet() -> Iterator[None]:
    """Without pydicom's warnings: what they tell of is judged here, or harmless."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def value(dataset: Dataset, keyword: str) -> Any:
    """An element's value; None where it is absent, empty or cannot be understood."""
    try:
        found = dataset.get(keyword)
    except BAD_CONTENT:
        return None
    return None if found is None or found == "" else found


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value of an element as a finite number, else None."""
    found = value(dataset, keyword)
    if not isinstance(found, str | bytes) and hasattr(found, "__getitem__"):
        found = found[0] if len(found) else None
    try:
        parsed = float(found)
    except (TypeError, ValueError):
        return None
    return parsed if abs(parsed) < float("inf") else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """The first value of an element as an integer, else None."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found == int(found) else None


def _parse(path: Path, stream: BinaryIO, limit: int) -> tuple[Header, BinaryIO]:
    with quiet():
        try:
            stream = _inflated(path, stream, limit)
            dataset = dcmread(stream, stop_before_pixels=True, specific_tags=list(_SPECIFIC))
            pixel_data = _pixel_data(stream, dataset)
            syntax = value(dataset.file_meta, "TransferSyntaxUID")
        except BAD_CONTENT as error:
            # Messages of pydicom may quote values, and so the patient: only the kind is kept.
            words = say("the header is not valid DICOM ({error})", error=type(error).__name__)
            raise FrameError(words, Reason.UNREADABLE) from error
        if not syntax:
            raise FrameError(say("the file names no transfer syntax"), Reason.UNREADABLE)
        header = Header(
            dataset=dataset,
            transfer_syntax=str(syntax),
            sop_class_uid=str(
                value(dataset, "SOPClassUID") or value(dataset.file_meta, "MediaStorageSOPClassUID")
            ),
            series_instance_uid=str(value(dataset, "SeriesInstanceUID") or ""),
            instance_number=integer(dataset, "InstanceNumber") or 0,
            modality=str(value(dataset, "Modality") or ""),
            pixel_data=pixel_data,
        )
    return header, stream


def _inflated(path: Path, stream: BinaryIO, limit: int) -> BinaryIO:
    """The stream itself, or for a deflated data set (PS3.5 A.5) a plain one in memory."""
    might_be = str(DeflatedExplicitVRLittleEndian).encode() in stream.read(_META_BYTES)
    stream.seek(0)
    if not might_be:
        return stream
    with storage_errors(path):
        meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return stream
    # Preamble and prefix, then the group length element, then what it counts (PS3.10 7.1).
    head = stream.read(132 + 12 + meta.FileMetaInformationGroupLength)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(stream.read(), limit)
    if inflater.unconsumed_tail:
        raise FrameError(say("the inflated data set exceeds the limit"), Reason.TOO_LARGE)
    # Same length, so the group length of the file meta stays true: the UID is padded with a null.
    old = str(DeflatedExplicitVRLittleEndian).encode()
    plain = str(ExplicitVRLittleEndian).encode().ljust(len(old), b"\0")
    return io.BytesIO(head.replace(old, plain) + body)


def _pixel_data(stream: BinaryIO, dataset: Dataset) -> PixelData | None:
    """Reads the element header at the stream's position, where ``dcmread`` stopped."""
    order = "<" if dataset.original_encoding[1] else ">"
    at = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(at)
    head = stream.read(12)
    # Some files are implicit under an explicit syntax: the bytes themselves tell.
    explicit = head[4:6] in (b"OB", b"OW", b"UN")
    head = head if explicit else head[:8]
    if len(head) < 8 or struct.unpack(order + "HH", head[:4]) != _PIXEL_DATA:
        return None
    (length,) = struct.unpack(order + "L", head[-4:])
    return PixelData(
        start=at + len(head),
        length=None if length == _UNDEFINED else length,
        available=size - at - len(head),
        vr=head[4:6].decode("ascii") if explicit else "OW",
    )
