"""A lease is renewed while the work lasts, and the time limit ends a process that hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime

from node.tracking import Database, Run, runs
from tests.dispatch.sets import claimed_run, published_run
from workers.heartbeat import EXIT_TIME_LIMIT, Heartbeat

HANGING = """
import sys
import time
from node.tracking import Database, runs
from workers.heartbeat import Heartbeat

db = Database(sys.argv[1])
claim = runs.claim(db, int(sys.argv[2]), worker="hanging", lease_seconds=60)
with Heartbeat(db, claim, lease_seconds=60, time_limit=0.5, max_attempts=int(sys.argv[3])):
    time.sleep(120)
"""


def test_the_lease_of_a_run_that_lasts_is_renewed(db: Database) -> None:
    claim = claimed_run(db, lease_seconds=9)

    def lease() -> datetime:
        until = runs.get(db, claim.run_id).lease_until
        assert until is not None
        return until

    first, deadline = lease(), time.monotonic() + 60
    with Heartbeat(db, claim, lease_seconds=9, time_limit=900, max_attempts=3):
        while lease() == first and time.monotonic() < deadline:
            time.sleep(0.1)
        assert lease() > first
    assert runs.get(db, claim.run_id).state == "running"


def hang(db: Database, *, max_attempts: int) -> Run:
    """A process of its own that holds a run and never ends; the run afterwards."""
    run_id = published_run(db)
    url = db.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-c", HANGING, url, str(run_id), str(max_attempts)],
        timeout=100,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_TIME_LIMIT == 75, done.stderr
    return runs.get(db, run_id)


def test_a_process_that_hangs_ends_and_its_run_is_queued_with_the_error(db: Database) -> None:
    run = hang(db, max_attempts=3)
    assert (run.state, run.attempts) == ("queued", 1)
    assert run.error == "the run took longer than analysis.time_limit = 0.5 s"


def test_a_run_that_hangs_for_the_last_time_is_quarantined(db: Database) -> None:
    run = hang(db, max_attempts=1)
    assert run.state == "quarantined"
    assert "analysis.time_limit" in run.error
