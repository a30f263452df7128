"""A result as the bytes of a DICOM file.

pydicom writes every element, but items of sequences that say the same are written once: in a report
codes, names of models and statements stand at hundreds of places. With ``pydicom.dcmwrite``, which
gives the same bytes, a report takes four times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack

from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr, write_data_element, write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian

from node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from workers.results.objects import ResultObject

_PREAMBLE = b"\0" * 128 + b"DICM"

_Known = dict[tuple[object, ...], bytes]
"""Items as they were written, by what their elements say."""


def encode(result: ResultObject) -> bytes:
    """The object as a DICOM file (PS3.10), explicit VR little endian; the same each time."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    meta.MediaStorageSOPClassUID = UID(result.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(result.sop_instance_uid)
    result.dataset.file_meta = meta
    dataset = correct_ambiguous_vr(result.dataset, is_little_endian=True)
    charset = dataset.get("SpecificCharacterSet", default_encoding)
    file = _explicit_little_endian()
    file.write(_PREAMBLE)
    write_file_meta_info(file, meta)
    for element in _elements(dataset, charset, {}):
        write_data_element(file, element, charset)
    return file.getvalue()


def _elements(
    dataset: Dataset, charset: str | list[str], known: _Known
) -> Iterator[DataElement | RawDataElement]:
    """In the order of their tags; sequences are written already."""
    for element in dataset:
        if element.VR == "SQ":
            items = b"".join([_item(one, charset, known) for one in element.value])
            yield RawDataElement(element.tag, "SQ", len(items), items, 0, False, True)
        else:
            yield element


def _item(dataset: Dataset, charset: str | list[str], known: _Known) -> bytes:
    """An item of a sequence, with its tag and length (PS3.5 7.5)."""
    elements = list(_elements(dataset, charset, known))
    said = tuple(
        (one.tag, one.VR, one.value if one.is_raw else repr(one.value)) for one in elements
    )
    if said not in known:
        written = _explicit_little_endian()
        for element in elements:
            write_data_element(written, element, charset)
        content = written.getvalue()
        known[said] = pack("<HHL", 0xFFFE, 0xE000, len(content)) + content
    return known[said]


def _explicit_little_endian() -> DicomBytesIO:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = False, True
    return stream
