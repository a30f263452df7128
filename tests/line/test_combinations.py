"""The whole line, on every broker and every database: real files in, results at the PACS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed
from kombu import Connection, Queue

from node.tracking import Run
from tests.line.conftest import broker
from tests.line.modality import aul_study, real_files, store, study_of, uid_of
from tests.line.node import Node, running
from tests.line.outcome import assert_pacs_agrees
from tests.orthanc import orthanc

pytestmark = pytest.mark.timeout(400)

STILL, TWO_FRAMES, LOOP = "US1_UNCR.dcm", "OBXXXX1A_rle_2frame.dcm", "examples_ybr_color.dcm"


@pytest.fixture(params=["no broker", "redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with broker(request.param) as url:
        yield url


def test_studies_go_in_and_their_results_are_at_the_pacs(
    tmp_path: Path, broker_url: str, database_url: str, analysis: str
) -> None:
    modality = real_files(STILL, TWO_FRAMES, LOOP)
    liver = aul_study(tmp_path / "liver")
    with orthanc(tmp_path / "pacs") as pacs:
        node = Node(
            tmp_path / "node",
            broker_url=broker_url,
            database_url=database_url,
            pacs=[pacs],
            extra=analysis,
        )
        with running(node, "up"):
            node.send(*modality)
            assert store(node.port, liver) == [uid_of(file) for file in liver]
            ended = node.until(node.runs_ended(4))
            node.until(node.all_sent)
            if broker_url.startswith("amqp"):
                assert queue_type(broker_url, node.queue) == "quorum"
            assert node.stop() == [0]
        assert_pacs_agrees(node, pacs)
    assert [run.state for run in ended] == ["done"] * 4, [run.error for run in ended]
    used = {run.study_instance_uid: frames(run) for run in ended}
    assert used[study_of(liver[0])] == {(uid_of(file), 1) for file in liver}
    loop = modality[2]
    of_loop = next(run for run in ended if run.study_instance_uid == study_of(loop))
    assert len(frames(of_loop)) == 3
    assert "27 of 30 frames not sampled" in {
        drop["detail"] for drop in snapshot(of_loop)["dropped"]
    }


def snapshot(run: Run) -> dict[str, Any]:
    assert run.snapshot is not None
    return run.snapshot


def frames(run: Run) -> set[tuple[str, int]]:
    """(SOP Instance UID, frame number) of the frames that the run says it used."""
    return {(frame["sop_instance_uid"], frame["number"]) for frame in snapshot(run)["frames"]}


def queue_type(url: str, name: str) -> str:
    """RabbitMQ tells a queue's type when it is declared again with another one."""
    with Connection(url) as connection:
        other = Queue(name, queue_arguments={"x-queue-type": "classic"}, channel=connection)
        with pytest.raises(PreconditionFailed) as refused:
            other.queue_declare()
    return str(refused.value).rpartition("current is '")[2].partition("'")[0]
