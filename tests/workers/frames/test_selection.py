"""Which instances and frames are to be analysed."""

from pathlib import Path

import pytest
from pydicom import Dataset, uid

from node.errors import StorageError
from node.settings import Analysis
from tests import bad_input
from workers.findings import Reason
from workers.frames import Selection, StoredInstance, select
from workers.frames.sampling import evenly, quotas


def chosen(*datasets: Dataset, folder: Path, **settings: int) -> Selection:
    instances = [
        StoredInstance(
            bad_input.write(dataset, folder, dataset.SOPInstanceUID), dataset.SOPInstanceUID
        )
        for dataset in datasets
    ]
    forward = select(instances, Analysis(**settings))
    assert forward == select(instances[::-1], Analysis(**settings))
    return forward


def loop(frames: int) -> Dataset:
    dataset = bad_input.study(bad_input.real_image()[:128, :128])
    pixels = dataset.PixelData
    bad_input.multi_frame(dataset, frames)
    dataset.PixelData = pixels * frames
    return dataset


def test_frames_come_in_order_of_series_instance_number_and_frame(tmp_path: Path) -> None:
    second, first, third = loop(2), loop(1), loop(1)
    for dataset, series, number in (
        (first, "1.2.1", 9),
        (second, "1.2.2", 2),
        (third, "1.2.2", 10),
    ):
        dataset.SeriesInstanceUID, dataset.InstanceNumber = series, number
    frames = chosen(third, second, first, folder=tmp_path).frames
    assert [(frame.sop_instance_uid, frame.number) for frame in frames] == [
        (first.SOPInstanceUID, 1),
        (second.SOPInstanceUID, 1),
        (second.SOPInstanceUID, 2),
        (third.SOPInstanceUID, 1),
    ]


@pytest.mark.parametrize(
    ("sop_class", "modality", "reason"),
    [
        (uid.UltrasoundImageStorage, "US", None),
        (uid.UltrasoundMultiFrameImageStorage, "US", None),
        ("1.2.840.10008.5.1.4.1.1.6", "US", None),
        ("1.2.840.10008.5.1.4.1.1.3", "US", None),
        (uid.UltrasoundImageStorage, "OT", None),
        (uid.SecondaryCaptureImageStorage, "US", None),
        (uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage, "US", None),
        ("1.2.840.113619.4.2", "US", None),
        (uid.SecondaryCaptureImageStorage, "OT", Reason.NOT_ULTRASOUND),
        (uid.CTImageStorage, "CT", Reason.NOT_ULTRASOUND),
    ],
)
def test_ultrasound_is_known_by_class_or_modality(
    tmp_path: Path, sop_class: str, modality: str, reason: Reason | None
) -> None:
    dataset = loop(1)
    dataset.SOPClassUID, dataset.Modality = sop_class, modality
    selection = chosen(dataset, folder=tmp_path)
    assert [drop.reason for drop in selection.dropped] == ([] if reason is None else [reason])
    assert len(selection.frames) == (reason is None)


@pytest.mark.parametrize(
    "sop_class",
    [
        uid.ComprehensiveSRStorage,
        uid.EncapsulatedPDFStorage,
        uid.GrayscaleSoftcopyPresentationStateStorage,
    ],
)
def test_objects_without_an_image_are_kept_and_said_so(tmp_path: Path, sop_class: str) -> None:
    dataset = bad_input.study()
    del dataset.PixelData
    dataset.SOPClassUID = sop_class
    (drop,) = chosen(dataset, folder=tmp_path).dropped
    assert (drop.number, drop.reason) == (None, Reason.NOT_AN_IMAGE)


def test_own_results_are_not_even_opened() -> None:
    instance = StoredInstance(Path("nowhere.dcm"), "1.2.3", own_result=True)
    (drop,) = select([instance], Analysis()).dropped
    assert drop.reason is Reason.OWN_RESULT


def test_a_missing_file_is_a_fault_of_the_node_not_of_the_study() -> None:
    with pytest.raises(StorageError, match=r"nowhere\.dcm"):
        select([StoredInstance(Path("nowhere.dcm"), "1.2.3")], Analysis())


def test_a_loop_gives_evenly_spaced_frames_and_one_line_about_the_others(tmp_path: Path) -> None:
    selection = chosen(loop(100), folder=tmp_path, frames_per_cine=4)
    assert [frame.number for frame in selection.frames] == [13, 38, 63, 88]
    assert {frame.number_of_frames for frame in selection.frames} == {100}
    (drop,) = selection.dropped
    assert (drop.number, drop.reason) == (None, Reason.NOT_SAMPLED)
    assert drop.detail == "96 of 100 frames not sampled"


def test_a_large_study_gives_frames_of_every_instance(tmp_path: Path) -> None:
    selection = chosen(loop(30), loop(30), loop(1), folder=tmp_path, frames_per_study=9)
    counts = [frame.sop_instance_uid for frame in selection.frames]
    assert sorted(counts.count(instance) for instance in set(counts)) == [1, 4, 4]
    assert {drop.detail for drop in selection.dropped} == {
        "26 of 30 frames not sampled: a study gives 9 frames at most"
    }


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 13, 14, 15, 40])
def test_quotas_use_the_whole_limit_and_never_more(limit: int) -> None:
    counts = [1, 16, 3, 7, 1, 2]
    given = quotas(counts, limit)
    assert sum(given) == min(limit, sum(counts))
    assert all(0 <= gift <= count for gift, count in zip(given, counts, strict=True))


@pytest.mark.parametrize(("count", "wanted"), [(1, 16), (16, 16), (17, 16), (900, 16), (3, 0)])
def test_evenly_gives_distinct_rising_indices(count: int, wanted: int) -> None:
    indices = evenly(count, wanted)
    assert len(indices) == min(count, wanted)
    assert indices == sorted(set(indices))
    assert all(0 <= index < count for index in indices)
