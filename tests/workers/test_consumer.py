"""The Celery consumer on a real RabbitMQ: no message waits for a timer."""

from __future__ import annotations

import subprocess
import sys
import uuid
from itertools import pairwise

import pytest
from kombu import Connection

from tests.peers import require

MESSAGES = 12
STALL = 5.0
"""Seconds; far above what a message takes, and below the 10 that Celery's own consumer may wait."""

WORKER = """
import os, signal, sys, time
from node.dispatch import celery_app
from node.dispatch.broker import TASK
from node.settings import Broker

app = celery_app(Broker(url=sys.argv[1], queue=sys.argv[2]))
app.conf.worker_consumer = "workers.consumer:Consumer"
count = int(sys.argv[3])

def task(run):
    print(time.monotonic(), flush=True)
    time.sleep(0.05)
    if run == count - 1:
        os.kill(os.getpid(), signal.SIGTERM)

app.conf.worker_redirect_stdouts = False
app.task(name=TASK, shared=False)(task)
for run in range(count):
    app.send_task(TASK, kwargs={"run": run})
app.Worker(pool="solo", concurrency=1, without_gossip=True, without_mingle=True,
           without_heartbeat=True, loglevel="WARNING", quiet=True).start()
print(time.monotonic())
"""


@pytest.fixture
def queue() -> str:
    return f"hepanode-test-{uuid.uuid4().hex[:8]}"


def test_no_message_waits_for_the_loops_next_timer(queue: str) -> None:
    url = require("rabbitmq")
    with Connection(url) as connection:
        channel = connection.channel()
        try:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", WORKER, url, queue, str(MESSAGES)],
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            times = [float(line) for line in done.stdout.split("\n") if line[:1].isdigit()]
            assert len(times) == MESSAGES + 1
            gaps = [later - earlier for earlier, later in pairwise(times)]
            assert max(gaps) < STALL
        finally:
            channel.queue_delete(queue)
            channel.exchange_delete(queue)
