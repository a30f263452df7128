"""The worker process: a Celery consumer with one slot, and without a broker the dispatcher too."""

from __future__ import annotations

import os
import socket
from contextlib import nullcontext

from celery import Celery

from node.dispatch import Publisher, celery_app, dispatching
from node.dispatch.broker import TASK
from node.settings import Settings
from node.tracking import Database
from workers.tasks import RunTask

_ARGUMENTS = (
    "worker",
    "--pool=solo",
    "--concurrency=1",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
    "--loglevel=WARNING",
)


def create_app(settings: Settings, db: Database) -> Celery:
    """The Celery application with the one task; what ``celery -A`` would want of a worker."""
    app = celery_app(settings.broker)
    app.task(name=TASK, shared=False)(RunTask(settings, db, worker=f"{_host()}/{os.getpid()}"))
    return app


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; the exit status. The run in progress is finished first."""
    db = Database(settings.database_url)
    db.check_revision()
    app = create_app(settings, db)
    embedded = dispatching(settings, Publisher(app)) if not settings.broker.url else nullcontext()
    with embedded:
        app.worker_main([*_ARGUMENTS, f"--hostname=hepanode-{os.getpid()}@{_host()}"])
    return 0


def _host() -> str:
    return socket.gethostname()
