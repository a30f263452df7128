"""The dispatcher: closes quiet studies, publishes due runs, takes back dead ones.

It holds no state: every tick reads what is due and changes it conditionally, so that it can be
killed at any point, and several can run at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from node.errors import BrokerError, TrackingError
from node.settings import Dispatch
from node.tracking import Database, runs, studies

log = logging.getLogger(__name__)


class Dispatcher:
    def __init__(self, settings: Dispatch, db: Database, publish: Callable[[int], None]) -> None:
        self._settings = settings
        self._db = db
        self._publish = publish

    def tick(self) -> None:
        """Do all that is due now. Raises TrackingError when the database cannot be reached."""
        for closed in studies.close_quiet(self._db, self._settings.quiet_seconds):
            if closed.run_id is None:
                log.error("study %s is held: %s", closed.study_instance_uid, closed.reason)
            else:
                log.info("study %s is complete: run %d", closed.study_instance_uid, closed.run_id)
        for taken in runs.take_back_dead(self._db, self._settings.max_attempts):
            log.warning(
                "run %d of study %s lost its worker: now %s",
                taken.run_id,
                taken.study_instance_uid,
                taken.state,
            )
        due = runs.publishable(
            self._db,
            window=self._settings.window,
            republish_seconds=self._settings.republish_seconds,
        )
        for position, run_id in enumerate(due):
            try:
                self._publish(run_id)
            except BrokerError as error:
                waiting = due[position:]  # each further try would take its time-out anew
                for unpublished in waiting:
                    runs.unpublish(self._db, unpublished)
                log.warning("%d runs wait: %s", len(waiting), error)
                break

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set; a database or a broker that is away is waited for."""
        while not stop.wait(self._settings.tick_seconds):
            try:
                self.tick()
            except TrackingError as error:
                log.error("dispatcher waits: %s", error)
                stop.wait(5)
