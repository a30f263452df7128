"""A receiver killed inside every stage of taking an object: it comes again, and is there once.

A study of three objects for each point: the first is answered, the receiver is killed at the
second, and the third is never begun. Then the sender, which has no success, sends all again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from node.storage import InstanceStore
from node.tracking import Instance, instances
from tests.bad_input import real_image
from tests.conftest import postgres_database
from tests.line.conftest import redis_database
from tests.line.killing import Point, kill_at
from tests.line.modality import new_study, store, study_of, uid_of
from tests.line.node import Node, running
from tests.line.outcome import assert_pacs_agrees
from tests.scp import Scp, scp

pytestmark = pytest.mark.timeout(600)

RECORD = "node.tracking.instances:record_all"
POINTS = {
    "its data comes in": Point("after", "node.association.serving:Association._take_data", 5),
    "it is durable": Point("after", "node.storage:InstanceStore.place", 2),
    "its row is committed": Point("committing", RECORD, 2),
    "it is answered": Point("committed", RECORD, 2),
}
"""The fifth fragment: an object of 768 KiB comes in four PDUs of 256 KiB."""


@dataclass(frozen=True)
class Killed:
    """What was there when a receiver had been killed: numbers of objects, and the answered UIDs."""

    files: Sequence[Path]
    answered: Sequence[str]
    placed: int
    recorded: int
    unfinished: int
    again: Sequence[str]
    left: int


@dataclass(frozen=True)
class Site:
    node: Node
    pacs: Scp
    killed: dict[str, Killed]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, analysis: str
) -> Iterator[Site]:
    """A node that has read and delivered the studies at whose second objects it was killed."""
    folder = tmp_path_factory.mktemp("receivers")
    with scp() as pacs:
        if request.param == "sqlite":  # and the worker dispatches
            node = Node(folder / "node", pacs=[pacs], extra=analysis)
            yield site_of(node, pacs, "worker")
            return
        with postgres_database() as database_url, redis_database() as broker_url:
            node = Node(
                folder / "node",
                pacs=[pacs],
                extra=analysis,
                database_url=database_url,
                broker_url=broker_url,
            )
            yield site_of(node, pacs, "dispatcher", "worker")


def site_of(node: Node, pacs: Scp, *others: str) -> Site:
    with running(node):
        killed = {
            name: kill_and_send_again(node, point, node.folder / name)
            for name, point in POINTS.items()
        }
        node.start("receiver", *others)
        node.until(node.runs_ended(len(POINTS)))
        node.until(node.all_sent)
    return Site(node, pacs, killed)


def kill_and_send_again(node: Node, point: Point, folder: Path) -> Killed:
    files = new_study(folder, images=3, image=np.tile(real_image(), (2, 2)))
    answered: list[str] = []
    sender = threading.Thread(target=lambda: answered.extend(store(node.port, files)))
    kill_at(node, "receiver", point, meanwhile=sender.start)
    sender.join(60)
    assert not sender.is_alive()
    placed, recorded, unfinished = len(placed_of(node, files)), len(rows(node, files)), left(node)
    node.start("receiver")
    still_left = left(node)
    again = store(node.port, files)
    node.kill("receiver")
    return Killed(files, answered, placed, recorded, unfinished, again, still_left)


def placed_of(node: Node, files: Sequence[Path]) -> list[Path]:
    return list((node.folder / "data" / "instances" / study_of(files[0])).glob("*"))


def rows(node: Node, files: Sequence[Path]) -> tuple[Instance, ...]:
    with node.database() as db:
        return instances.list_of(db, study_of(files[0]))


def left(node: Node) -> int:
    return len(list((node.folder / "data" / "incoming").iterdir()))


@pytest.mark.parametrize(
    ("point", "placed", "recorded", "unfinished"),
    [
        ("its data comes in", 1, 1, 1),
        ("it is durable", 2, 1, 1),
        ("its row is committed", 2, 1, 1),
        ("it is answered", 2, 2, 1),
    ],
)
def test_a_receiver_was_killed_before(
    site: Site, point: str, placed: int, recorded: int, unfinished: int
) -> None:
    killed = site.killed[point]
    assert killed.answered == [uid_of(killed.files[0])]
    assert (killed.placed, killed.recorded, killed.unfinished) == (placed, recorded, unfinished)


@pytest.mark.parametrize("point", POINTS)
def test_after_it_is_sent_again_each_object_is_there_once_and_as_it_was_sent(
    site: Site, point: str
) -> None:
    killed = site.killed[point]
    sent = {uid_of(file): file for file in killed.files}
    assert killed.again == list(sent)
    recorded = {row.sop_instance_uid: row for row in rows(site.node, killed.files)}
    assert len(rows(site.node, killed.files)) == len(sent)
    kept = InstanceStore(site.node.folder / "data")
    for uid, file in sent.items():
        assert kept.same_content(kept.path(recorded[uid].path), file)
    on_record = {kept.path(row.path) for row in recorded.values()}
    assert {path.resolve() for path in placed_of(site.node, killed.files)} == on_record
    with site.node.database() as db:
        assert instances.conflicts_of(db, study_of(killed.files[0])) == ()


def test_the_next_receiver_removes_what_the_killed_one_left_unfinished(site: Site) -> None:
    assert [killed.left for killed in site.killed.values()] == [0] * len(POINTS)
    assert left(site.node) == 0
    assert list((site.node.folder / "data" / "conflicts").iterdir()) == []


def test_each_study_is_read_once_over_all_its_objects_and_delivered_once(site: Site) -> None:
    assert [run.state for run in site.node.runs()] == ["done"] * len(POINTS)
    by_study = {run.study_instance_uid: run for run in site.node.runs()}
    for killed in site.killed.values():
        snapshot = by_study[study_of(killed.files[0])].snapshot
        assert snapshot is not None
        used = {frame["sop_instance_uid"] for frame in snapshot["frames"]}
        assert used == {uid_of(file) for file in killed.files}
    assert len(site.pacs.asked) == len(site.pacs.stored())
    assert_pacs_agrees(site.node, site.pacs)
