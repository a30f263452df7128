"""Instance files: where they lie, and how they get there whole."""

from node.storage.incoming import Incoming
from node.storage.store import InstanceStore
from node.storage.uids import check_uid, is_uid, is_valid_uid

__all__ = ["Incoming", "InstanceStore", "check_uid", "is_uid", "is_valid_uid"]
