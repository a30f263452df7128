"""Keeping a received object: placed as a file, recorded as a row, or put aside as a conflict."""

from __future__ import annotations

import logging
from pathlib import Path

from node import tracking
from node.association import header
from node.association.commands import DATASET_DOES_NOT_MATCH
from node.association.header import Header
from node.association.recorder import Recorder
from node.association.services import Caller
from node.errors import InstanceError
from node.storage import Incoming, InstanceStore, check_uid, file_meta

_LOG = logging.getLogger(__name__)


class Archive:
    """The instance files and their records, as the receiver fills them."""

    def __init__(self, store: InstanceStore, db: tracking.Database) -> None:
        self._store = store
        self._db = db
        self._recorder = Recorder(db)

    def incoming(self) -> Incoming:
        return self._store.incoming()

    def keep(
        self,
        incoming: Incoming,
        offset: int,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        caller: Caller,
    ) -> None:
        """Make a whole object durable and commit its row; its data set starts at ``offset``.

        The same content again changes nothing; other content under a UID that was taken is put
        aside and recorded as a conflict. Raises InstanceError when the data set is unusable or
        is not the announced instance, StorageError, TrackingError or OSError when it could not
        be kept: nothing was promised then, and the sender shall send it again.
        """
        found = header.read(incoming, offset, transfer_syntax_uid)
        _check(found, sop_class_uid, sop_instance_uid)
        path, is_new = self._store.place(incoming, found.study_instance_uid, sop_instance_uid)
        if not is_new and not self._store.same_content(self._store.path(path), incoming.path):
            # a killed process may have placed the other file without ever recording it
            self._record_file(self._store.path(path), path)
            on_record = path
        else:
            received = _received(found, path, incoming.size, transfer_syntax_uid, caller)
            on_record = self._recorder.record(received)
            if on_record == path:
                return
            if is_new:
                self._store.path(path).unlink()
        aside = self._store.put_aside(incoming, found.study_instance_uid, sop_instance_uid)
        _LOG.warning(
            "%s came with other content than %s: kept as %s", sop_instance_uid, path, aside
        )
        tracking.instances.record_conflict(
            self._db,
            _received(found, aside, incoming.size, transfer_syntax_uid, caller),
            f"other content than {on_record} under the same SOP Instance UID",
        )

    def _record_file(self, file: Path, path: str) -> None:
        offset, syntax, source = file_meta.read(file)
        with file.open("rb") as opened:
            found = header.read(opened, offset, syntax)
        unknown = Caller(source, "", found.urgent, lambda: None)
        received = _received(found, path, file.stat().st_size, syntax, unknown)
        self._recorder.record(received)


def _check(found: Header, sop_class_uid: str, sop_instance_uid: str) -> None:
    """PS3.4 B.2.3: the data set is what the request announced, and can be filed."""
    for attribute, value, announced in (
        ("SOP Class UID", found.sop_class_uid, sop_class_uid),
        ("SOP Instance UID", found.sop_instance_uid, sop_instance_uid),
    ):
        if value != announced:
            raise InstanceError(
                f"{attribute} {'differs from' if value else 'is missing, unlike in'} the request",
                DATASET_DOES_NOT_MATCH,
            )
    check_uid(found.study_instance_uid, "Study Instance UID")
    check_uid(found.series_instance_uid, "Series Instance UID")


def _received(
    found: Header, path: str, size: int, transfer_syntax_uid: str, caller: Caller
) -> tracking.ReceivedInstance:
    return tracking.ReceivedInstance(
        study_instance_uid=found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        sop_instance_uid=found.sop_instance_uid,
        sop_class_uid=found.sop_class_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        patient_id=found.patient_id,
        modality=found.modality,
        path=path,
        size=size,
        calling_ae=caller.ae_title,
        association_id=caller.association_id(),
        urgent=caller.urgent or found.urgent,
        own_result=found.own_result,
    )
