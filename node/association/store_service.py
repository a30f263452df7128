"""C-STORE as the SCP (PS3.4 Annex B): success only for what is durable and on record."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from node.association.archive import Archive
from node.association.commands import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    OUT_OF_RESOURCES,
    Reply,
)
from node.association.services import Answer, Reception, Request
from node.errors import DiskFull, InstanceError, StorageError, TrackingError
from node.storage import Incoming, check_uid, file_meta

_LOG = logging.getLogger(__name__)

OBSTACLES: Mapping[type[Exception], Reply] = {
    DiskFull: Reply(OUT_OF_RESOURCES, "no space left for instances, send again later"),
    TrackingError: Reply(OUT_OF_RESOURCES, "the database cannot record it, send again later"),
    StorageError: Reply(OUT_OF_RESOURCES, "the file cannot be written, send again later"),
    OSError: Reply(OUT_OF_RESOURCES, "the file cannot be written, send again later"),
}
"""What is in the way on this side, and what the sender hears of it: the first that fits."""

_REFUSED: tuple[type[Exception], ...] = (InstanceError, *OBSTACLES)


class StoreService:
    """Serves C-STORE requests of all associations of one process."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __call__(self, request: Request) -> Reception:
        sop_class = request.command.text(AFFECTED_SOP_CLASS_UID)
        sop_instance = request.command.text(AFFECTED_SOP_INSTANCE_UID)
        try:
            check_uid(sop_class, "Affected SOP Class UID")
            check_uid(sop_instance, "Affected SOP Instance UID")
            if not request.command.has_dataset:
                raise InstanceError("the C-STORE request has no data set")
            return _Reception(self._archive, request, sop_class, sop_instance)
        except _REFUSED as error:
            return Answer(_refusal(error, request))


class _Reception:
    """One object on its way to the disk, fragment by fragment."""

    def __init__(
        self, archive: Archive, request: Request, sop_class_uid: str, sop_instance_uid: str
    ) -> None:
        self._archive = archive
        self._request = request
        self._sop_class_uid = sop_class_uid
        self._sop_instance_uid = sop_instance_uid
        self._refusal: Reply | None = None
        self._incoming: Incoming = archive.incoming()
        meta = file_meta.encode(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax,
            calling_ae=request.caller.ae_title,
        )
        self._offset = len(meta)
        self.write(memoryview(meta))

    def write(self, fragment: memoryview) -> None:
        """After a failure the rest is read and dropped: peers look at no reply before the end."""
        if self._refusal is None:
            try:
                self._incoming.write(fragment)
            except _REFUSED as error:
                self._refuse(error)

    def finish(self) -> Reply:
        if self._refusal is None:
            try:
                self._archive.keep(
                    self._incoming,
                    self._offset,
                    sop_class_uid=self._sop_class_uid,
                    sop_instance_uid=self._sop_instance_uid,
                    transfer_syntax_uid=self._request.transfer_syntax,
                    caller=self._request.caller,
                )
            except _REFUSED as error:
                self._refuse(error)
        self._incoming.discard()
        return self._refusal or Reply()

    def abandon(self) -> None:
        self._incoming.discard()

    def _refuse(self, error: Exception) -> None:
        self._refusal = _refusal(error, self._request)
        self._incoming.discard()


def _refusal(error: Exception, request: Request) -> Reply:
    """PS3.4 Table B.2-1: what cannot be understood is the sender's, the rest is to be retried."""
    _LOG.warning(
        "C-STORE of %s from %s refused: %s",
        request.command.text(AFFECTED_SOP_INSTANCE_UID),
        request.caller.ae_title,
        error,
    )
    if isinstance(error, InstanceError):
        return Reply(error.status, str(error))
    return next(reply for kind, reply in OBSTACLES.items() if isinstance(error, kind))
