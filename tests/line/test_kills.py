"""``kill -9`` of the whole node, again and again, and of a study's every worker.

Each part at each of its stages: ``test_killed_receivers``, ``_dispatchers``, ``_workers``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.tracking import Run
from tests.line.modality import aul_study, new_study, study_of
from tests.line.node import Node, running
from tests.line.outcome import all_results, assert_pacs_agrees
from tests.orthanc import Orthanc, orthanc
from tests.scp import scp, slowly

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    with orthanc(tmp_path / "pacs") as server:
        yield server


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
