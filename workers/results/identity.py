"""UIDs that follow from what they name, so that the same result always has the same UIDs.

PS3.5 B.2: 2.25 and a UUID as one decimal number, here a version 8 UUID (RFC 9562) cut from a
SHA-256; at most 44 characters.
"""

from __future__ import annotations

import hashlib

from node.identity import device_uid


def uid(*name: str | int) -> str:
    """The UID of ``name``; every part counts, and its place."""
    text = "\0".join(["hepanode", *(str(part) for part in name)])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])
    number = number & ~(0xF << 76) | 0x8 << 76  # version 8
    number = number & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
    return f"2.25.{number}"


def object_uid(result_key: str, kind: str, index: int) -> str:
    """SOP Instance UID of object ``index`` of a kind."""
    return uid("object", result_key, kind, index)


def series_uid(first_object_uid: str) -> str:
    """The series that an object opens.

    It follows from the SOP Instance UID alone, so that a new report can name the series of its
    predecessor (Predecessor Documents Sequence) without having been told.
    """
    return uid("series", first_object_uid)


def tracking_uid(result_key: str, tracking_id: str) -> str:
    """Tracking Unique Identifier of a lesion, the same in every frame that shows it."""
    return uid("tracking", result_key, tracking_id)


def weights_uid(digest: str) -> str:
    """Device UID of an algorithm: the same weights are the same device on every node."""
    return device_uid("weights", digest)


def node_uid(serial: str) -> str:
    """Device UID of the node itself."""
    return device_uid("node", serial)


CODING_SCHEME_UID = uid("coding scheme", "99HEPANODE")
