"""N-EVENT-REPORT as the SCU of storage commitment (PS3.4 J.3.3): answers that a PACS sends in an
association of its own, to whichever receiver process takes it."""

from __future__ import annotations

import logging
from io import BytesIO

from pydicom.uid import UID
from pynetdicom.dsutils import decode

from node.association.commands import INVALID_ARGUMENT, OUT_OF_RESOURCES, PROCESSING_FAILURE, Reply
from node.association.commitment import Commitment, read_answer
from node.association.contexts import STORAGE_COMMITMENT
from node.association.services import Answer, Reception, Request, unrecognized
from node.errors import TrackingError
from node.tracking import Database, confirmations

_LOG = logging.getLogger(__name__)
_LARGEST = 2**22  # bytes of an answer: some ten thousand objects


class CommitmentService:
    """Serves N-EVENT-REPORT requests of all associations of one process."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __call__(self, request: Request) -> Reception:
        if request.abstract_syntax != STORAGE_COMMITMENT:
            return unrecognized(request)
        if not request.command.has_dataset:
            return Answer(Reply(INVALID_ARGUMENT, "the event report has no data set"))
        return _Reception(self._db, request)


class _Reception:
    """One answer that is coming in."""

    def __init__(self, db: Database, request: Request) -> None:
        self._db = db
        self._request = request
        self._encoded = BytesIO()

    def write(self, fragment: memoryview) -> None:
        if self._encoded.tell() <= _LARGEST:
            self._encoded.write(fragment)

    def finish(self) -> Reply:
        if self._encoded.tell() > _LARGEST:
            return Reply(OUT_OF_RESOURCES, "the event report is too large")
        syntax = UID(self._request.transfer_syntax)
        try:
            report = decode(self._encoded, syntax.is_implicit_VR, syntax.is_little_endian)
            answer = read_answer(report)
        except Exception:  # noqa: BLE001 pydicom raises anything on broken bytes
            return Reply(PROCESSING_FAILURE, "the event report cannot be read")
        try:
            known = record(self._db, answer)
        except TrackingError as error:
            _LOG.warning("an answer to a storage commitment is not recorded: %s", error)
            return Reply(PROCESSING_FAILURE, "the database cannot record it, send it again later")
        if not known:
            return Reply(INVALID_ARGUMENT, "no such transaction was asked for, or it was long ago")
        return Reply()

    def abandon(self) -> None:
        pass


def record(db: Database, answer: Commitment) -> bool:
    """Record the answer to a storage commitment; whether it was asked for.

    Raises TrackingError when the database cannot.
    """
    asked = confirmations.answered(db, answer.transaction_uid, answer.committed, answer.failed)
    for one in asked:
        if one.sop_instance_uid in answer.failed:
            _LOG.warning(
                "%s of study %s at %s: %s",
                one.kind,
                one.study_instance_uid,
                one.destination,
                one.last_error,
            )
    return bool(asked)
