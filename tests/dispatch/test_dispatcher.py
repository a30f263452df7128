"""One tick of the dispatcher after another, on both databases."""

from __future__ import annotations

import threading
import uuid

import pytest
import redis
from kombu import Connection

from node.dispatch import Dispatcher, Publisher, celery_app
from node.settings import Broker, Dispatch
from node.tracking import Database, associations, runs, studies
from tests.dispatch.sets import claimed_run
from tests.line.conftest import broker, redis_database
from tests.peers import free_port
from tests.tracking.arrivals import STUDY, arrive, instance

SETTINGS = Dispatch(quiet_seconds=1, window=100)


def test_a_quiet_study_is_closed_and_its_run_published_once(db: Database) -> None:
    arrive(db)
    published: list[int] = []
    dispatcher = Dispatcher(SETTINGS, db, published.append)
    for _ in range(3):
        dispatcher.tick()
    (run,) = runs.list_runs(db)
    assert published == [run.id]
    assert studies.get(db, STUDY).state == "complete"


def test_a_study_whose_association_is_open_waits(db: Database) -> None:
    opened = associations.opened(db, "US1", "127.0.0.1")
    arrive(db, instance(association_id=opened))
    published: list[int] = []
    dispatcher = Dispatcher(SETTINGS, db, published.append)
    dispatcher.tick()
    assert published == []
    associations.closed(db, opened)
    dispatcher.tick()
    assert len(published) == 1


def test_a_held_study_is_never_published(db: Database) -> None:
    arrive(db, instance(1), instance(2, patient_id="PID-2"))
    published: list[int] = []
    Dispatcher(SETTINGS, db, published.append).tick()
    assert published == []
    assert studies.get(db, STUDY).state == "held"


def test_a_run_whose_worker_died_is_queued_with_its_error(db: Database) -> None:
    claim = claimed_run(db, lease_seconds=-1)
    Dispatcher(SETTINGS, db, [].append).tick()
    run = runs.get(db, claim.run_id)
    assert run.state == "queued"
    assert "worker w/1 died or fell silent in attempt 1" in run.error


def test_a_broker_that_refuses_the_queue_is_asked_again(db: Database) -> None:
    arrive(db)
    name = f"hepanode-test-{uuid.uuid4().hex[:8]}"
    with broker("rabbitmq") as url, Connection(url) as connection:
        channel = connection.channel()
        channel.queue_declare(name, durable=True, auto_delete=False)  # classic, by someone else
        app = celery_app(Broker(url=url, queue=name))
        dispatcher = Dispatcher(SETTINGS, db, Publisher(app))
        dispatcher.tick()
        (run,) = runs.list_runs(db)
        assert (run.state, run.published_at) == ("queued", None)
        channel.queue_delete(name)
        dispatcher.tick()
        assert runs.get(db, run.id).published_at is not None
        channel.queue_delete(name)
        channel.exchange_delete(name)
        app.close()


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_without_its_broker_a_run_waits_and_is_published_when_it_is_back(
    db: Database, scheme: str
) -> None:
    for study in ("1.2.3", "1.2.4"):
        arrive(db, instance(study=study))
    away = Publisher(celery_app(Broker(url=f"{scheme}://127.0.0.1:{free_port()}")))
    Dispatcher(SETTINGS, db, away).tick()
    assert [(run.state, run.published_at) for run in runs.list_runs(db)] == [("queued", None)] * 2
    with redis_database() as url, redis.Redis.from_url(url) as client:
        app = celery_app(Broker(url=url, queue="back"))
        Dispatcher(SETTINGS, db, Publisher(app)).tick()
        assert client.llen("back") == 2
        app.close()
    assert all(run.published_at for run in runs.list_runs(db))


def test_two_dispatchers_at_once_open_and_publish_every_run_once(db: Database) -> None:
    uids = [f"1.2.3.{number}" for number in range(12)]
    for uid in uids:
        arrive(db, instance(study=uid))
    published: list[int] = []
    together = threading.Barrier(2)

    def work() -> None:
        dispatcher = Dispatcher(SETTINGS, db, published.append)
        together.wait(30)
        for _ in range(3):
            dispatcher.tick()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    opened = runs.list_runs(db)
    assert sorted(run.study_instance_uid for run in opened) == sorted(uids)
    assert sorted(published) == sorted(run.id for run in opened)
