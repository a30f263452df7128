"""The Celery application: it carries run ids, and nothing depends on a message arriving.

Losing, repeating or delaying a message is harmless (node.tracking.runs), so the settings here
only keep the broker small and quick: late acknowledgement with a prefetch of one stops a busy
worker from hoarding messages; no result backend, events, gossip or remote control.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import KombuError

from node.errors import BrokerError
from node.settings import Broker

TASK = "hepanode.run"
MEMORY = "memory://localhost/"


def celery_app(broker: Broker) -> Celery:
    """The application for ``broker.url``; without one, kombu's memory transport in this process."""
    app = Celery("hepanode", broker=broker.url or MEMORY, set_as_current=False)
    app.conf.update(
        task_queues=[_queue(broker)],
        task_default_queue=broker.queue,
        task_default_exchange=broker.queue,
        task_default_routing_key=broker.queue,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=5,
        broker_transport_options=_transport_options(broker),
    )
    return app


def _queue(broker: Broker) -> Queue:
    """On RabbitMQ a quorum queue: it survives the loss of a broker node."""
    arguments = {"x-queue-type": "quorum"} if broker.url.startswith("amqp") else None
    exchange = Exchange(broker.queue, type="direct")  # type: ignore[no-untyped-call]
    return Queue(  # type: ignore[no-untyped-call]
        broker.queue, exchange, routing_key=broker.queue, queue_arguments=arguments
    )


def _transport_options(broker: Broker) -> dict[str, Any]:
    if not broker.url:
        return {"polling_interval": 0.05}
    if broker.url.startswith("redis"):
        return {"socket_timeout": 10, "socket_connect_timeout": 5, "health_check_interval": 15}
    return {"confirm_publish": True}


class Publisher:
    """Tells workers that a run is due."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        broker = app.connection_for_write()  # not a connection yet, but it knows its errors
        self._errors = (
            KombuError,
            OSError,
            *broker.connection_errors,
            *broker.channel_errors,
            *broker.recoverable_connection_errors,
        )

    def __call__(self, run_id: int) -> None:
        """Raises BrokerError when the broker cannot be reached or refuses the message."""
        try:
            self._app.send_task(
                TASK, kwargs={"run": run_id}, retry=False, ignore_result=True, expires=None
            )
        except self._errors as error:
            raise BrokerError(f"the broker takes no message: {error}") from error
