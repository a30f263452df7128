"""What the verbs take and give: frozen dataclasses, one per table or view of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ReceivedInstance:
    """One stored object as the receiver knows it; ``path`` is relative to the data folder."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    patient_id: str
    modality: str
    path: str
    size: int
    calling_ae: str
    association_id: int | None
    urgent: bool
    own_result: bool


@dataclass(frozen=True)
class Study:
    id: int
    study_instance_uid: str
    state: str
    reason: str
    urgent: bool
    first_instance_at: datetime
    last_instance_at: datetime
    instances: int
    conflicts: int
    runs: int
    last_run_state: str | None


@dataclass(frozen=True)
class Instance:
    id: int
    study_id: int
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    path: str
    size: int
    calling_ae: str
    own_result: bool
    received_at: datetime


@dataclass(frozen=True)
class Conflict:
    id: int
    study_instance_uid: str
    sop_instance_uid: str
    path: str
    calling_ae: str
    reason: str
    received_at: datetime


@dataclass(frozen=True)
class Run:
    id: int
    study_instance_uid: str
    state: str
    cause: str
    urgent: bool
    attempts: int
    created_at: datetime
    published_at: datetime | None
    worker: str | None
    lease_until: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    result_key: str | None
    snapshot: dict[str, Any] | None
    timings: dict[str, float] | None


@dataclass(frozen=True)
class NewPrompt:
    """What an operator points at in a stored frame.

    frame : from 1. kind : 'point' or 'box' for a lesion to be outlined, 'hepatorenal' for a pair
    of regions to be compared. coordinates : x, y of each click in the one lesion, of the box's
    upper left and lower right corner, or of the middles in liver and kidney; pixels of the whole
    stored frame, whose whole numbers are the middles of pixels, the first 0.
    """

    sop_instance_uid: str
    frame: int
    kind: str
    coordinates: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Prompt(NewPrompt):
    """One on record; ``taken_back_at`` None: it takes part in every run of its study."""

    id: int
    created_at: datetime
    taken_back_at: datetime | None


@dataclass(frozen=True)
class Claim:
    """A run that this worker holds until ``lease_until``, and what it must read.

    ``prompts`` are all that the study ever had, in the order in which they came; ``clinical`` are
    the factors that hold now.
    """

    run_id: int
    study_id: int
    study_instance_uid: str
    urgent: bool
    attempt: int
    created_at: datetime
    lease_until: datetime
    worker: str
    instances: tuple[Instance, ...]
    prompts: tuple[Prompt, ...]
    clinical: tuple[ClinicalFactor, ...]


REJECTION_NOTE = "rejection"
"""The kind of result that puts away earlier versions."""


@dataclass(frozen=True)
class NewResult:
    """A result object that lies in storage and waits to be recorded. ``sha256``: of its file."""

    kind: str
    sop_class_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    path: str
    size: int
    sha256: str = ""


@dataclass(frozen=True)
class Result:
    """``sha256``: of the file as it was made; empty in records from before there was any."""

    id: int
    study_instance_uid: str
    run_id: int
    result_key: str
    version: int
    kind: str
    sop_class_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    path: str
    size: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True)
class Delivery:
    """``made_as``: the SOP Class UID that the result was made in. Class, instance and path are
    those of what is sent: an older form, where the destination does not take that class.
    ``confirmed_by``: 'commitment' or 'query'; empty while nothing proves that it was kept.
    ``confirm_at``: when that is asked; None before it is sent, and when it is asked no more."""

    id: int
    study_instance_uid: str
    run_id: int
    result_id: int
    kind: str
    made_as: str
    sop_class_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    path: str
    destination: str
    state: str
    attempts: int
    failures: int
    next_attempt_at: datetime
    last_status: int | None
    last_error: str
    sent_at: datetime | None
    confirm_at: datetime | None
    confirm_tries: int
    transaction_uid: str | None
    confirmed_at: datetime | None
    confirmed_by: str


@dataclass(frozen=True)
class Dialect:
    """Whether a destination takes a SOP class, and since when that is known."""

    destination: str
    sop_class_uid: str
    taken: bool
    learned_at: datetime


@dataclass(frozen=True)
class ClinicalFactor:
    """A factor of ``models.factors.ENTERED``, and which of its answers somebody gave."""

    name: str
    answer: str


@dataclass(frozen=True)
class AuditEntry:
    at: datetime
    actor: str
    action: str
    study_instance_uid: str | None
    detail: str
