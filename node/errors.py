"""Every error that hepanode raises on purpose.

HepanodeError
├── SettingsError          a configuration key or value is wrong
├── StorageError           an instance file cannot be kept or read
│   └── DiskFull           less space is free than the configured floor
├── InstanceError          a received object cannot be used (PS3.4 B.2.3: 0xA9xx, 0xCxxx)
├── TrackingError          the database cannot do what was asked
│   └── NotFound           no such study, run or delivery
├── BrokerError            the broker does not take a message
├── AssociationError       a peer cannot be reached or refuses
├── FrameError             a frame cannot be decoded or judged
└── ResultError            a result object cannot be built

Texts are for the operator: what happened, to which study, what to do. They never hold a
patient's name or ID.
"""


class HepanodeError(Exception):
    """Base class: catch this to catch everything that the node raises on purpose."""


class SettingsError(HepanodeError):
    """A configuration key or value is wrong; the text names key, value and what is allowed."""


class StorageError(HepanodeError):
    """An instance file cannot be written or read."""


class DiskFull(StorageError):
    """Free space is under the configured floor; nothing more is accepted."""


class InstanceError(HepanodeError):
    """A received object is unusable.

    ``status`` is the C-STORE status to answer with (PS3.4 Table B.2-1): 0xA900 when the data
    set does not match its SOP class, 0xC000 when it cannot be understood.
    """

    def __init__(self, message: str, status: int = 0xC000) -> None:
        super().__init__(message)
        self.status = status


class TrackingError(HepanodeError):
    """The database refused or cannot be reached, or its schema is not the expected one."""


class NotFound(TrackingError):
    """There is no study, run, result or delivery of that name."""


class BrokerError(HepanodeError):
    """The broker cannot be reached or refuses a message; the dispatcher tries again."""


class AssociationError(HepanodeError):
    """A peer cannot be reached, rejects the association or refuses every context."""


class NothingAccepted(AssociationError):
    """A peer rejects the association for good and names no reason: so do some that take none of
    the contexts."""


class FrameError(HepanodeError):
    """A frame cannot be decoded; ``reason`` is a word of ``workers.findings.Reason``."""

    def __init__(self, message: str, reason: str = "undecodable") -> None:
        super().__init__(message)
        self.reason = reason


class ResultError(HepanodeError):
    """A result object cannot be built from these findings."""
