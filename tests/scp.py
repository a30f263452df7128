"""A PACS of our own, for what Orthanc does not do on demand: refuse, be slow, run out of space."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    ColorSoftcopyPresentationStateStorage,
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from tests.peers import free_port

CAPTURES = (SecondaryCaptureImageStorage, MultiFrameTrueColorSecondaryCaptureImageStorage)
REPORTS = (Comprehensive3DSRStorage,)
OTHERS = (
    SegmentationStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    ColorSoftcopyPresentationStateStorage,
    EncapsulatedPDFStorage,
    KeyObjectSelectionDocumentStorage,
)
ABORT = -1
_NEVER = "2.25.1"  # a class that nobody proposes


class Scp:
    """Keeps the SOP Instance UIDs that it was sent, in order, and what it answered.

    ``digests`` are those of the data sets that came under each UID.

    classes : the storage classes that it takes.
    answer : gives the status for a SOP Instance UID, after as long as it likes; ABORT aborts.
    verifies : whether it takes a C-ECHO.
    nothing : what becomes of an association of which it accepts no context: it is "accepted" all
        the same, as by Orthanc and DCMTK's storescp, "rejected", as by dcmrecv, or "aborted".
    """

    def __init__(
        self,
        classes: Sequence[str] = (*CAPTURES, *OTHERS, *REPORTS),
        answer: Callable[[str], int] = lambda uid: 0x0000,
        *,
        verifies: bool = True,
        nothing: str = "accepted",
    ) -> None:
        self.port = free_port()
        self.asked: list[tuple[str, int]] = []
        self.digests: dict[str, set[str]] = defaultdict(set)
        self._answer = answer
        self._lock = threading.Lock()
        self._server: ThreadedAssociationServer | None = None
        self._ae = AE("ORTHANC")
        self._ae.supported_contexts = []
        self._classes = {*classes, *([Verification] if verifies else [])}
        self._nothing = nothing
        for sop_class in self._classes or [_NEVER]:  # pynetdicom wants one
            self._ae.add_supported_context(sop_class)

    def stored(self) -> list[str]:
        """The UIDs that were answered with success, in the order of their arrival."""
        with self._lock:
            return [uid for uid, status in self.asked if status == 0]

    def start(self) -> None:
        self._server = self._ae.start_server(
            ("127.0.0.1", self.port),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, self._store), (evt.EVT_REQUESTED, self._requested)],
        )

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _requested(self, event: evt.Event) -> None:
        proposed = event.assoc.requestor.primitive.presentation_context_definition_list
        if self._nothing == "accepted" or {c.abstract_syntax for c in proposed} & self._classes:
            return
        connection = event.assoc.dul.socket.socket
        if self._nothing == "rejected":
            event.assoc.acse.send_reject(1, 1, 1)  # for good, without a reason
        else:
            event.assoc.acse.send_abort(2)
        event.assoc.kill()  # waits until that is sent
        connection.close()  # pynetdicom leaves it open where the peer was the first to close

    def _store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        status = self._answer(uid)
        digest = hashlib.sha256(event.request.DataSet.getvalue()).hexdigest()
        with self._lock:
            self.asked.append((uid, status))
            self.digests[uid].add(digest)
        if status == ABORT:
            event.assoc.abort()
            return 0x0110  # nobody hears it any more
        return status


@contextmanager
def scp(
    classes: Sequence[str] = (*CAPTURES, *OTHERS, *REPORTS),
    answer: Callable[[str], int] = lambda uid: 0x0000,
    *,
    verifies: bool = True,
    nothing: str = "accepted",
) -> Iterator[Scp]:
    """A running Scp, stopped at the end."""
    server = Scp(classes, answer, verifies=verifies, nothing=nothing)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def slowly(seconds: float) -> Callable[[str], int]:
    """An answer that takes its time."""

    def answer(uid: str) -> int:
        time.sleep(seconds)
        return 0x0000

    return answer


def at_first(status: int, times: int = 1) -> Callable[[str], int]:
    """``status`` for the first objects that come, success for all later ones."""
    left = [status] * times

    def answer(uid: str) -> int:
        return left.pop() if left else 0x0000

    return answer
