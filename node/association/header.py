"""The few attributes of a received data set that the node needs, read without its pixels."""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Protocol

from pydicom.charset import python_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from node.errors import InstanceError
from node.identity import is_own

_DEFLATED = {  # PS3.5 A.5, A.7 and A.13: the whole data set is deflated
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.95",
    "1.2.840.10008.1.2.4.205",
}
_MOST_INFLATED = 2**20  # bytes of a deflated data set that are looked at: it may be a bomb
_LAST = 0x00401003  # Requested Procedure Priority, the highest tag of interest
_TAGS: list[BaseTag | int] = [
    0x00080005,  # Specific Character Set
    0x00080016,  # SOP Class UID
    0x00080018,  # SOP Instance UID
    0x00080060,  # Modality
    0x00080070,  # Manufacturer
    0x00081090,  # Manufacturer's Model Name
    0x00100020,  # Patient ID
    0x00181002,  # Device UID
    0x0018A001,  # Contributing Equipment Sequence
    0x0020000D,  # Study Instance UID
    0x0020000E,  # Series Instance UID
    0x00400275,  # Request Attributes Sequence
    _LAST,
]


@dataclass(frozen=True)
class Header:
    """Values as text without padding; empty when they are missing."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    modality: str
    patient_id: str
    urgent: bool
    own_result: bool


class _Descriptor(Protocol):
    def fileno(self) -> int: ...


def read(file: _Descriptor, offset: int, transfer_syntax_uid: str) -> Header:
    """The header of the data set that starts at ``offset``.

    Private and unknown syntaxes are taken as explicit VR little endian; elements without a VR
    are read as implicit, which a vendor's syntax may be.
    Raises InstanceError (0xC000) when the data set cannot be walked up to what is needed.
    """
    try:
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            source: BinaryIO
            if transfer_syntax_uid in _DEFLATED:
                source = BytesIO(
                    zlib.decompressobj(-15).decompress(mapped[offset:], _MOST_INFLATED)
                )
            else:
                mapped.seek(offset)
                source = mapped  # type: ignore[assignment]
            dataset = _elements(source, transfer_syntax_uid)
            return _header(dataset)
    except _UNREADABLE as error:
        raise InstanceError(f"the data set cannot be read: {error}") from error


_UNREADABLE = (
    # what pydicom and mmap raise on bytes that are no data set
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    AttributeError,
    NotImplementedError,
    RecursionError,
    struct.error,
    zlib.error,
)


def _elements(source: BinaryIO, transfer_syntax_uid: str) -> Dataset:
    elements = data_element_generator(
        source,
        is_implicit_VR=transfer_syntax_uid == ImplicitVRLittleEndian,
        is_little_endian=transfer_syntax_uid != ExplicitVRBigEndian,
        stop_when=lambda tag, vr, length: tag > _LAST,
        specific_tags=_TAGS,
    )
    dataset = Dataset()
    for element in elements:
        if isinstance(element, RawDataElement) and len(element.value or b"") < element.length:
            raise EOFError(f"it ends inside {element.tag}")  # half a UID may look like a whole one
        dataset[element.tag] = element
    return dataset


def _header(dataset: Dataset) -> Header:
    return Header(
        sop_class_uid=_text(dataset, 0x00080016),
        sop_instance_uid=_text(dataset, 0x00080018),
        study_instance_uid=_text(dataset, 0x0020000D),
        series_instance_uid=_text(dataset, 0x0020000E),
        modality=_text(dataset, 0x00080060),
        patient_id=_patient_id(dataset),
        urgent=_is_urgent(dataset),
        own_result=is_own(dataset),
    )


def _raw(dataset: Dataset, tag: int) -> bytes:
    """The value as it came: pydicom would convert, check and warn, for every object."""
    element = dataset.get_item(tag)
    value = element.value if element is not None else b""
    return value if isinstance(value, bytes) else b""


def _text(dataset: Dataset, tag: int) -> str:
    return _raw(dataset, tag).decode("ascii", "replace").strip("\0 ")


def _patient_id(dataset: Dataset) -> str:
    """Patient ID in its character set, or as Latin-1 when that is not known.

    Without NUL, which PostgreSQL refuses in text.
    """
    codec = python_encoding.get(_text(dataset, 0x00080005), "latin-1")
    return _raw(dataset, 0x00100020).decode(codec, "replace").replace("\0", "").strip()


def _is_urgent(dataset: Dataset) -> bool:
    """Requested Procedure Priority STAT or HIGH, here or in the request attributes."""
    requests = dataset.get(0x00400275)
    items = (dataset, *(requests.value if requests is not None else ()))
    return any(_text(item, _LAST) in ("STAT", "HIGH") for item in items)
