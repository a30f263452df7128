"""A dispatcher killed at every step: each study is read once, and only what was in flight twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import postgres_database
from tests.line.conftest import broker
from tests.line.killing import Point, kill_at
from tests.line.modality import new_study, store
from tests.line.node import Node, running
from tests.line.outcome import all_results, assert_report_sent_last
from tests.scp import Scp, scp

pytestmark = pytest.mark.timeout(600)

STUDIES = 5
PUBLISHING = {
    "closing a study": Point("committing", "node.tracking.studies:_close"),
    "a study is closed": Point("committed", "node.tracking.studies:_close"),
    "a run is marked": Point("committed", "node.tracking.runs:_mark_published"),
    "a run is published": Point("after", "node.dispatch.broker:Publisher.__call__"),
}
TAKING_BACK = {
    "taking back a run": Point("committing", "node.tracking.runs:take_back_dead"),
    "a run is taken back": Point("committed", "node.tracking.runs:take_back_dead"),
}
DELIVERING = {
    "a set is claimed": Point("after", "node.tracking.deliveries:claim_set"),
    "an object is begun": Point(
        "after", "node.association.upper_layer:UpperLayer.send_command", times=2
    ),
    "an object is recorded": Point("committed", "node.tracking.deliveries:sent"),
    "recording an object": Point("committing", "node.tracking.deliveries:sent"),
}


@dataclass(frozen=True)
class Killed:
    """What had happened when a dispatcher had been killed."""

    closed: int
    marked: int
    running: int
    unrecorded: Counter[str]  # what the PACS has stored, and no row says so
    recorded: int


@dataclass(frozen=True)
class Site:
    node: Node
    pacs: Scp
    killed: dict[str, Killed]


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, analysis: str
) -> Iterator[Site]:
    """A node that has read and delivered its studies in spite of all.

    While the first deliveries stand, all runs are ended: each dispatcher after it has sets to send.
    """
    folder = tmp_path_factory.mktemp("dispatchers")
    with (
        postgres_database() as database_url,
        broker(request.param) as broker_url,
        scp() as pacs,
    ):
        node = Node(
            folder / "node",
            pacs=[pacs],
            extra=analysis,
            database_url=database_url,
            broker_url=broker_url,
        )
        with running(node, "receiver"):
            for number in range(STUDIES):
                store(node.port, new_study(folder / str(number), images=2))
            killed = dict(killing(node, pacs, PUBLISHING))
            node.lose_messages()
            node.start("dispatcher")
            kill_at(node, "worker", Point("stage", "decode"))
            node.kill("dispatcher")
            killed |= killing(node, pacs, TAKING_BACK)
            node.start("worker")
            killed |= killing(
                node, pacs, DELIVERING, meanwhile=lambda: node.until(node.runs_ended(STUDIES))
            )
            node.start("dispatcher")
            node.until(node.all_sent)
            yield Site(node, pacs, killed)


def killing(
    node: Node,
    pacs: Scp,
    points: dict[str, Point],
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[tuple[str, Killed]]:
    """Kill a dispatcher at each of the points, one after the other."""
    for name, point in points.items():
        kill_at(node, "dispatcher", point, meanwhile=meanwhile)
        recorded = [
            one.sop_instance_uid for one in node.deliveries() if one.state in ("sent", "confirmed")
        ]
        runs = node.runs()
        yield (
            name,
            Killed(
                len(runs),
                len([run for run in runs if run.published_at]),
                len([run for run in runs if run.state == "running"]),
                Counter(pacs.stored()) - Counter(recorded),
                len(recorded),
            ),
        )


def test_each_dispatcher_had_come_as_far_as_its_point_says(site: Site) -> None:
    at = site.killed
    assert (at["closing a study"].closed, at["a study is closed"].closed) == (0, 1)
    assert (at["a study is closed"].marked, at["a run is marked"].marked) == (0, 1)
    assert (at["taking back a run"].running, at["a run is taken back"].running) == (1, 0)
    assert at["a set is claimed"].recorded == at["an object is begun"].recorded - 1 == 0
    assert at["an object is recorded"].recorded == at["recording an object"].recorded == 2


def test_only_the_object_in_flight_was_sent_again_and_with_the_same_bytes(site: Site) -> None:
    in_flight = site.killed["recording an object"].unrecorded
    assert in_flight.total() == 1
    for name, killed in site.killed.items():
        assert killed.unrecorded == (in_flight if name == "recording an object" else Counter())
    asked = Counter(uid for uid, _ in site.pacs.asked)
    results = all_results(site.node)
    assert asked == Counter(one.sop_instance_uid for one in results) + in_flight
    assert {len(digests) for digests in site.pacs.digests.values()} == {1}


def test_every_study_is_read_once_and_its_report_is_the_last_to_arrive(site: Site) -> None:
    runs = site.node.runs()
    assert [run.state for run in runs] == ["done"] * STUDIES
    assert sorted(run.attempts for run in runs) == [1] * (STUDIES - 1) + [2]
    for run in runs:
        results = site.node.results(run.study_instance_uid)
        assert {(one.version, one.run_id) for one in results} == {(1, run.id)}
        *others, report = results
        assert report.kind == "report"
        assert {"heatmap", "summary"} < {one.kind for one in others}
        wanted = {one.sop_instance_uid for one in results}
        arrived = [uid for uid in site.pacs.stored() if uid in wanted]
        assert arrived.index(report.sop_instance_uid) == len(arrived) - 1
    assert_report_sent_last(site.node)


def test_nothing_unfinished_is_left(site: Site) -> None:
    data: Path = site.node.folder / "data"
    assert list((data / "incoming").iterdir()) == []
    files = {file.stem for file in (data / "results").rglob("*.dcm")}
    assert files == {one.sop_instance_uid for one in all_results(site.node)}
