"""A second patient's object under a study that is being read, or was read, on a running node."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.tracking import studies
from tests.line.modality import new_study, store, study_of
from tests.line.node import Node, running
from tests.scp import scp

pytestmark = pytest.mark.timeout(300)


def test_a_study_is_held_whenever_the_second_patient_comes(tmp_path: Path, analysis: str) -> None:
    (first,) = new_study(tmp_path / "first", PatientID="ONE")
    study = study_of(first)
    (during,) = new_study(tmp_path / "during", study_uid=study, PatientID="TWO")
    (second,) = new_study(tmp_path / "second", PatientID="ONE")
    (after,) = new_study(tmp_path / "after", study_uid=study_of(second), PatientID="TWO")
    with scp() as pacs:
        node = Node(tmp_path / "node", pacs=[pacs], extra=analysis)
        with running(node, "up"):
            store(node.port, [first])
            node.until(lambda: [run for run in node.runs() if run.state == "running"])
            store(node.port, [during])  # the first run opens the models: that takes seconds
            node.until(lambda: held(node, study))
            node.until(lambda: [run.state for run in node.runs()] == ["superseded"])
            assert node.results(study) == ()

            store(node.port, [second])
            node.until(node.all_sent)
            delivered = list(pacs.asked)
            store(node.port, [after])
            node.until(lambda: held(node, study_of(second)))
            assert node.cli("studies", "reprocess", study_of(second)).returncode != 0
        assert [run.state for run in node.runs()] == ["superseded", "done"]
        assert pacs.asked == delivered


def held(node: Node, study: str) -> bool:
    with node.database() as db:
        return studies.get(db, study).state == "held"
