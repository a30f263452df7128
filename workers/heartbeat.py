"""The lease of a run in progress: renewed by a thread, and the run's time limit enforced.

With Celery's solo pool neither time limits nor remote control work during a task, so a run that
hangs is ended from here: its attempt is recorded and the process exits for its supervisor to
start a fresh one. A model stuck in native code cannot be stopped in any gentler way.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from types import TracebackType

from node.errors import TrackingError
from node.tracking import Claim, Database, runs

log = logging.getLogger(__name__)

EXIT_TIME_LIMIT = 75


class Heartbeat:
    """Renews ``claim`` while the block lasts.

    A run that was taken back meanwhile cannot be committed: the commit asks for the lease again.
    """

    def __init__(
        self,
        db: Database,
        claim: Claim,
        *,
        lease_seconds: float,
        time_limit: float,
        max_attempts: int,
    ) -> None:
        self._db = db
        self._claim = claim
        self._lease_seconds = lease_seconds
        self._time_limit = time_limit
        self._max_attempts = max_attempts
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        deadline = time.monotonic() + self._time_limit
        interval = min(self._lease_seconds / 3, self._time_limit / 2)
        while not self._ended.wait(interval):
            if time.monotonic() > deadline:
                self._give_up()
            try:
                if not runs.renew(self._db, self._claim, self._lease_seconds):
                    log.warning("run %d was taken back from this worker", self._claim.run_id)
                    return
            except TrackingError as error:
                log.warning("the lease of run %d is not renewed: %s", self._claim.run_id, error)

    def _give_up(self) -> None:
        error = f"the run took longer than analysis.time_limit = {self._time_limit:g} s"
        log.error(
            "run %d of study %s: %s", self._claim.run_id, self._claim.study_instance_uid, error
        )
        try:
            runs.failed(self._db, self._claim, error, max_attempts=self._max_attempts)
        finally:
            os._exit(EXIT_TIME_LIMIT)
