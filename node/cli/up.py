"""``hepanode up``: the whole node on one machine."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from node.cli.output import fields, say
from node.cli.session import Session
from node.errors import StorageError

if TYPE_CHECKING:
    from node.settings import Settings


def up(session: Session) -> None:
    """Run the whole node on this machine: receiver, dispatcher and worker, until Ctrl-C.

    Makes the data folder and the database, and starts again what dies.
    """
    from node.cli.checks import names
    from node.cli.supervisor import Supervisor
    from node.tracking import Database
    from node.tracking.migrate import upgrade

    settings = session.settings
    session.log()
    names.check(settings)
    with _only_one(settings.data):
        db = Database(settings.database_url)
        upgrade(db)
        where = db.url.render_as_string()
        db.dispose()
        _announce(settings, where)
        Supervisor({name: part(name, session) for name in parts(settings)}).run()
    say("stopped")


def parts(settings: Settings) -> tuple[str, ...]:
    """The processes of the node; without a broker the worker hosts the dispatcher."""
    return ("receiver", "dispatcher", "worker") if settings.broker.url else ("receiver", "worker")


def part(name: str, session: Session) -> list[str]:
    """The command line of a part; it finds the configuration in the environment.

    ``-P``: a folder called ``node`` where the user happens to be must not be imported.
    """
    verbose = ["--verbose"] if session.verbose else []
    return [sys.executable, "-P", "-m", "node.cli", name, *verbose]


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data folder; raises StorageError when another node has it, or it cannot be made."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "up.lock").open("a+")
    except OSError as error:
        raise StorageError(
            f"the data folder {data.resolve()} cannot be used: {error.strerror}; "
            "set data in the configuration to a folder that can be written"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StorageError(
                f"the data folder {data.resolve()} is in use by `hepanode up`, process "
                f"{lock.read().strip() or 'unknown'}: stop it, or give this one another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _announce(settings: Settings, database: str) -> None:
    from node.urls import without_password

    receiver = settings.receiver
    callers = ", ".join(f"{c.ae_title} from {c.address}" for c in receiver.callers)
    targets = [f"{d.name} ({d.address})" for d in settings.destinations]
    fields(
        (
            ("receives", f"{receiver.ae_title} on {receiver.host}:{receiver.port}"),
            ("from", callers or "anyone on this machine"),
            (
                "delivers to",
                ", ".join(targets) or "nobody: no [[destinations]] in the configuration",
            ),
            ("data", str(settings.data.resolve())),
            ("database", database),
            ("broker", without_password(settings.broker.url) or "none needed"),
            ("stop", "Ctrl-C; a run in progress is finished first"),
        )
    )
    sys.stdout.flush()
