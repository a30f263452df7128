"""An operator points at liver and kidney: the PACS gets a version with the index, once."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset

from node.association.wrap import Study
from node.tracking import Result
from tests.line.conftest import analysis_section
from tests.line.modality import store, study_of
from tests.line.node import Node, running
from tests.line.outcome import assert_pacs_agrees, at_pacs, reports
from tests.orthanc import Orthanc, orthanc
from tests.peers import shared
from tests.workers.results.tools import dciodvfy, dsrdump, items, name_of, value_of

pytestmark = pytest.mark.timeout(400)

PATIENTS = (3, 9, 5)
HALF = 14  # byra-rois names the corner of a square, an operator points at its middle


@dataclass(frozen=True)
class Site:
    """A node with a PACS; real frames of Byra et al. as images of one study, each with the places
    that were measured in it and the index found there."""

    node: Node
    pacs: Orthanc
    study: str
    images: tuple[str, ...]
    places: tuple[dict[str, str], ...]
    indices: tuple[float, ...]
    folder: Path

    def __call__(self, *arguments: str) -> dict:
        """Call the command and wait until nothing is left to be done."""
        runs = len(self.node.runs())
        done = self.node.cli("studies", "hepatorenal", self.study[:30], *arguments, "--json")
        assert done.returncode == 0, done.stderr
        told: dict = json.loads(done.stdout)
        self.node.until(self.node.runs_ended(runs + (told["run"] is not None)))
        self.node.until(self.node.all_sent)
        return told

    def point_at(self, number: int, **other: str) -> dict:
        """The places in one of the images, or others."""
        places = self.places[number] | other
        named = [part for organ, at in places.items() for part in (f"--{organ}", at)]
        return self("--instance", self.images[number], *named)

    def latest(self) -> tuple[Result, Dataset]:
        newest = reports(self.node, self.study)[-1]
        return newest, at_pacs(self.pacs, newest)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Site]:
    folder, data = tmp_path_factory.mktemp("hepatorenal"), shared() / "data"
    with (data / "byra-rois" / "frames.csv").open() as lines:
        rows = {row["patient"]: row for row in csv.DictReader(lines) if row["frame"] == "1"}
    known = [rows[str(patient)] for patient in PATIENTS]
    wrapped = Study(patient_id="BYRA-1", patient_name="Byra^One")
    files = [folder / f"{patient}.dcm" for patient in PATIENTS]
    images = []
    for patient, file in zip(PATIENTS, files, strict=True):
        (picture,) = (data / "byra-ten").glob(f"patient-{patient}-fat-*.jpg")
        images.append(wrapped.wrap(picture, file, mm_per_pixel=0.45, view="right kidney liver"))
    with orthanc(folder / "pacs") as pacs:
        node = Node(folder / "node", pacs=[pacs], extra=analysis_section(bundles))
        with running(node, "up"):
            store(node.port, files)
            node.until(node.runs_ended(1))
            node.until(node.all_sent)
            yield Site(
                node=node,
                pacs=pacs,
                study=study_of(files[0]),
                images=tuple(images),
                places=tuple(
                    {
                        organ: f"{int(row[f'{organ}_x']) + HALF},{int(row[f'{organ}_y']) + HALF}"
                        for organ in ("liver", "kidney")
                    }
                    for row in known
                ),
                indices=tuple(float(row["hepatorenal_index"]) for row in known),
                folder=folder,
            )
            assert_pacs_agrees(node, pacs)


def groups(report: Dataset) -> dict[str, dict[str, str]]:
    """By tracking identifier what each measurement group says."""
    return {
        name: {name_of(item): value_of(item) for item in group}
        for name, group in measurement_groups(report).items()
    }


def measurement_groups(report: Dataset) -> dict[str, list[Dataset]]:
    """By tracking identifier the items of each."""
    found = {}
    for group in items(report):
        if name_of(group) == "Measurement Group":
            within = list(items(group))
            (tracked,) = [one for one in within if name_of(one) == "Tracking Identifier"]
            found[value_of(tracked)] = within
    return found


def index_of(lines: dict[str, str]) -> float:
    value, unit = lines["Hepatorenal index"].split()
    assert unit == "1"
    return float(value)


def test_a_pair_is_measured_as_the_curve_was_fitted_in_a_version_that_names_the_one_before(
    site: Site,
) -> None:
    before, _ = site.latest()
    told = site.point_at(0)
    newest, report = site.latest()
    assert newest.version == before.version + 1
    (study,) = report.PredecessorDocumentsSequence
    (reference,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == before.sop_instance_uid
    found = groups(report)
    whole, pair = found["Hepatorenal index"], found[f"prompt {told['prompt']['id']}"]
    assert index_of(whole) == index_of(pair) == pytest.approx(site.indices[0], abs=0.003)
    assert whole["Share of liver cells with fat, on the scale of biopsies"].endswith(" %")
    assert whole["Algorithm Name"] == "fat-hepatorenal"
    assert whole["Validation status of the model"] == "cross-validated on public data"
    assert float(pair["Difference in depth, kidney below liver"].split()[0]) == pytest.approx(
        0.45 * 63, abs=0.1
    )
    within = measurement_groups(report)[f"prompt {told['prompt']['id']}"]
    regions = [item for item in within if item.ValueType == "SCOORD"]
    for region, at in zip(regions, site.places[0].values(), strict=True):
        x, y = map(int, at.split(","))
        assert list(region.GraphicData)[:2] == [x - HALF, y - HALF]
        frame = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert frame.ReferencedSOPInstanceUID == site.images[0]
    version = [one for one in site.node.results(site.study) if one.version == newest.version]
    captures = [at_pacs(site.pacs, one) for one in version if one.kind == "heatmap"]
    (capture,) = (one for one in captures if one.SeriesDescription.startswith("Hepatorenal"))
    assert f"index {site.indices[0]:.2f} (liver 77 over kidney 78)" in capture.ImageComments
    assert not [one for one in version if one.kind == "segmentation"]
    assert told["run"] == newest.run_id
    for number, dataset in enumerate((report, capture)):
        file = site.folder / f"from-pacs-{number}.dcm"
        dataset.save_as(file)
        assert dciodvfy(file) == []
    assert "Cortex of kidney" in dsrdump(site.folder / "from-pacs-0.dcm")

    made, held = site.node.results(site.study), site.pacs.stored()
    assert site.point_at(0)["run"] is None
    assert site.node.cli("studies", "reprocess", site.study).returncode == 0
    site.node.until(site.node.runs_ended(len(site.node.runs())))
    assert site.node.results(site.study) == made
    assert site.pacs.stored() == held


def test_more_pairs_make_the_median_and_one_that_is_taken_back_leaves_it(site: Site) -> None:
    site.point_at(1)
    third = site.point_at(2)
    whole = groups(site.latest()[1])["Hepatorenal index"]
    _, middle, _ = sorted(site.indices)
    assert whole["Number of pairs measured"] == "3 {pairs}"
    assert whole["Derivation"] == "Median"
    assert index_of(whole) == pytest.approx(middle, abs=0.003)
    site("--remove", str(third["prompt"]["id"]))
    found = groups(site.latest()[1])
    assert f"prompt {third['prompt']['id']}" not in found
    first, second, _ = site.indices
    assert index_of(found["Hepatorenal index"]) == pytest.approx((first + second) / 2, abs=0.003)
    explained = site.node.cli("runs", "explain", str(site.node.runs()[-1].id)).stdout
    assert "the median of 2 pairs; liver cells with fat" in explained


def test_a_square_beyond_the_fan_is_an_abstention_in_the_report(site: Site) -> None:
    told = site.point_at(2, liver="30,30")
    report = site.latest()[1]
    (left_open,) = (i for i in items(report) if name_of(i) == "Hepatorenal index not answered")
    assert value_of(left_open) == "A region is black in part: no tissue, a vessel or a shadow"
    assert value_of(left_open.ContentSequence[0]).startswith(f"prompt {told['prompt']['id']}, ")
    assert groups(report)["Hepatorenal index"]["Number of pairs measured"] == "2 {pairs}"


def test_no_log_line_names_the_patient(site: Site) -> None:
    assert "BYRA-1" not in site.node.logs()
    assert "Byra^One" not in site.node.logs()
