"""A worker killed inside every stage of a run: the next one ends it, and nothing goes twice.

A study for each point, and a worker that is killed there. The dispatcher stands meanwhile, so that
nothing is taken back and each of these workers has a study of its own; then one worker ends all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from node.settings import ResultKind
from node.tracking import Result, Run
from tests.conftest import postgres_database
from tests.line.conftest import analysis_section, broker
from tests.line.killing import Point, kill_at
from tests.line.modality import new_study, store
from tests.line.node import Node, running
from tests.line.outcome import assert_pacs_agrees
from tests.scp import Scp, scp

pytestmark = pytest.mark.timeout(900)

READING = ("select", "load models", "decode", "gate", "lesion", "outline", "fat")
STAGES = (*READING, "store", "results")
FINISH = "node.tracking.results:finish"
POINTS = {
    "claimed": Point("after", "node.tracking.runs:claim"),
    **{stage: Point("stage", stage) for stage in STAGES},
    "first object built": Point("after", "workers.perform:encode"),
    "first object half written": Point("before", "node.storage:Incoming.sync"),
    "committing": Point("committing", FINISH),
    "committed": Point("committed", FINISH),
}


@dataclass(frozen=True)
class Killed:
    """What was there when a worker had been killed: its run, and what it left of the results."""

    run: Run
    files: dict[str, str]  # SHA-256 by SOP Instance UID
    unfinished: int
    recorded: tuple[Result, ...]


@dataclass(frozen=True)
class Site:
    node: Node
    pacs: Scp
    killed: dict[str, Killed]

    def run(self, point: str) -> Run:
        """The run whose worker was killed at ``point``, as it is now."""
        return next(run for run in self.node.runs() if run.id == self.killed[point].run.id)

    def results(self, point: str) -> tuple[Result, ...]:
        return self.node.results(self.killed[point].run.study_instance_uid)


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    bundles: Path,
    fan_liver: Path,
) -> Iterator[Site]:
    """A node that has ended all runs after their workers were killed, and delivered the results."""
    folder = tmp_path_factory.mktemp("workers")
    analysis = analysis_section(bundles, fan_liver, fan_liver="fan-liver")
    with (
        postgres_database() as database_url,
        broker(request.param) as broker_url,
        scp() as pacs,
    ):
        node = Node(
            folder / "node",
            pacs=[pacs],
            dispatch=f"window = {len(POINTS)}",
            extra=analysis,
            database_url=database_url,
            broker_url=broker_url,
        )
        with running(node, "receiver", "dispatcher"):
            for number in range(len(POINTS)):
                store(node.port, new_study(folder / str(number), images=2))
            node.until(lambda: len([run for run in node.runs() if run.published_at]) == len(POINTS))
            node.stop()
            killed: dict[str, Killed] = {}
            for name, point in POINTS.items():
                kill_at(node, "worker", point)
                killed[name] = what_was_left(node, killed)
            node.start("dispatcher", "worker")
            node.until(node.runs_ended(len(POINTS)))
            node.until(node.all_sent)
            yield Site(node, pacs, killed)


def what_was_left(node: Node, before: dict[str, Killed]) -> Killed:
    """Of the worker that was killed last."""
    known = {one.run.id for one in before.values()}
    (run,) = [run for run in node.runs() if run.started_at and run.id not in known]
    files = (node.folder / "data" / "results" / run.study_instance_uid).glob("*.dcm")
    return Killed(
        run,
        {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        len(unfinished(node)),
        node.results(run.study_instance_uid),
    )


def unfinished(node: Node) -> list[Path]:
    return list((node.folder / "data" / "incoming").iterdir())


@pytest.mark.parametrize("point", POINTS)
def test_the_run_of_a_killed_worker_is_ended_once_and_its_results_are_sent_once(
    site: Site, point: str
) -> None:
    before, run = site.killed[point].run, site.run(point)
    assert run.state == "done"
    if point == "committed":
        assert before.state == "done"
        assert (run.attempts, run.worker) == (1, before.worker)
    else:
        assert before.state == "running"
        assert (run.attempts, run.worker != before.worker) == (2, True), "the lease was not taken"
    results = site.results(point)
    assert {(one.version, one.run_id) for one in results} == {(1, run.id)}
    wanted = [one.sop_instance_uid for one in results]
    kinds = [one.kind for one in results]
    assert kinds == sorted(kinds, key=get_args(ResultKind).index)
    assert kinds.count("report") == 1
    asked = [uid for uid, _ in site.pacs.asked if uid in wanted]
    assert asked == wanted, "each object once, the report last"


def test_the_pacs_was_sent_the_results_and_nothing_else(site: Site) -> None:
    assert [run.state for run in site.node.runs()] == ["done"] * len(POINTS)
    assert_pacs_agrees(site.node, site.pacs)


def test_the_points_are_all_stages_of_a_run(site: Site) -> None:
    """A stage that is new comes into the timings, and must be killed too."""
    for run in site.node.runs():
        assert set(run.timings or ()) == {"wait", *STAGES}


def test_each_worker_had_come_as_far_as_its_point_says(site: Site) -> None:
    for point in ("claimed", *READING):
        assert site.killed[point].files == {}
    assert site.killed["first object built"].files == {}
    assert site.killed["first object half written"].files == {}
    assert site.killed["first object half written"].unfinished == 1
    (*_, report) = site.results("store")
    assert len(site.killed["store"].files) == 1
    assert report.sop_instance_uid not in site.killed["store"].files
    for point in ("results", "committing", "committed"):
        assert set(site.killed[point].files) == {r.sop_instance_uid for r in site.results(point)}
    for point, killed in site.killed.items():
        assert killed.recorded == (site.results(point) if point == "committed" else ())


def test_objects_that_a_killed_worker_had_written_are_the_same_bytes_now(site: Site) -> None:
    for killed in site.killed.values():
        for uid, digest in killed.files.items():
            (file,) = (site.node.folder / "data" / "results").rglob(f"{uid}.dcm")
            assert hashlib.sha256(file.read_bytes()).hexdigest() == digest


def test_no_file_of_a_killed_worker_is_left(site: Site) -> None:
    assert unfinished(site.node) == []
    files = {file.stem for file in (site.node.folder / "data" / "results").rglob("*.dcm")}
    assert files == {r.sop_instance_uid for point in POINTS for r in site.results(point)}
