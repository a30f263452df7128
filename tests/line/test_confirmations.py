"""A whole node has its results confirmed by the PACS that it sent them to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.line.modality import aul_study, new_study
from tests.line.node import Node, running
from tests.orthanc import orthanc

pytestmark = pytest.mark.timeout(300)


def test_each_result_is_confirmed_and_a_lost_one_comes_back(tmp_path: Path, analysis: str) -> None:
    with orthanc(tmp_path / "pacs") as pacs:
        node = Node(tmp_path / "node", pacs=(pacs,), extra=analysis)
        pacs.introduce("HEPANODE", node.port)

        def confirmed() -> bool:
            found = node.deliveries()
            return bool(found) and all(one.state == "confirmed" for one in found)

        with running(node, "up"):
            node.send(*aul_study(tmp_path / "first"))
            node.until(confirmed)
            node.send(*new_study(tmp_path / "second"))
            node.until(lambda: node.runs_ended(2)() and confirmed())
            lost, *_ = node.deliveries()
            pacs.forget(lost.sop_instance_uid)
            assert node.cli("deliveries", "retry", "--again", str(lost.id)).returncode == 0
            node.until(confirmed)
        assert {one.confirmed_by for one in node.deliveries()} == {"commitment"}
        assert pacs.stored() == sorted(one.sop_instance_uid for one in node.deliveries())
