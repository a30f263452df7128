"""The one task: claim the run, perform it, record how it ended."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from node.errors import DiskFull, HepanodeError, ResultError
from node.settings import Settings
from node.tracking import Claim, Database, runs
from workers.heartbeat import Heartbeat
from workers.perform import Performer
from workers.stages import Stages

log = logging.getLogger(__name__)


class RunTask:
    """Called with a run's id; for a run that is not to be had it does nothing."""

    def __init__(self, settings: Settings, db: Database, worker: str) -> None:
        self._dispatch = settings.dispatch
        self._time_limit = settings.analysis.time_limit
        self._db = db
        self._worker = worker
        self._performer = Performer(settings, db)

    def __call__(self, run: int) -> None:
        claim = runs.claim(
            self._db, run, worker=self._worker, lease_seconds=self._dispatch.lease_seconds
        )
        if claim is None:
            return
        log.info(
            "run %d of study %s begins, attempt %d",
            claim.run_id,
            claim.study_instance_uid,
            claim.attempt,
        )
        stages = Stages()
        with Heartbeat(
            self._db,
            claim,
            lease_seconds=self._dispatch.lease_seconds,
            time_limit=self._time_limit,
            max_attempts=self._dispatch.max_attempts,
        ):
            try:
                done = self._performer.perform(claim, stages)
            except Exception as error:  # noqa: BLE001 - the process's edge: recorded on the run
                self._record(claim, error, stages)
                return
        log.info("run %d %s", claim.run_id, "is done" if done else "was overtaken")

    def _record(self, claim: Claim, error: Exception, stages: Stages) -> None:
        """An expected error says what happened; of another one only where it happened is kept,
        for its text may quote the patient's data."""
        text = str(error) if isinstance(error, HepanodeError) else _unexpected(error)
        state = runs.failed(
            self._db,
            claim,
            text,
            max_attempts=self._dispatch.max_attempts,
            final=isinstance(error, ResultError),
            spent=not isinstance(error, DiskFull),
            timings=stages.seconds,
        )
        log.error(
            "run %d of study %s, attempt %d: %s; now %s",
            claim.run_id,
            claim.study_instance_uid,
            claim.attempt,
            text,
            state or "taken by another worker",
        )


def _unexpected(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; give the worker more or lower analysis.max_decoded_mib"
    steps = [
        f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)
    ]
    return f"unexpected {type(error).__name__} at {' > '.join(steps[-6:])}"
