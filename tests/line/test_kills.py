"""``kill -9`` at every stage: nothing that was answered is lost, nothing comes twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from node.storage import InstanceStore
from node.tracking import Run, instances
from tests.conftest import postgres_database
from tests.line.conftest import broker
from tests.line.modality import association, aul_study, new_study, store, storing, study_of, uid_of
from tests.line.node import Node, running
from tests.line.outcome import all_results, assert_pacs_agrees
from tests.orthanc import Orthanc, orthanc
from tests.scp import scp, slowly

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    with orthanc(tmp_path / "pacs") as server:
        yield server


@pytest.fixture(params=["redis", "rabbitmq"])
def servers(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The scaled form's database and its brokers."""
    with postgres_database() as database_url, broker(request.param) as broker_url:
        yield {"database_url": database_url, "broker_url": broker_url}


def test_a_receiver_killed_while_receiving_keeps_every_object_that_it_answered_for(
    tmp_path: Path, servers: dict[str, str], pacs: Orthanc, analysis: str
) -> None:
    files = new_study(tmp_path / "study", images=16)
    node = Node(tmp_path / "node", pacs=[pacs], extra=analysis, **servers)
    with running(node):
        for least in (1, 4, 9):
            node.start("receiver")
            answered = send_and_kill(node, files, least)
            assert len(answered) >= least
            assert_kept(node, files, answered)
        node.start("receiver")
        assert store(node.port, files) == [uid_of(file) for file in files]
        node.start("dispatcher", "worker")
        (run,) = node.until(node.runs_ended(1))
        node.until(node.all_sent)
        assert_kept(node, files, [uid_of(file) for file in files])
    assert run.state == "done"
    assert list((node.folder / "data" / "incoming").iterdir()) == []
    assert_pacs_agrees(node, pacs)


def send_and_kill(node: Node, files: Sequence[Path], least: int) -> list[str]:
    """Kill the receiver in the midst of an association; the UIDs that it answered with success."""
    answered: list[str] = []
    enough = threading.Event()

    def send() -> None:
        with association(node.port, files) as opened:
            for uid in storing(opened, files):
                answered.append(uid)
                if len(answered) >= least:
                    enough.set()

    sender = threading.Thread(target=send)
    sender.start()
    assert enough.wait(60)
    node.kill("receiver")
    sender.join(60)
    assert not sender.is_alive()
    return answered


def assert_kept(node: Node, files: Sequence[Path], answered: Sequence[str]) -> None:
    """Each object is on record, and its file holds what was sent."""
    kept = InstanceStore(node.folder / "data")
    by_uid = {uid_of(file): file for file in files}
    with node.database() as db:
        recorded = {one.sop_instance_uid: one for one in instances.list_of(db, study_of(files[0]))}
    assert set(answered) <= set(recorded)
    for uid in answered:
        assert kept.same_content(kept.path(recorded[uid].path), by_uid[uid])


def test_a_dispatcher_killed_before_publishing_after_it_and_during_delivery_loses_nothing(
    tmp_path: Path, servers: dict[str, str], pacs: Orthanc, analysis: str
) -> None:
    with scp(answer=slowly(1)) as slow:
        node = Node(tmp_path / "node", pacs=[pacs, slow], extra=analysis, **servers)
        with running(node, "receiver", "dispatcher"):
            node.send(*aul_study(tmp_path / "study"))
            node.kill("dispatcher")
            node.start("dispatcher")
            node.until(lambda: [run for run in node.runs() if run.published_at])
            node.kill("dispatcher")
            node.lose_messages()
            node.start("dispatcher", "worker")
            (run,) = node.until(node.runs_ended(1))
            node.until(slow.stored)
            node.kill("dispatcher")
            assert len(slow.stored()) < len(all_results(node)), "killed too late to show anything"
            node.start("dispatcher")
            node.until(node.all_sent)
        assert run.state == "done"
        assert_pacs_agrees(node, pacs)
        assert set(slow.stored()) == set(pacs.stored())
        assert slow.stored()[-1] == all_results(node)[-1].sop_instance_uid


def test_a_worker_killed_at_any_time_of_a_run_leaves_it_to_the_next_worker(
    tmp_path: Path, servers: dict[str, str], pacs: Orthanc, analysis: str
) -> None:
    node = Node(
        tmp_path / "node", pacs=[pacs], dispatch="max_attempts = 9", extra=analysis, **servers
    )
    studies = 3
    with running(node, "receiver", "dispatcher", "worker"):
        node.kill("worker")  # it may hold a message of a run that nobody claimed
        for number in range(studies):
            node.send(*new_study(tmp_path / f"study {number}", images=3))
        node.until(lambda: [run for run in node.runs() if run.published_at])
        for seconds in (0, 1, 2, 4):
            node.start("worker")
            node.until(lambda: running_now(node))
            time.sleep(seconds)
            node.kill("worker")
        node.start("worker")
        node.until(lambda: result_files(node))
        node.kill("worker")  # results are in storage, and perhaps not on record
        node.start("worker")
        ended = node.until(node.runs_ended(studies))
        node.until(node.all_sent)
    assert [run.state for run in ended] == ["done"] * studies
    assert max(run.attempts for run in ended) > 1
    assert_pacs_agrees(node, pacs)
    recorded = {result.sop_instance_uid for result in all_results(node)}
    assert {file.stem for file in result_files(node)} == recorded


def test_the_whole_node_killed_at_any_time_goes_on_where_it_was(
    tmp_path: Path, analysis: str
) -> None:
    with scp(answer=slowly(1)) as pacs:
        node = Node(tmp_path / "node", pacs=[pacs], dispatch="max_attempts = 9", extra=analysis)
        with running(node, "up"):
            node.send(*aul_study(tmp_path / "study"))
            for moment in (
                lambda: True,
                lambda: running_now(node),
                lambda: result_files(node),
                pacs.stored,
            ):
                node.until(moment)
                node.kill("up")
                node.start("up")
            (run,) = node.until(node.runs_ended(1))
            node.until(node.all_sent)
        assert run.state == "done"
        recorded = [result.sop_instance_uid for result in all_results(node)]
        assert set(pacs.stored()) == set(recorded)
        assert pacs.stored()[-1] == recorded[-1]


def test_a_study_that_kills_three_workers_is_quarantined_with_its_error_and_the_next_is_read(
    tmp_path: Path, pacs: Orthanc, analysis: str
) -> None:
    node = Node(tmp_path / "node", pacs=[pacs], extra=analysis)
    with running(node, "up"):
        (deadly,) = new_study(tmp_path / "deadly")
        node.send(deadly)
        for attempt in (1, 2, 3):
            run = node.until(lambda: attempt_now(node, attempt))  # noqa: B023 it is called at once
            os.kill(process_of(run), signal.SIGKILL)
        node.until(node.runs_ended(1))
        node.send(*new_study(tmp_path / "harmless"))
        dead, harmless = node.until(node.runs_ended(2))
        node.until(node.all_sent)
    assert (dead.state, dead.attempts) == ("quarantined", 3)
    assert "died or fell silent in attempt 3" in dead.error
    assert harmless.state == "done"
    assert node.results(study_of(deadly)) == ()
    assert_pacs_agrees(node, pacs)


def running_now(node: Node) -> list[Run]:
    return [run for run in node.runs() if run.state == "running"]


def attempt_now(node: Node, attempt: int) -> Run | None:
    return next((run for run in running_now(node) if run.attempts == attempt), None)


def process_of(run: Run) -> int:
    assert run.worker is not None
    return int(run.worker.rpartition("/")[2])


def result_files(node: Node) -> list[Path]:
    return list((node.folder / "data" / "results").rglob("*.dcm"))
