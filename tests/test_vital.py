"""A process does not outlive a thread that it cannot do without."""

from __future__ import annotations

import subprocess
import sys

import pytest

from node.tracking import Database, migrate

SILENT_FAILURE = """
import sys, threading
from node import settings, log
log.setup("info")
from node.vital import vital_thread
def work(what): raise ValueError(f"patient {what}")
vital_thread("dispatcher", work, "DOE^JANE").start()
threading.Event().wait(60)
"""
DISPATCHING = """
import threading
from node import log, settings
from node.dispatch import dispatching
from tests.tracking.arrivals import arrive
from node.tracking import Database
log.setup("info")
found = settings.load()
db = Database(found.database_url)
arrive(db)
db.dispose()
def publish(run_id): raise ValueError("nobody expected this")
with dispatching(found, publish):
    threading.Event().wait(60)
"""


def test_a_failure_ends_the_process_and_tells_where_but_not_of_whom() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SILENT_FAILURE], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "dispatcher failed, the process ends: unexpected ValueError at" in done.stderr
    assert "DOE" not in done.stderr


def test_a_dispatcher_that_fails_takes_its_process_with_it(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/tracking.sqlite"
    db = Database(url)
    migrate.upgrade(db)
    db.dispose()
    monkeypatch.setenv("HEPANODE_DATABASE__URL", url)
    done = subprocess.run(
        [sys.executable, "-c", DISPATCHING], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "dispatcher failed" in done.stderr
