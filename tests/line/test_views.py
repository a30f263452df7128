"""A study of which DICOM names no view: a model names it where it knows, and the PACS is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from tests.bundles import write_bundles, write_view_bundle
from tests.line.conftest import analysis_section
from tests.line.modality import new_study, store, study_of
from tests.line.node import Node, running
from tests.line.outcome import assert_pacs_agrees, at_pacs, reports
from tests.orthanc import orthanc
from tests.workers.results.tools import items, name_of, value_of

pytestmark = pytest.mark.timeout(400)

COUNT = "Frames whose view a model named"


def said(report: Dataset) -> dict[str, str]:
    return {name_of(item): value_of(item) for item in items(report)}


def test_views_that_dicom_does_not_name_are_named_or_not_known(tmp_path: Path) -> None:
    bundles = write_bundles(tmp_path / "bundles", seed=1)
    write_view_bundle(bundles, seed=3)
    files = new_study(tmp_path / "study", images=2)
    extra = analysis_section(bundles) + 'view_bundle = "view"\n'
    with orthanc(tmp_path / "pacs") as pacs:
        node = Node(tmp_path / "node", pacs=[pacs], extra=extra)
        with running(node, "up"):

            def newest(runs: int) -> Dataset:
                node.until(node.runs_ended(runs))
                node.until(node.all_sent)
                return at_pacs(pacs, reports(node, study_of(files[0]))[-1])

            store(node.port, files)
            lines = said(newest(1))
            assert lines[COUNT] == "2 {frames}"
            assert lines["Image View"].endswith("; a model named that of 2 of the frames")
            explained = node.cli("runs", "explain", "1").stdout
            assert "2 frames whose view a model named" in explained
            assert "view 0.0.1 (simulated data only) named that of 2; of the other 0" in explained

            write_view_bundle(bundles, seed=3, limit=1.1)  # sure of nothing
            done = node.cli("studies", "reprocess", study_of(files[0]))
            assert done.returncode == 0, done.stderr
            lines = said(newest(2))
            assert COUNT not in lines
            assert lines["Frames of unknown view"] == "2 {frames}"
            explained = node.cli("runs", "explain", "2").stdout
            assert "named that of 0; of the other 2 it is not known" in explained
            assert_pacs_agrees(node, pacs)
