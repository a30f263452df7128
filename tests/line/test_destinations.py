"""Six destinations at once: each gets what it takes, and none holds up another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydicom import dcmread
from pydicom.uid import UID, EnhancedSRStorage

from node.tracking import Delivery
from tests.line.modality import aul_study
from tests.line.node import Node, running
from tests.line.outcome import all_results, assert_pacs_agrees, assert_report_sent_last
from tests.orthanc import Orthanc, orthanc
from tests.scp import CAPTURES, OTHERS, REPORTS, Scp, at_first, scp, slowly

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Site:
    """A node that has read one study, and its destinations pacs1 to pacs6 in this order."""

    node: Node
    down: Orthanc
    up: Orthanc
    of_old: Scp
    without_captures: Scp
    once_full: Scp
    slow: Scp

    def deliveries(self, number: int) -> list[Delivery]:
        """Those to pacs``number``, heatmaps first and the report last."""
        found = [one for one in self.node.deliveries() if one.destination == f"pacs{number}"]
        return sorted(found, key=lambda one: one.result_id)

    def sent(self, number: int) -> bool:
        return all(one.state in ("sent", "confirmed") for one in self.deliveries(number))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, analysis: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("destinations")
    down = Orthanc(folder / "down")
    with (
        orthanc(folder / "up") as up,
        scp((*CAPTURES, *OTHERS, EnhancedSRStorage)) as of_old,
        scp(REPORTS) as without_captures,
        scp(answer=at_first(0xA700)) as once_full,
        scp(answer=slowly(1)) as slow,
    ):
        peers = (down, up, of_old, without_captures, once_full, slow)
        node = Node(folder / "node", pacs=peers, extra=analysis)
        with running(node, "up"):
            node.send(*aul_study(folder / "study"))
            node.until(node.runs_ended(1))
            yield Site(node, *peers)
        down.kill()


def test_a_destination_that_is_up_waits_for_none_that_is_down_or_slow(site: Site) -> None:
    site.node.until(lambda: site.sent(2))
    assert len(site.slow.stored()) < len(all_results(site.node))
    assert_pacs_agrees(site.node, site.up)


def test_a_pacs_of_old_gets_the_report_in_the_class_that_it_takes(site: Site) -> None:
    site.node.until(lambda: site.sent(3))
    *captures, report = site.deliveries(3)
    assert report.sop_class_uid == EnhancedSRStorage
    assert report.sop_instance_uid not in {one.sop_instance_uid for one in all_results(site.node)}
    wanted = [one.sop_instance_uid for one in (*captures, report)]
    assert site.of_old.stored() == wanted
    assert [uid for uid, _ in site.of_old.asked] == wanted
    assert (
        dcmread(site.node.folder / "data" / report.path).SOPInstanceUID == report.sop_instance_uid
    )


def test_a_class_that_is_refused_is_recorded_with_the_reason_and_the_rest_goes(site: Site) -> None:
    site.node.until(lambda: site.sent(4) or site.deliveries(4)[-1].state in ("sent", "confirmed"))
    *captures, report = site.deliveries(4)
    assert {one.state for one in captures} == {"refused"}
    for one in captures:
        assert UID(one.sop_class_uid).name in one.last_error
    assert site.without_captures.stored() == [report.sop_instance_uid]


def test_a_pacs_that_is_out_of_resources_once_is_tried_again_and_gets_the_report_last(
    site: Site,
) -> None:
    site.node.until(lambda: site.sent(5))
    wanted = [one.sop_instance_uid for one in site.deliveries(5)]
    assert site.once_full.asked[0] == (wanted[0], 0xA700)
    assert site.once_full.stored() == wanted
    assert site.deliveries(5)[0].attempts == 2


def test_results_wait_for_a_pacs_that_is_down_and_go_when_it_is_back(site: Site) -> None:
    site.node.until(lambda: site.deliveries(1)[0].attempts >= 2)
    for waiting in site.deliveries(1):
        assert waiting.state == "pending"
        assert "refused" in waiting.last_error
    site.down.start()
    site.node.until(lambda: site.sent(1))
    assert_pacs_agrees(site.node, site.down)


def test_every_destination_gets_the_report_last(site: Site) -> None:
    site.node.until(lambda: site.sent(6))
    assert site.slow.stored() == [one.sop_instance_uid for one in site.deliveries(6)]
    assert_report_sent_last(site.node)
