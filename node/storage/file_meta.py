"""File Meta Information (PS3.10 7.1) before a data set that is kept byte for byte."""

from __future__ import annotations

import struct
from pathlib import Path

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from node.errors import StorageError
from node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_PREAMBLE = b"\0" * 128 + b"DICM"
_GROUP_LENGTH = struct.Struct("<HH2sHI")  # (0002,0000) UL, explicit VR little endian
_ELEMENT = struct.Struct("<HH2sH")
_VERSION = struct.pack("<HH2sHI2s", 2, 1, b"OB", 0, 2, b"\0\1")


def encode(
    *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, calling_ae: str = ""
) -> bytes:
    """Preamble, prefix and group 0002 of a file that this node writes.

    pydicom's writer needs 0.3 ms of CPU for the same bytes, a tenth of what a whole object takes.
    """
    group = _VERSION + b"".join(
        _element(number, vr, value)
        for number, vr, value in (
            (0x0002, b"UI", sop_class_uid),
            (0x0003, b"UI", sop_instance_uid),
            (0x0010, b"UI", transfer_syntax_uid),
            (0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            (0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            (0x0016, b"AE", calling_ae),
        )
        if value
    )
    return _PREAMBLE + _GROUP_LENGTH.pack(2, 0, b"UL", 4, len(group)) + group


def _element(number: int, vr: bytes, value: str) -> bytes:
    raw = value.encode("ascii")
    if len(raw) % 2:
        raw += b"\0" if vr == b"UI" else b" "
    return _ELEMENT.pack(2, number, vr, len(raw)) + raw


def read(path: Path) -> tuple[int, str, str]:
    """Offset of the data set, Transfer Syntax UID and Source AE title of a file of this node.

    Raises StorageError when it is no DICOM file, or was written without a group length.
    """
    try:
        meta = read_file_meta_info(path)
        offset = len(_PREAMBLE) + _GROUP_LENGTH.size + int(meta.FileMetaInformationGroupLength)
        source = str(meta.get("SourceApplicationEntityTitle", ""))
        return offset, str(meta.TransferSyntaxUID), source
    except (OSError, InvalidDicomError, AttributeError) as error:
        raise StorageError(f"{path} cannot be read as a DICOM file: {error}") from error
