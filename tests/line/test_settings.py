"""The configuration of a whole node is changed: what goes to the PACS then, and what does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import pytest

from node.tracking import Result
from tests.line.modality import new_study, store, study_of
from tests.line.node import Node, running
from tests.line.outcome import at_pacs, reports
from tests.orthanc import Orthanc, orthanc

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Site:
    node: Node
    pacs: Orthanc

    def configure(self, key: str, value: object) -> None:
        """Change a key that the file has, as an administrator does: with an editor."""
        text, changed = re.subn(
            f"^{key} = .*$", f"{key} = {value}", self.node.config.read_text(), flags=re.MULTILINE
        )
        assert changed == 1
        self.node.config.write_text(text)

    def restart(self) -> None:
        assert self.node.stop() == [0]
        self.node.start("up")

    def read(self, folder: Path, kinds: Sequence[str]) -> str:
        """A new study of two images; the kinds of its results at the PACS are to be these."""
        files = new_study(folder, images=2)
        store(self.node.port, files)
        self._settle(len(self.node.runs()) + 1)
        study = study_of(files[0])
        assert self.at_pacs(study, 1) == set(kinds)
        return study

    def reprocess(self, study: str) -> None:
        runs = len(self.node.runs())
        done = self.node.cli("studies", "reprocess", study)
        assert done.returncode == 0, done.stderr
        self._settle(runs + 1)

    def _settle(self, runs: int) -> None:
        self.node.until(self.node.runs_ended(runs))
        self.node.until(self.node.all_sent)

    def of_version(self, study: str, version: int) -> list[Result]:
        return [one for one in self.node.results(study) if one.version == version]

    def at_pacs(self, study: str, version: int) -> set[str]:
        """The kinds of a version of which the PACS has every object; of the others it has none."""
        stored = set(self.pacs.stored())
        made = self.of_version(study, version)
        held = {one.kind for one in made if one.sop_instance_uid in stored}
        assert not [one for one in made if one.kind in held and one.sop_instance_uid not in stored]
        return held


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, analysis: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("settings")
    with orthanc(folder / "pacs") as pacs:
        node = Node(folder / "node", pacs=[pacs], extra=f"{analysis}key_frames = 2\n")
        site = Site(node, pacs)
        site.configure("kinds", '["heatmap", "report"]')
        with running(node, "up"):
            yield site


@pytest.fixture(scope="module")
def study(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """It was read when the destination got heatmaps and the report."""
    return site.read(tmp_path_factory.mktemp("study"), ("heatmap", "report"))


def test_a_kind_that_is_turned_on_goes_when_a_study_is_read_again_and_one_turned_off_goes_no_more(
    site: Site, study: str, tmp_path: Path
) -> None:
    made, sent = site.node.results(study), {one.id: one.attempts for one in site.node.deliveries()}
    site.configure("kinds", '["summary", "report"]')
    site.restart()
    site.reprocess(study)
    assert site.node.results(study) == made, "nothing is made for a kind that all runs make"
    assert site.at_pacs(study, 1) == {"heatmap", "summary", "report"}
    again = {one.id: one.attempts for one in site.node.deliveries()}
    assert [again[one] for one in sent] == list(sent.values()), "only the summary was sent"
    assert len(again) == len(sent) + 1
    site.read(tmp_path, ("summary", "report"))


def test_a_changed_analysis_setting_makes_a_version_that_names_the_last_and_goes_to_the_pacs(
    site: Site, study: str
) -> None:
    before = site.node.results(study)
    site.configure("kinds", '["heatmap", "report", "rejection"]')
    site.configure("key_frames", 1)
    site.restart()
    site.reprocess(study)
    assert site.at_pacs(study, 2) == {"heatmap", "report", "rejection"}
    kinds = [[one.kind for one in site.of_version(study, version)] for version in (1, 2)]
    assert kinds[0].count("heatmap") > kinds[1].count("heatmap")
    first, second = reports(site.node, study)
    (named,) = at_pacs(site.pacs, second).PredecessorDocumentsSequence
    (series,) = named.ReferencedSeriesSequence
    (reference,) = series.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == first.sop_instance_uid
    *_, note = site.of_version(study, 2)
    assert {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in at_pacs(site.pacs, note).ContentSequence
        if item.ValueType in ("IMAGE", "COMPOSITE")
    } == {one.sop_instance_uid for one in before}
    assert site.node.results(study)[: len(before)] == before
    sent = [one for one in site.node.deliveries() if one.run_id == second.run_id]
    in_order = [one.kind for one in sorted(sent, key=attrgetter("sent_at"))]
    assert in_order == [kind for kind in kinds[1] if kind in ("heatmap", "report", "rejection")]
    told = site.node.cli("results", "diff", first.sop_instance_uid, second.sop_instance_uid)
    assert "key_frames" in told.stdout
