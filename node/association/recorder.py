"""Rows of objects that arrive at the same time go into the database in one commit."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from node import tracking
from node.errors import TrackingError


@dataclass
class _Waiting:
    received: tracking.ReceivedInstance
    path: str | None = None
    error: TrackingError | None = None


class Recorder:
    """``tracking.instances.record`` for many threads.

    Whoever finds the database free commits for all who wait. A commit costs an fsync and most of
    a millisecond of CPU whether it holds one row or ten, and SQLite has one writer at a time.
    """

    def __init__(self, db: tracking.Database) -> None:
        self._db = db
        self._waiting: list[_Waiting] = []
        self._queue = threading.Lock()
        self._turn = threading.Lock()

    def record(self, received: tracking.ReceivedInstance) -> str:
        """The path on record, once the row is committed; raises TrackingError."""
        own = _Waiting(received)
        with self._queue:
            self._waiting.append(own)
        with self._turn:
            if own.path is None and own.error is None:
                with self._queue:
                    batch, self._waiting = self._waiting, []
                try:
                    self._commit(batch)
                except BaseException:  # the others who wait must not take it for done
                    for one in batch:
                        one.error = one.error or TrackingError("the row was not committed")
                    raise
        if own.path is None:
            raise own.error or TrackingError("the row was not committed")
        return own.path

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            paths = tracking.instances.record_all(self._db, [one.received for one in batch])
        except TrackingError as error:
            if len(batch) > 1:  # one row that the database refuses must not fail the others
                for one in batch:
                    self._commit([one])
            else:
                batch[0].error = error
        else:
            for one, path in zip(batch, paths, strict=True):
                one.path = path
