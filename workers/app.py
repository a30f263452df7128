"""The worker process: a Celery consumer with one slot, and without a broker the dispatcher too."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from contextlib import nullcontext

from celery import Celery
from celery.exceptions import SecurityWarning

from node.dispatch import Publisher, celery_app, dispatching
from node.dispatch.broker import TASK
from node.settings import Settings
from node.storage import InstanceStore
from node.tracking import Database
from workers.tasks import RunTask

log = logging.getLogger(__name__)


def create_app(settings: Settings, db: Database) -> Celery:
    """The Celery application with the one task; what ``celery -A`` would want of a worker."""
    app = celery_app(settings.broker)
    app.conf.worker_consumer = "workers.consumer:Consumer"
    perform = RunTask(settings, db, worker=f"{_host()}/{os.getpid()}")

    def task(run: int) -> None:
        perform(run)

    app.task(name=TASK, shared=False)(task)
    return app


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; the exit status. The run in progress is finished first."""
    db = Database(settings.database_url)
    db.check_revision()
    _clear_away(settings)
    app = create_app(settings, db)
    # A container often runs as root; the warning is about pickled messages, which are refused.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    consumer = app.Worker(
        hostname=f"hepanode-{os.getpid()}@{_host()}",
        pool="solo",
        concurrency=1,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        quiet=True,
    )
    embedded = nullcontext() if settings.broker.url else dispatching(settings, Publisher(app))
    with embedded:
        consumer.start()
    return int(consumer.exitcode or 0)


def _clear_away(settings: Settings) -> None:
    """A worker that was killed while it wrote a result is followed by one, not by a receiver."""
    if stale := InstanceStore(settings.data).prepare():
        log.warning("%d unfinished objects of a killed process were removed", stale)


def _host() -> str:
    return socket.gethostname()
