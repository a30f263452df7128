"""Command sets (PS3.7 6.3.1): flat, implicit VR little endian, a dozen known elements."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

_ELEMENT = struct.Struct("<HHI")

C_STORE_RQ = 0x0001
C_ECHO_RQ = 0x0030
N_EVENT_REPORT_RQ = 0x0100
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000  # a response's Command Field is its request's with this bit
NO_DATASET = 0x0101

GROUP_LENGTH = 0x0000
AFFECTED_SOP_CLASS_UID = 0x0002
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_RESPONDED_TO = 0x0120
PRIORITY = 0x0700
DATASET_TYPE = 0x0800
STATUS = 0x0900
ERROR_COMMENT = 0x0902
AFFECTED_SOP_INSTANCE_UID = 0x1000
EVENT_TYPE_ID = 0x1002

# PS3.7 Annex C and PS3.4 Table B.2-1
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
INVALID_ARGUMENT = 0x0115
UNRECOGNIZED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700
DATASET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

MEANING: Mapping[int, str] = {
    SUCCESS: "C-ECHO: the node is there. C-STORE: the object is on disk and on record; also when "
    "it was before. Other content under a UID that was taken is kept beside it and shown. "
    "N-EVENT-REPORT: the answer is on record.",
    OUT_OF_RESOURCES: "C-STORE: the object was not kept for a reason that passes; send it again. "
    "N-EVENT-REPORT: the answer is too large.",
    DATASET_DOES_NOT_MATCH: "SOP Class or Instance UID of the data set is missing or not that of "
    "the request.",
    CANNOT_UNDERSTAND: "A UID that the object is filed by is missing or malformed, or the data set "
    "cannot be read that far.",
    UNRECOGNIZED_OPERATION: "The service is none of those that the node offers.",
    INVALID_ARGUMENT: "N-EVENT-REPORT: nobody asked for this transaction, or there is no data set.",
    PROCESSING_FAILURE: "N-EVENT-REPORT: the answer cannot be read or recorded. Else an error that "
    "nobody foresaw; the node's log has it.",
}
"""When the node answers with a status. It gives no other."""


class CommandError(ValueError):
    """The bytes are no command set."""


@dataclass(frozen=True)
class Reply:
    """A response's status and, for a failure, what to tell the sender (64 characters go out)."""

    status: int = SUCCESS
    comment: str = ""


@dataclass(frozen=True)
class Command:
    """The elements of group 0000 of one message, by element number, values as they came."""

    elements: dict[int, bytes]

    @classmethod
    def decode(cls, data: bytes) -> Command:
        """Raises CommandError when ``data`` is not a sequence of elements of group 0000."""
        elements: dict[int, bytes] = {}
        position = 0
        while position < len(data):
            if len(data) - position < _ELEMENT.size:
                raise CommandError("the command set ends inside an element")
            group, element, length = _ELEMENT.unpack_from(data, position)
            position += _ELEMENT.size
            if group != 0 or length > len(data) - position:
                raise CommandError("the command set holds what is no command element")
            elements[element] = data[position : position + length]
            position += length
        return cls(elements)

    def number(self, element: int) -> int:
        """A US value; raises CommandError when it is missing."""
        value = self.elements.get(element, b"")
        if len(value) != 2:
            raise CommandError(f"the command set has no (0000,{element:04X})")
        return int.from_bytes(value, "little")

    def text(self, element: int) -> str:
        """A UI or AE value without its padding; empty when it is missing."""
        return self.elements.get(element, b"").decode("ascii", "replace").strip("\0 ")

    @property
    def field(self) -> int:
        return self.number(COMMAND_FIELD)

    @property
    def has_dataset(self) -> bool:
        return self.number(DATASET_TYPE) != NO_DATASET

    def response(self, reply: Reply) -> bytes:
        """The encoded response: the request's UIDs again, status and comment."""
        answer = {
            AFFECTED_SOP_CLASS_UID: self.elements.get(AFFECTED_SOP_CLASS_UID, b""),
            COMMAND_FIELD: encode_number(self.field | RESPONSE),
            MESSAGE_ID_RESPONDED_TO: encode_number(self.number(MESSAGE_ID)),
            DATASET_TYPE: encode_number(NO_DATASET),
            STATUS: encode_number(reply.status),
            ERROR_COMMENT: encode_text(reply.comment[:64]),
            AFFECTED_SOP_INSTANCE_UID: self.elements.get(AFFECTED_SOP_INSTANCE_UID, b""),
            EVENT_TYPE_ID: self.elements.get(EVENT_TYPE_ID, b""),
        }
        return encode({element: value for element, value in answer.items() if value})


def encode(elements: dict[int, bytes]) -> bytes:
    """Elements in ascending order, behind their group length."""
    body = b"".join(
        _ELEMENT.pack(0, element, len(value)) + value for element, value in sorted(elements.items())
    )
    return _ELEMENT.pack(0, GROUP_LENGTH, 4) + struct.pack("<I", len(body)) + body


def encode_number(value: int) -> bytes:
    """A US value."""
    return value.to_bytes(2, "little")


def encode_text(value: str, padding: bytes = b" ") -> bytes:
    """A text value of even length; UIDs are padded with NUL."""
    raw = value.encode("ascii", "replace")
    return raw + padding * (len(raw) % 2)
