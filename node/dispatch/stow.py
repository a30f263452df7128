"""Results to a DICOMweb service by STOW-RS, the Store Transaction of PS3.18 10.5.

One object goes with each request, so that every answer is about one object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

from dicomweb_client.web import _load_xml_dataset
from pydicom import Dataset, dcmread
from pydicom.uid import UID
from requests import Response

from node.association.sender import ANSWERS, Alternatives, Sent, unreadable
from node.dispatch.dicomweb import (
    Connection,
    Service,
    Unanswered,
    connected,
    is_passing,
    media_type,
    said,
)
from node.storage import is_uid

_IS_THERE_ALREADY = (0x0111, 0xB00E)
"""Duplicate SOP Instance, and Azure's word for it: under a UID of ours there are the same bytes."""


def send(
    paths: Iterable[Path],
    service: Service,
    *,
    timeout: float,
    alternatives: Alternatives = MappingProxyType({}),
) -> Iterator[Sent]:
    """Store DICOM files (PS3.10) at ``service``, one outcome per file, in order, as they come.

    The contract is that of ``node.association.sender.send``: nothing that a file or the service
    does raises, and after a lost connection the rest are not sent. The files go as they are.
    ``status`` is the Failure Reason or the Warning Reason (PS3.18 Annex I.2), 0 for success, None
    where the service named none. No classes are negotiated: ``instead`` is the first of the
    ``alternatives``. ``timeout``: see ``connected``.
    """
    lost = ""
    with connected(service, timeout) as connection:
        for path in paths:
            item = _describe(path)
            if isinstance(item, Sent):
                yield item
            elif lost:
                yield item.unsent(lost)
            else:
                outcome = _store(connection, item, alternatives)
                lost = outcome.error if outcome.retryable and outcome.status is None else ""
                yield outcome


@dataclass(frozen=True)
class _Object:
    path: Path
    sop_instance_uid: str
    sop_class_uid: str
    content: bytes = field(repr=False)

    def accepted(self, status: int) -> Sent:
        return Sent(self.path, self.sop_instance_uid, status, True, "")

    def refused(self, error: str) -> Sent:
        return Sent(self.path, self.sop_instance_uid, None, False, error)

    def unsent(self, error: str, *, out_of_reach: bool = True) -> Sent:
        return Sent(
            self.path,
            self.sop_instance_uid,
            None,
            False,
            error,
            retryable=True,
            out_of_reach=out_of_reach,
        )


def _describe(path: Path) -> _Object | Sent:
    try:
        content = path.read_bytes()
    except OSError as error:
        return unreadable(path, "", error)
    try:
        header = dcmread(BytesIO(content), specific_tags=["SOPClassUID", "SOPInstanceUID"])
        sop_instance, sop_class = str(header.SOPInstanceUID), str(header.SOPClassUID)
    except Exception as error:  # noqa: BLE001 pydicom raises anything on broken bytes
        return Sent(path, "", None, False, f"this is no DICOM file: {type(error).__name__}")
    if not is_uid(sop_instance):
        return Sent(path, "", None, False, "SOP Instance UID is not a valid UID")
    return _Object(path, sop_instance, sop_class, content)


def _store(connection: Connection, item: _Object, alternatives: Alternatives) -> Sent:
    service = connection.service
    try:
        answer = connection.store(item.content)
    except Unanswered as lost:
        return item.unsent(str(lost), out_of_reach=not lost.begun)
    warning, failure = _reasons(answer, item.sop_instance_uid)
    if failure is not None:
        return _failed(service, item, failure, alternatives)
    if warning is not None and answer.ok:
        return item.accepted(warning)
    if is_passing(answer):
        return item.unsent(f"{service} {said(answer)}")
    if 400 <= answer.status_code < 500:
        return item.refused(f"{service} {said(answer)}")
    unsaid = ", but not what became of the object" if answer.ok else ""
    return item.unsent(f"{service} {said(answer)}{unsaid}", out_of_reach=False)


def _failed(service: Service, item: _Object, reason: int, alternatives: Alternatives) -> Sent:
    if reason in _IS_THERE_ALREADY:
        return item.accepted(reason)
    meant = next((one for one in ANSWERS if reason in one.statuses), None)  # PS3.18 I.2.2
    refused = (item.sop_class_uid,) if meant and meant.refused_class else ()
    what = UID(item.sop_class_uid).name if refused else "the object"
    others = alternatives.get(item.sop_class_uid, ()) if refused else ()
    return Sent(
        item.path,
        item.sop_instance_uid,
        reason or None,
        False,
        f"{service} does not take {what}: failure reason {reason:04X}",
        retryable=meant is not None and meant.retryable,
        refused_classes=refused,
        instead=next(iter(others), ""),
    )


def _reasons(answer: Response, sop_instance_uid: str) -> tuple[int | None, int | None]:
    """Warning Reason and Failure Reason of an object (PS3.18 Annex I, Store Instances Response).

    Each is 0 where the object is listed without one, None where it is not listed, as stored or as
    failed.
    """
    try:
        response = _response(answer)
        return (
            _reason(response, "ReferencedSOPSequence", sop_instance_uid, "WarningReason"),
            _reason(response, "FailedSOPSequence", sop_instance_uid, "FailureReason"),
        )
    except Exception:  # noqa: BLE001 a body can be anything, and so is what parsers raise on it
        return None, None


def _response(answer: Response) -> Dataset:
    if media_type(answer).endswith("xml"):
        return _load_xml_dataset(ElementTree.fromstring(answer.content))
    return Dataset.from_json(answer.json())


def _reason(dataset: Dataset, sequence: str, sop_instance_uid: str, keyword: str) -> int | None:
    for one in dataset.get(sequence) or ():
        if one.ReferencedSOPInstanceUID == sop_instance_uid:
            return int(one.get(keyword) or 0)
    return None
