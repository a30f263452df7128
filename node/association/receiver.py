"""The receiver: several processes that accept on one listening socket.

The socket is opened before the fork and shared. With SO_REUSEPORT instead, each process has its
own queue, and what waits in the queue of a killed one is reset.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time

from node import tracking
from node.association.places import Places
from node.errors import AssociationError
from node.settings import Receiver, Settings

_LOG = logging.getLogger(__name__)
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_BACKLOG = 512
STOP_SECONDS = 30  # how long objects in flight may take to arrive when the node stops
_RESTART_SECONDS = 1.0  # a process that dies at once is not started again faster than this


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish the objects in flight; the exit status.

    Blocks, and forks ``receiver.processes`` children, of which dead ones are replaced; call it
    in a process of one thread. Raises AssociationError when the port cannot be had and
    TrackingError when the database is not at hand or not of this program's schema.
    """
    _check_database(settings)
    listener = _listen(settings.receiver)
    _clear_away(settings)
    places = Places(settings.receiver.processes, settings.receiver.max_associations)
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        _Supervisor(settings, listener, places).run()
    finally:
        listener.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    return 0


def _clear_away(settings: Settings) -> None:
    from node.storage import InstanceStore  # imports pydicom, as _start does: see there

    stale = InstanceStore(settings.data, settings.storage.min_free_mib).prepare()
    if stale:
        _LOG.warning("%d unfinished objects of a killed process were removed", stale)


def _check_database(settings: Settings) -> None:
    db = tracking.Database(settings.database_url)
    try:
        db.check_revision()
    finally:
        db.dispose()


def _listen(settings: Receiver) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise AssociationError(
            f"receiver.host = {settings.host!r}, receiver.port = {settings.port}: cannot listen "
            f"there: {error.strerror}; stop what does, or choose another port"
        ) from None
    listener.setblocking(False)
    return listener


class _Supervisor:
    """The parent: starts the processes, replaces dead ones, passes the word to stop on."""

    def __init__(self, settings: Settings, listener: socket.socket, places: Places) -> None:
        self._settings = settings
        self._listener = listener
        self._places = places
        self._children: dict[int, int] = {}  # process ID: index

    def run(self) -> None:
        for index in range(self._settings.receiver.processes):
            self._start(index)
        _LOG.info(
            "%s listens on %s:%d in %d processes",
            self._settings.receiver.ae_title,
            self._settings.receiver.host,
            self._settings.receiver.port,
            len(self._children),
        )
        while signal.sigwait(_SIGNALS) == signal.SIGCHLD:
            for index in self._reap():
                _LOG.error("receiver process %d died and is started again", index)
                time.sleep(_RESTART_SECONDS)
                self._places.clear(index)
                self._start(index)
        self._stop()

    def _start(self, index: int) -> None:
        # pydicom and pynetdicom take half a second to import: the socket listens by then, and
        # what connects meanwhile waits in its queue. Here, so that the processes share them.
        from node.association.process import ReceiverProcess

        pid = os.fork()
        if pid:
            self._children[pid] = index
            return
        status = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which asks
            _clear_away(self._settings)  # of the process that this one replaces, too
            ReceiverProcess(self._settings, self._listener, self._places, index).run(STOP_SECONDS)
            status = 0
        except Exception:  # noqa: BLE001 the edge of the process
            _LOG.exception("a receiver process failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _reap(self) -> list[int]:
        """The indices of children that ended."""
        ended = []
        for pid in list(self._children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                ended.append(self._children.pop(pid))
        return ended

    def _stop(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS + 5
        while self._children and (left := deadline - time.monotonic()) > 0:
            self._reap()
            if self._children:
                signal.sigtimedwait([signal.SIGCHLD], min(left, 1.0))
        for pid in self._children:
            _LOG.error("receiver process %d did not stop in time and is killed", pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
