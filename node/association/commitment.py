"""Storage commitment (PS3.4 Annex J): asking a PACS to answer for what it was sent.

The answer comes in the same association or in a later one that the PACS opens to the receiver.
These messages are few and small, so that pynetdicom's own association carries them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association

from node.association.contexts import STORAGE_COMMITMENT
from node.association.peer import Peer
from node.errors import AssociationError, NothingAccepted
from node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")  # Study Root Query/Retrieve Information Model
_PUSH_MODEL_INSTANCE = UID("1.2.840.10008.1.20.1.1")  # well-known, PS3.4 J.3.2
_REQUEST = 1  # PS3.4 Table J.3-1, Action Type ID
HOLD_SECONDS = 2.0  # how long an answer in the same association is waited for


class ServiceRefused(AssociationError):
    """The peer has the service, and refuses a request of this node; by breaking the association
    off, as Orthanc does with whom it does not know, or by a status."""


@dataclass(frozen=True)
class Stored:
    """An object that the peer has answered with success."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class Commitment:
    """What a peer answers for. failed : the Failure Reason (PS3.3 C.14.1.1) by SOP Instance UID."""

    transaction_uid: str
    committed: tuple[str, ...]
    failed: Mapping[str, int]


def read_answer(report: Dataset) -> Commitment:
    """The data set of an N-EVENT-REPORT (PS3.4 J.3.3.1); what is missing commits to nothing."""
    failed = {}
    for item in report.get("FailedSOPSequence", None) or ():
        reason = item.get("FailureReason", None)
        failed[str(item.get("ReferencedSOPInstanceUID", ""))] = int(reason or 0x0110)
    committed = tuple(
        uid
        for item in report.get("ReferencedSOPSequence", None) or ()
        if (uid := str(item.get("ReferencedSOPInstanceUID", ""))) and uid not in failed
    )
    return Commitment(str(report.get("TransactionUID", "")), committed, failed)


def request(
    peer: Peer,
    objects: Sequence[Stored],
    transaction_uid: str,
    answered: Callable[[Commitment], bool],
    *,
    calling_ae: str,
    timeout: float,
) -> None:
    """Ask ``peer`` to commit itself to ``objects``.

    answered : takes an answer that comes in this association; whether its transaction is known.
    Raises NothingAccepted when the peer has no storage commitment, ServiceRefused when it has
    and will not answer this node, and AssociationError when it cannot be reached.
    """
    heard: list[bool] = []

    def report(event: evt.Event) -> tuple[int, Dataset | None]:
        known = answered(read_answer(event.event_information))
        heard.append(known)
        return (0x0000 if known else 0x0115), None

    handlers = [(evt.EVT_N_EVENT_REPORT, report)]
    association = _associate(peer, STORAGE_COMMITMENT, calling_ae, timeout, handlers)
    try:
        asked = Dataset()
        asked.TransactionUID = transaction_uid
        asked.ReferencedSOPSequence = [_reference(one) for one in objects]
        status, _ = association.send_n_action(
            asked, _REQUEST, STORAGE_COMMITMENT, _PUSH_MODEL_INSTANCE
        )
        if "Status" not in status:
            raise ServiceRefused(f"{peer} does not answer the request for storage commitment")
        if status.Status:
            raise ServiceRefused(
                f"{peer} answers the request for storage commitment with status {status.Status:04X}"
            )
        deadline = time.monotonic() + HOLD_SECONDS
        while not heard and association.is_established and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        _end(association)


def find(
    peer: Peer, objects: Sequence[Stored], *, calling_ae: str, timeout: float
) -> frozenset[str]:
    """The SOP Instance UIDs of those ``objects`` that a C-FIND at image level shows (PS3.4 C.6.2).

    Raises NothingAccepted when the peer has no such query, ServiceRefused when it has and does not
    answer it, and AssociationError when it cannot be reached.
    """
    association = _associate(peer, FIND, calling_ae, timeout, [])
    try:
        return frozenset(one.sop_instance_uid for one in objects if _shows(association, peer, one))
    finally:
        _end(association)


def _shows(association: Association, peer: Peer, one: Stored) -> bool:
    keys = Dataset()
    keys.QueryRetrieveLevel = "IMAGE"
    keys.StudyInstanceUID = one.study_instance_uid
    keys.SeriesInstanceUID = one.series_instance_uid
    keys.SOPInstanceUID = one.sop_instance_uid
    shown = False
    for status, answer in association.send_c_find(keys, FIND):
        if "Status" not in status:
            raise ServiceRefused(f"{peer} does not answer a C-FIND")
        if status.Status in (0xFF00, 0xFF01):
            shown |= answer is not None and answer.get("SOPInstanceUID") == one.sop_instance_uid
        elif status.Status:
            raise ServiceRefused(f"{peer} answers a C-FIND with status {status.Status:04X}")
    return shown


def _reference(one: Stored) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = one.sop_class_uid
    item.ReferencedSOPInstanceUID = one.sop_instance_uid
    return item


def _associate(
    peer: Peer,
    sop_class_uid: UID,
    calling_ae: str,
    timeout: float,
    handlers: Sequence[evt.EventHandlerType],
) -> Association:
    ae = AE(calling_ae)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = timeout
    ae.add_requested_context(sop_class_uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    association = ae.associate(
        peer.host, peer.port, ae_title=peer.ae_title, evt_handlers=list(handlers)
    )
    if association.is_established:
        return association
    if association.is_rejected:
        answer = association.acceptor.primitive
        if answer is None or (answer.result_source, answer.diagnostic) == (1, 1):
            raise NothingAccepted(f"{peer} rejects the association")
        raise AssociationError(f"{peer} rejects the association")
    # pynetdicom aborts by itself when no context is accepted
    if association.acceptor.primitive is not None and not association.accepted_contexts:
        raise NothingAccepted(f"{peer} does not take {ae.requested_contexts[0].abstract_syntax}")
    raise AssociationError(f"{peer} cannot be reached")


def _end(association: Association) -> None:
    if association.is_established:
        association.release()
    else:
        association.abort()
