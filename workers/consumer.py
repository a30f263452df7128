"""Celery's consumer, fit for one slot and late acknowledgement."""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from celery.worker.consumer import Consumer as CeleryConsumer

_WAKE_SECONDS = 0.2


class Wake(bootsteps.StartStopStep):  # type: ignore[misc]
    """Keeps the event loop from waiting with an acknowledgement unsent.

    With the solo pool a task may run before the loop's wait instead of in it; its acknowledgement
    is sent after the wait, and until then RabbitMQ has no reason to send the next message. The
    wait lasts until the next timer: 10 seconds were seen (kombu 5.7).
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        if consumer.hub is not None:  # the memory transport has no event loop
            consumer.hub.call_repeatedly(_WAKE_SECONDS, _nothing)


def _nothing() -> None:
    """The timer is there to end the wait."""


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Without native delayed delivery: the dispatcher decides when a run is due, and 28 queues
    and exchanges of other people's delays have no place at a hospital's broker."""

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc]
        default_steps = (
            *(step for step in CeleryConsumer.Blueprint.default_steps if "Delayed" not in step),
            Wake,
        )
