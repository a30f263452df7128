"""From attention to lesion, with the shipped joint system and a map of masses that marks what is
dark: what a trained map is worth is for its card to say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from scipy.ndimage import gaussian_filter

from models.bundle import Bundle
from models.errors import BundleError
from models.frame.fan_liver import Anatomy
from models.images.overlap import jaccard
from models.lesion.joint import JointReading
from models.registry import load_bundle, open_system, read_bundle
from node.settings import Analysis
from tests import bad_input
from tests.workers.test_prompted import TRUTH, lesion_image
from workers.analysis.found import Finder, MassMap
from workers.analysis.lesion import LesionPathway
from workers.analysis.outlining import Outliner
from workers.analysis.pathway import Conclusion
from workers.analysis.regions import ClassReader
from workers.findings import Abstention, FoundLesion, Reason
from workers.frames import StoredInstance, read, select
from workers.stages import Stages

Grey = NDArray[np.uint8]
ANALYSIS = Analysis(device="cpu", threads=1)
EMPTY = np.random.default_rng(1).gamma(9, 10, TRUTH.shape).clip(0, 255).astype(np.uint8)


class Darkness:
    """What is dark over some pixels is a mass. liver : of every image, where that is known."""

    def __init__(self) -> None:
        self.seen = 0
        self.liver: NDArray[np.bool_] | None = None

    def read(self, images: Sequence[Grey]) -> list[Anatomy]:
        self.seen += len(images)
        return [
            Anatomy(
                np.ones(image.shape, bool),
                self.liver,
                np.where(gaussian_filter(image, 4) < 45, np.float32(0.75), np.float32(0)),
            )
            for image in images
        ]


def bundle_of(system: str = "frame.fan_liver", labels: tuple[str, ...] = ("fan", "mass")) -> Bundle:
    return Bundle(
        name="fan-liver",
        folder=Path(),
        system=system,
        version="1.0.0",
        digest="ab" * 32,
        backbone="none",
        labels=labels,
        lacks=(),
        validation_status="not validated",
        card={"thresholds": {"mass": {"probability": 0.4}}},
    )


@pytest.fixture(scope="module")
def outliner() -> Outliner:
    bundle = load_bundle("lesion-joint")
    return Outliner(open_system(bundle), bundle)


@pytest.fixture
def darkness() -> Darkness:
    return Darkness()


@pytest.fixture
def finder(outliner: Outliner, darkness: Darkness) -> Finder:
    return Finder(MassMap(darkness, bundle_of()), outliner, (), Stages())


@pytest.fixture
def concluded(bundles: Path, tmp_path: Path, finder: Finder) -> Callable[..., Conclusion]:
    """What is concluded of these studies' images, by a detector that suspects a lesion in all."""
    detector = read_bundle(bundles / "lesion-attention")
    system = open_system(detector)

    def conclude(*datasets: Dataset, finds: Finder | None = finder) -> Conclusion:
        pathway = LesionPathway(system, detector, 4, lambda: finds)
        for dataset in datasets:
            uid = str(dataset.SOPInstanceUID)
            path = bad_input.write(dataset, tmp_path, uid)
            frames = select([StoredInstance(path, uid)], ANALYSIS).frames
            pathway.read(list(read(path, frames, ANALYSIS)))  # type: ignore[arg-type]
        return pathway.conclude()

    return conclude


def found_of(conclusion: Conclusion) -> list[FoundLesion]:
    assert all(isinstance(lesion, FoundLesion) for lesion in conclusion.lesions)
    return list(conclusion.lesions)  # type: ignore[arg-type]


def loop(*frames: Grey) -> Dataset:
    dataset = bad_input.study(frames[0])
    bad_input.multi_frame(dataset, len(frames))
    dataset.PixelData = b"".join(frame.tobytes() for frame in frames)
    return dataset


def test_the_liver_that_the_map_knows_goes_with_the_lesion_in_pixels_of_the_whole_frame(
    darkness: Darkness, concluded: Callable[..., Conclusion]
) -> None:
    dataset = bad_input.study(lesion_image())
    (region,) = dataset.SequenceOfUltrasoundRegions
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 20, 10
    rows, columns = TRUTH.shape
    shape = (
        min(region.RegionLocationMaxY1 + 1, rows) - 10,
        min(region.RegionLocationMaxX1 + 1, columns) - 20,
    )
    darkness.liver = np.zeros(shape, bool)
    darkness.liver[5:50, 7:60] = True
    (lesion,) = found_of(concluded(dataset))
    assert lesion.liver is not None
    wanted = np.zeros(TRUTH.shape, bool)
    wanted[15:60, 27:80] = True
    assert np.array_equal(lesion.liver, wanted)
    for nothing in (np.zeros(shape, bool), None):
        darkness.liver = nothing
        (lesion,) = found_of(concluded(dataset))
        assert lesion.liver is None


def two_lesions() -> Grey:
    return np.minimum(lesion_image(), lesion_image(180))


def test_a_suspected_lesion_is_outlined_and_measured(concluded: Callable[..., Conclusion]) -> None:
    conclusion = concluded(bad_input.study(lesion_image()))
    (lesion,) = found_of(conclusion)
    assert lesion.mask.shape == TRUTH.shape
    assert jaccard(lesion.mask, TRUTH) > 0.8
    assert lesion.outline_kind == "segmentation"
    assert lesion.diameters is not None
    assert lesion.diameters.long_mm == pytest.approx(120 / 2, abs=5)  # 0.5 mm per pixel
    assert lesion.area_mm2 == pytest.approx(lesion.area_pixels / 4)
    (x0, y0), (x1, y1) = lesion.box
    rows, columns = np.nonzero(TRUTH)
    assert (x0, y0, x1, y1) == pytest.approx(
        (columns.min(), rows.min(), columns.max(), rows.max()), abs=15
    )
    assert lesion.mass == pytest.approx(0.75)
    assert lesion.seen_in == (lesion.frame,)
    assert conclusion.abstentions == ()


def test_detector_and_joint_system_each_say_how_likely_it_is_malignant(
    concluded: Callable[..., Conclusion], outliner: Outliner
) -> None:
    conclusion = concluded(bad_input.study(lesion_image()))
    (lesion,) = found_of(conclusion)
    (frame,) = conclusion.readings
    assert lesion.probabilities == frame.probabilities, "the detector's"
    assert lesion.conditions == {
        "lesion": "of the frame as a whole, not of the outline",
        "malignant": "of the frame as a whole, not of the outline; if it is a lesion",
    }
    assert lesion.model.name == "lesion-attention"
    (reading,) = lesion.readings
    assert reading.model == lesion.outlined_by == outliner.model
    assert 0 < reading.probabilities["malignant"] < 1
    assert reading.conditions["malignant"].startswith("if it is a lesion; calibrated as if both")
    assert reading.conditions["malignant"].endswith("in a box that fan-liver gave, not an operator")
    (heatmap,) = conclusion.heatmaps
    assert heatmap.values is not None
    assert (heatmap.outline, heatmap.outlined) == (lesion.outline, lesion)
    joint = f"lesion-joint: malignant {reading.probabilities['malignant']:.0%}"
    assert heatmap.caption[-1].startswith(f"{joint} (interval of the calibration ")
    assert heatmap.caption[-2].startswith("Lesion 1: ")
    assert " mm, area " in heatmap.caption[-2]


def test_without_a_calibration_nothing_is_said_in_millimetres(
    concluded: Callable[..., Conclusion],
) -> None:
    dataset = bad_input.study(lesion_image())
    del dataset.SequenceOfUltrasoundRegions
    (lesion,) = found_of(concluded(dataset))
    assert lesion.diameters is not None
    assert (lesion.diameters.long_mm, lesion.area_mm2) == (None, None)
    assert math.dist(*lesion.diameters.long_axis) == pytest.approx(120, abs=10)


def test_two_masses_in_a_frame_are_two_lesions(concluded: Callable[..., Conclusion]) -> None:
    conclusion = concluded(bad_input.study(two_lesions()))
    first, second = found_of(conclusion)
    assert {first.tracking_id, second.tracking_id} == {"lesion 1", "lesion 2"}
    assert not (first.mask & second.mask).any()
    assert jaccard(first.mask | second.mask, TRUTH | np.roll(TRUTH, 180, axis=1)) > 0.75
    assert len(conclusion.heatmaps) == 2


def test_a_region_reader_sees_the_outline_and_not_the_lesion_beside_it(
    concluded: Callable[..., Conclusion],
    outliner: Outliner,
    darkness: Darkness,
    region_bundles: Path,
) -> None:
    bundle = read_bundle(region_bundles / "lesion-roi")
    reader = ClassReader(open_system(bundle), bundle, {})
    finds = Finder(MassMap(darkness, bundle_of()), outliner, [reader], Stages())
    for lesion in found_of(concluded(bad_input.study(two_lesions()), finds=finds)):
        assert [one.model.name for one in lesion.readings] == ["lesion-joint", "lesion-roi"]


def test_where_the_map_shows_nothing_the_finding_stays_what_was_attended_to(
    concluded: Callable[..., Conclusion],
) -> None:
    dataset = bad_input.study(EMPTY)
    conclusion = concluded(dataset)
    (lesion,) = conclusion.lesions
    assert lesion.outline_kind == "attention"
    assert lesion == concluded(dataset, finds=None).lesions[0]
    detail = f"frame 1 of {dataset.SOPInstanceUID}: 0% (threshold 40%)"
    assert conclusion.abstentions == (Abstention("lesion size", Reason.NOT_OUTLINED, detail),)


def test_without_a_finder_nothing_is_outlined_as_before(
    concluded: Callable[..., Conclusion],
) -> None:
    conclusion = concluded(bad_input.study(lesion_image()), finds=None)
    (lesion,) = conclusion.lesions
    assert (lesion.outline_kind, lesion.diameters) == ("attention", None)
    assert conclusion.abstentions == (Abstention("lesion size", Reason.NOT_MEASURED),)


def test_a_speck_is_not_followed_and_it_is_said(concluded: Callable[..., Conclusion]) -> None:
    image = lesion_image()
    image[300:312, 400:412] = 0
    conclusion = concluded(bad_input.study(image))
    assert len(found_of(conclusion)) == 1
    (note,) = conclusion.notes
    assert note.startswith(
        "Of the map of masses not followed: 1 part, smaller than 0.1% of the fan"
    )


def test_frames_that_are_not_suspected_are_not_looked_at(
    bundles: Path, tmp_path: Path, finder: Finder, darkness: Darkness
) -> None:
    detector = read_bundle(bundles / "lesion-attention")
    never = replace(detector, card={**detector.card, "thresholds": {"lesion": {"probability": 2}}})
    pathway = LesionPathway(open_system(detector), never, 4, lambda: finder)
    dataset = bad_input.study(lesion_image())
    path = bad_input.write(dataset, tmp_path, "image")
    frames = select([StoredInstance(path, "1.2")], ANALYSIS).frames
    pathway.read(list(read(path, frames, ANALYSIS)))  # type: ignore[arg-type]
    conclusion = pathway.conclude()
    assert (conclusion.lesions, len(conclusion.heatmaps)) == ((), 1)
    assert darkness.seen == 0


class Blind:
    """A joint system that outlines what it is told, and has no number for it."""

    def read_all(self, image: Grey, places: Sequence[object]) -> list[JointReading]:
        dark = gaussian_filter(image, 4) < 45
        one = JointReading(dark, dark.astype(np.float32), {"malignant": math.nan}, {})
        return [one for _ in places]


def test_a_malignancy_that_is_no_number_is_left_out_and_it_is_said(
    concluded: Callable[..., Conclusion], darkness: Darkness
) -> None:
    silent = Outliner(Blind(), load_bundle("lesion-joint"))
    finds = Finder(MassMap(darkness, bundle_of()), silent, (), Stages())
    dataset = bad_input.study(lesion_image())
    conclusion = concluded(dataset, finds=finds)
    (lesion,) = found_of(conclusion)
    assert lesion.readings == ()
    detail = f"frame 1 of {dataset.SOPInstanceUID}: lesion-joint"
    assert conclusion.abstentions == (Abstention("found malignancy", Reason.NO_NUMBER, detail),)


def test_an_outline_that_comes_twice_is_one_lesion(
    concluded: Callable[..., Conclusion], darkness: Darkness
) -> None:
    """The blind system outlines both masses in each box; what it draws is one part of them."""
    silent = Outliner(Blind(), load_bundle("lesion-joint"))
    finds = Finder(MassMap(darkness, bundle_of()), silent, (), Stages())
    assert len(found_of(concluded(bad_input.study(two_lesions()), finds=finds))) == 1


@pytest.mark.parametrize(
    "bundle", [bundle_of(system="frame.gate"), bundle_of(labels=("fan", "liver"))], ids=str
)
def test_a_bundle_without_a_map_of_masses_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"in analysis\.fan_liver_bundle, or none"):
        MassMap(Darkness(), bundle)


def test_one_lesion_in_the_frames_of_a_loop_is_one_finding(
    concluded: Callable[..., Conclusion],
) -> None:
    """It moves, and is not seen in the fourth frame."""
    frames = [lesion_image(12 * n) for n in range(6)]
    frames[3] = EMPTY
    dataset = loop(*frames)
    conclusion = concluded(dataset)
    (lesion,) = found_of(conclusion)
    assert [frame.number for frame in lesion.seen_in] == [1, 2, 3, 5, 6]
    assert lesion.frame in lesion.seen_in
    truth = np.roll(TRUTH, 12 * (lesion.frame.number - 1), axis=1)
    assert jaccard(lesion.mask, truth) > 0.7
    assert len(conclusion.readings) == 6
    assert conclusion.abstentions == ()


def test_the_same_lesion_in_two_images_is_two_findings(
    concluded: Callable[..., Conclusion],
) -> None:
    images = [bad_input.study(lesion_image()) for _ in range(2)]
    first, second = found_of(concluded(*images))
    assert first.frame.sop_instance_uid != second.frame.sop_instance_uid
    assert {first.tracking_id, second.tracking_id} == {"lesion 1", "lesion 2"}


def test_the_same_study_has_the_same_names_again(concluded: Callable[..., Conclusion]) -> None:
    study = [bad_input.study(two_lesions()), loop(lesion_image(), two_lesions())]
    once, again = (concluded(*study) for _ in range(2))
    assert len(once.lesions) == 4
    assert once.lesions == again.lesions
    assert len({lesion.tracking_id for lesion in once.lesions}) == 4
