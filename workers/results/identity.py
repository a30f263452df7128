"""UIDs that follow from what they name, so that the same result always has the same UIDs."""

from __future__ import annotations

from node.identity import device_uid, series_uid, uid

__all__ = [
    "CODING_SCHEME_UID",
    "node_uid",
    "object_uid",
    "series_uid",
    "tracking_uid",
    "weights_uid",
]


def object_uid(result_key: str, kind: str, index: int) -> str:
    """SOP Instance UID of object ``index`` of a kind."""
    return uid("object", result_key, kind, index)


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
