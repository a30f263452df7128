"""What is due: complete studies, runs to publish, dead workers, deliveries."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from node.dispatch.broker import Publisher, celery_app
from node.dispatch.delivery import Deliverer
from node.dispatch.dispatcher import Dispatcher
from node.errors import SettingsError
from node.settings import Settings
from node.tracking import Database
from node.vital import vital_thread

__all__ = ["Deliverer", "Dispatcher", "Publisher", "celery_app", "dispatching", "run"]


@contextmanager
def dispatching(settings: Settings, publish: Publisher) -> Iterator[threading.Event]:
    """Dispatcher and deliveries in threads for as long as the block lasts; the event stops them.

    A thread that fails takes the process with it (``node.vital``).
    """
    stop = threading.Event()
    db = Database(settings.database_url, pool_size=2 + len(settings.destinations))
    db.check_revision()
    threads = [vital_thread("dispatcher", Dispatcher(settings.dispatch, db, publish).run, stop)]
    threads += [
        vital_thread(f"delivery-{one.name}", Deliverer(settings, one, db).run, stop)
        for one in settings.destinations
    ]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=10)
        db.dispose()


def run(settings: Settings) -> int:
    """The dispatcher as a process of its own, until SIGTERM or SIGINT; the exit status.

    Raises SettingsError without a broker: then the worker process dispatches by itself.
    """
    if not settings.broker.url:
        raise SettingsError(
            "broker.url is empty: without a broker the worker process dispatches by itself; "
            "run `hepanode up`, or set broker.url to redis://… or amqp://…"
        )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with dispatching(settings, Publisher(celery_app(settings.broker))):
        ended.wait()
    return 0
