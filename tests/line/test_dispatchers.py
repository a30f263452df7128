"""The scaled form's order of work: urgent studies first, and two dispatchers for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import postgres_database
from tests.line.conftest import redis_database
from tests.line.modality import new_study, store, study_of
from tests.line.node import Node, running
from tests.line.outcome import all_results, assert_pacs_agrees
from tests.scp import Scp, scp

pytestmark = pytest.mark.timeout(400)

STUDIES = 6


@pytest.fixture
def pacs() -> Iterator[Scp]:
    with scp() as server:
        yield server


@pytest.fixture
def node(tmp_path: Path, pacs: Scp, analysis: str) -> Iterator[Node]:
    with postgres_database() as database_url, redis_database() as broker_url:
        yield Node(
            tmp_path / "node",
            database_url=database_url,
            broker_url=broker_url,
            pacs=[pacs],
            extra=analysis,
        )


def test_an_urgent_study_that_came_last_is_read_first_and_two_dispatchers_do_nothing_twice(
    node: Node, pacs: Scp, tmp_path: Path
) -> None:
    with running(node, "receiver", "dispatcher", "dispatcher-2"):
        for number in range(STUDIES):
            store(node.port, new_study(tmp_path / str(number)))
        node.until(lambda: len(node.runs()) == STUDIES)
        (stat,) = new_study(tmp_path / "stat", RequestedProcedurePriority="STAT")
        store(node.port, [stat])
        node.until(lambda: len(node.runs()) == STUDIES + 1 and node.runs()[-1].published_at)
        node.start("worker")
        ended = node.until(node.runs_ended(STUDIES + 1))
        node.until(node.all_sent)
    order = sorted(ended, key=lambda run: run.started_at or run.created_at)
    assert order[0].study_instance_uid == study_of(stat)
    assert [run.urgent for run in order] == [True] + [False] * STUDIES
    assert [run.state for run in ended] == ["done"] * (STUDIES + 1)
    assert [run.attempts for run in ended] == [1] * (STUDIES + 1)
    assert len({run.study_instance_uid for run in ended}) == STUDIES + 1
    assert len(pacs.asked) == len(all_results(node))
    assert_pacs_agrees(node, pacs)
