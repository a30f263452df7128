"""An operator points at a lesion: the PACS gets a version with its outline, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from highdicom.seg import Segmentation
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import UltrasoundMultiFrameImageStorage, generate_uid

from models.data import Case, read_manifest, read_picture
from models.images.outlines import outline_mask
from models.images.overlap import jaccard
from node.association.wrap import Study
from node.tracking import Result
from tests.line.conftest import analysis_section
from tests.line.modality import store, study_of, uid_of
from tests.line.node import Node, running
from tests.line.outcome import assert_pacs_agrees, at_pacs, reports
from tests.orthanc import Orthanc, orthanc
from tests.peers import shared
from tests.workers.results.tools import items, name_of, value_of

pytestmark = pytest.mark.timeout(400)

MASS, FRAME = "malignant-010", 7


@dataclass(frozen=True)
class Site:
    """A node with a PACS; a study with a real mass, as a still and in one frame of a loop."""

    node: Node
    pacs: Orthanc
    case: Case
    study: str
    still: str
    loop: str

    def segment(self, *arguments: str) -> dict:
        """Call the command and wait until nothing is left to be done."""
        runs = len(self.node.runs())
        done = self.node.cli("studies", "segment", self.study[:30], *arguments, "--json")
        assert done.returncode == 0, done.stderr
        told: dict = json.loads(done.stdout)
        self.node.until(self.node.runs_ended(runs + (told["run"] is not None)))
        self.node.until(self.node.all_sent)
        return told

    def clinical(self, *arguments: str) -> dict:
        """The same of the command that enters clinical factors."""
        runs = len(self.node.runs())
        done = self.node.cli("studies", "clinical", self.study, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        told: dict = json.loads(done.stdout)
        self.node.until(self.node.runs_ended(runs + (told["run"] is not None)))
        self.node.until(self.node.all_sent)
        return told

    def latest(self) -> tuple[Result, Dataset]:
        newest = reports(self.node, self.study)[-1]
        return newest, at_pacs(self.pacs, newest)

    @property
    def box(self) -> str:
        """The mass of the annotation, with a little room around it."""
        x0, y0, x1, y1 = self.case.boxes[0]
        across, down = (x1 - x0) / 20, (y1 - y0) / 20
        return ",".join(f"{v:.0f}" for v in (x0 - across, y0 - down, x1 + across, y1 + down))


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, bundles: Path, region_bundles: Path
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("segment")
    case = next(c for c in read_manifest(shared() / "data" / "aul") if c.id == MASS)
    wrapped = Study(patient_id="AUL-1", patient_name="Aul^One")
    still, loop = folder / "still.dcm", folder / "loop.dcm"
    wrapped.wrap(case.image, still, mm_per_pixel=0.3)
    as_loop(still, loop, read_picture(case))
    section = analysis_section(bundles, region_bundles)
    section = section.replace("frames_per_cine = 3", "frames_per_cine = 2")
    section += 'dcnn_us_bundle = "lesion-dcnn-us"\nroi_bundle = "lesion-roi"\n'
    with orthanc(folder / "pacs") as pacs:
        node = Node(folder / "node", pacs=[pacs], extra=section)
        with running(node, "up"):
            store(node.port, [still, loop])
            node.until(node.runs_ended(1))
            node.until(node.all_sent)
            yield Site(node, pacs, case, study_of(still), uid_of(still), uid_of(loop))
            assert_pacs_agrees(node, pacs)


def as_loop(still: Path, loop: Path, picture: np.ndarray) -> None:
    """Ten JPEG frames, of which ``FRAME`` shows the mass, and the others the image upside down."""
    dataset = dcmread(still)
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.InstanceNumber, dataset.NumberOfFrames = 2, 10
    dataset.FrameTime, dataset.FrameIncrementPointer = "33.3", 0x00181063
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    if "PlanarConfiguration" in dataset:
        del dataset.PlanarConfiguration
    codestreams = [
        simplejpeg.encode_jpeg(np.ascontiguousarray(frame[..., None]), 90, "GRAY", "Gray")
        for frame in (picture, picture[::-1])
    ]
    dataset.PixelData = encapsulate([codestreams[n != FRAME] for n in range(1, 11)])
    dcmwrite(loop, dataset, enforce_file_format=True)


def prompted_groups(report: Dataset) -> list[Dataset]:
    return [
        item
        for item in items(report)
        if name_of(item) == "Measurement Group"
        and any(name_of(one) == "Who gave the place" for one in items(item))
    ]


def of_dcnn_us(report: Dataset) -> Dataset:
    """The probability that DCNN-US gives the first lesion that an operator pointed at."""
    (found,) = (
        item
        for item in items(prompted_groups(report)[0])
        if name_of(item) == "Probability of cancer"
        and any(value_of(one) == "lesion-dcnn-us" for one in item.get("ContentSequence", ()))
    )
    return found


def malignancy(report: Dataset) -> float:
    return float(value_of(of_dcnn_us(report)).removesuffix(" %"))


def conditions(report: Dataset) -> str:
    (said,) = (
        value_of(one)
        for one in of_dcnn_us(report).ContentSequence
        if name_of(one) == "Condition of the probability"
    )
    return said


def outline_of(group: Dataset) -> tuple[np.ndarray, Dataset]:
    """The polygon (N, 2), whole numbers the corners of pixels, and the reference to its frame."""
    (region,) = (item for item in items(group) if item.ValueType == "SCOORD")
    points = np.array(region.GraphicData).reshape(-1, 2)
    return points, region.ContentSequence[0].ReferencedSOPSequence[0]


def overlap(site: Site, points: np.ndarray) -> float:
    grey = read_picture(site.case)
    found = outline_mask([[(x - 0.5, y - 0.5) for x, y in points]], grey.shape)
    return jaccard(found, outline_mask(site.case.masses, grey.shape))


def test_a_mass_in_a_box_is_outlined_in_a_version_that_names_the_one_before(site: Site) -> None:
    before, _ = site.latest()
    told = site.segment("--instance", site.still, "--box", site.box)
    newest, report = site.latest()
    assert newest.version == before.version + 1
    (study,) = report.PredecessorDocumentsSequence
    (reference,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == before.sop_instance_uid
    (group,) = prompted_groups(report)
    points, frame = outline_of(group)
    assert frame.ReferencedSOPInstanceUID == site.still
    assert overlap(site, points) > 0.5
    lines = {name_of(item): value_of(item) for item in items(group)}
    assert lines["Long axis"].endswith(" mm")
    assert lines["Probability of cancer"].endswith(" %")
    assert {value_of(item) for item in items(group) if name_of(item) == "Algorithm Name"} == {
        *("lesion-joint", "lesion-dcnn-us", "lesion-roi")
    }
    version = [one for one in site.node.results(site.study) if one.version == newest.version]
    (segmentation,) = (one for one in version if one.kind == "segmentation")
    stored = Segmentation.from_dataset(at_pacs(site.pacs, segmentation))
    mask = stored.get_pixels_by_source_instance([site.still], segment_numbers=[1])[0, ..., 0]
    truth = outline_mask(site.case.masses, mask.shape)
    assert jaccard(mask.astype(bool), truth) > 0.5
    capture = at_pacs(site.pacs, [one for one in version if one.kind == "heatmap"][-1])
    assert capture.SeriesDescription.startswith("AI outline at an operator's prompt, not reviewed")
    assert told["run"] == newest.run_id

    made, held = site.node.results(site.study), site.pacs.stored()
    assert site.segment("--instance", site.still, "--box", site.box)["run"] is None
    again = site.node.cli("studies", "reprocess", site.study)
    assert again.returncode == 0
    site.node.until(site.node.runs_ended(len(site.node.runs())))
    assert site.node.results(site.study) == made
    assert site.pacs.stored() == held


def test_a_frame_of_a_loop_that_no_model_had_read_is_outlined_beside_the_first(site: Site) -> None:
    earlier = len(prompted_groups(site.latest()[1]))
    site.segment("--instance", site.loop, "--frame", str(FRAME), "--box", site.box)
    _, report = site.latest()
    groups = prompted_groups(report)
    assert len(groups) == earlier + 1, "no later version loses an outline"
    points, frame = outline_of(groups[-1])
    assert (frame.ReferencedSOPInstanceUID, frame.ReferencedFrameNumber) == (site.loop, FRAME)
    assert overlap(site, points) > 0.5
    used = site.node.runs()[-1].snapshot
    assert used is not None
    read = {(one["sop_instance_uid"], one["frame"]) for one in used["findings"]["readings"]}
    assert (site.loop, FRAME) not in read


def test_a_factor_that_a_model_reads_makes_a_version_and_one_that_none_reads_makes_none(
    site: Site,
) -> None:
    """The stand-in's model LBC knows age and hepatitis."""
    site.segment("--instance", site.still, "--box", site.box)  # stands already, or now
    before, report = site.latest()
    assert malignancy(report) > 0
    entered = site.clinical("--hepatitis", "B")
    after, changed = site.latest()
    assert (after.version, after.run_id) == (before.version + 1, entered["run"])
    assert malignancy(changed) > malignancy(report)
    assert "clinical factors: hepatitis" in conditions(changed)
    assert "taken as average: age" in conditions(changed)
    held = site.pacs.stored()
    assert site.clinical("--halo", "yes")["run"] is not None
    assert site.latest()[0] == after
    assert site.pacs.stored() == held
    site.clinical("--clear", "hepatitis")
    again, back = site.latest()
    assert malignancy(back) == malignancy(report)
    assert again.version == after.version + 1, "the PACS must be told"


def test_a_prompt_that_is_taken_back_leaves_the_next_version(site: Site) -> None:
    earlier = len(prompted_groups(site.latest()[1]))
    told = site.segment("--instance", site.still, "--point", "380,340")
    assert len(prompted_groups(site.latest()[1])) == earlier + 1
    site.segment("--remove", str(told["prompt"]["id"]))
    assert len(prompted_groups(site.latest()[1])) == earlier


def test_a_bad_prompt_changes_nothing(site: Site) -> None:
    runs, held = site.node.runs(), site.pacs.stored()
    for arguments in (
        ("--instance", site.still, "--box", "5,5,99999,99999"),
        ("--instance", site.loop, "--frame", "11", "--box", site.box),
        ("--instance", site.node.results(site.study)[0].sop_instance_uid, "--box", site.box),
    ):
        done = site.node.cli("studies", "segment", site.study, *arguments)
        assert done.returncode in (1, 2)
        assert done.stderr
        assert "Traceback" not in done.stderr
    assert site.node.runs() == runs
    assert site.pacs.stored() == held


def test_no_log_line_names_the_patient(site: Site) -> None:
    assert "AUL-1" not in site.node.logs()
    assert "Aul^One" not in site.node.logs()
