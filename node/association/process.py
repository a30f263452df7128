"""One receiver process: accepts connections on the shared socket, a thread for each."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
import time

import pydicom.config

from node import tracking
from node.association.archive import Archive
from node.association.callers import Callers
from node.association.commands import C_ECHO_RQ, C_STORE_RQ, N_EVENT_REPORT_RQ
from node.association.commitment_service import CommitmentService
from node.association.places import Places
from node.association.services import echo
from node.association.serving import Acceptor, Association
from node.association.store_service import StoreService
from node.errors import TrackingError
from node.settings import Settings
from node.storage import InstanceStore
from node.vital import vital_thread

_LOG = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 5
MOST_PENDING = 128  # connections per process that have not asked for an association yet
_STACK = 512 * 1024


class ReceiverProcess:
    """Serves until SIGTERM, or until the parent process is gone."""

    def __init__(
        self, settings: Settings, listener: socket.socket, places: Places, process: int
    ) -> None:
        pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
        threading.stack_size(_STACK)
        self._listener = listener
        self._parent = os.getppid()
        self._stopping = threading.Event()
        self._wake, self._waker = os.pipe()
        self._associations: dict[Association, threading.Thread] = {}
        self._lock = threading.Lock()
        self._db = tracking.Database(settings.database_url)
        store = InstanceStore(settings.data, settings.storage.min_free_mib)
        self._acceptor = Acceptor(
            settings=settings.receiver,
            callers=Callers(settings.receiver.callers),
            places=places,
            process=process,
            services={
                C_ECHO_RQ: echo,
                C_STORE_RQ: StoreService(Archive(store, self._db)),
                N_EVENT_REPORT_RQ: CommitmentService(self._db),
            },
            titles=settings.titles,
            db=self._db,
        )

    def run(self, stop_seconds: float) -> None:
        """Blocks; SIGTERM must be blocked by the caller, it is waited for here.

        ``stop_seconds``: how long objects in flight may take to arrive after it.
        """
        for target in (self._accept, self._beat):
            vital_thread(target.__name__, target).start()
        while signal.sigtimedwait([signal.SIGTERM], 1) is None and os.getppid() == self._parent:
            pass
        self._stop(stop_seconds)
        self._db.dispose()

    def _stop(self, seconds: float) -> None:
        self._stopping.set()
        os.write(self._waker, b"\0")
        deadline = time.monotonic() + seconds
        with self._lock:
            threads = dict(self._associations)
        for association in threads:
            association.stop()
        for thread in threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            poll.poll()
            if self._stopping.is_set():
                return
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                continue  # a sibling was faster
            except OSError as error:  # the peer is gone again, or no file descriptor is left
                _LOG.warning("a connection could not be accepted: %s", error)
                time.sleep(0.05)
                continue
            if self._acceptor.callers.knows_address(address[0]):
                self._serve(connection, address[0])
            else:
                _LOG.warning("a connection from %s, where no caller is, was closed", address[0])
                connection.close()

    def _serve(self, connection: socket.socket, address: str) -> None:
        association = Association(self._acceptor, connection, address)
        thread = threading.Thread(target=self._run, args=(association,), daemon=True)
        with self._lock:
            pending = [a for a in self._associations if not a.is_established]
            self._associations[association] = thread
        if len(pending) >= MOST_PENDING:
            pending[0].drop()  # the oldest: silent connections make room for one that speaks
        try:
            thread.start()
        except RuntimeError as error:  # no thread is left, as under a limit of the container
            _LOG.warning("a connection from %s was closed: %s", address, error)
            connection.close()
            with self._lock:
                del self._associations[association]

    def _run(self, association: Association) -> None:
        try:
            association.serve()
        except Exception:  # noqa: BLE001 the edge of one association: the others go on
            _LOG.exception("an association failed")
        finally:
            with self._lock:
                del self._associations[association]

    def _beat(self) -> None:
        """Renew the rows of open associations; the dispatcher takes silent ones for dead."""
        while not self._stopping.wait(_HEARTBEAT_SECONDS):
            with self._lock:
                open_rows = [a.id for a in self._associations if a.id is not None]
            try:
                tracking.associations.seen(self._db, open_rows)
            except TrackingError as error:
                _LOG.warning("open associations are not renewed: %s", error)
