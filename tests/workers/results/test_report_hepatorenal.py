"""What the report says of the hepatorenal index."""

from __future__ import annotations

from tests.workers.results.studies import (
    blank_header,
    by_uid,
    frame_of,
    paired_of,
    report_of,
)
from tests.workers.results.tools import groups_of, items, lines_of, name_of
from workers.findings import StudyFindings
from workers.results import ResultObject

HEADER = blank_header(Rows=480, Columns=640)
FRAME = frame_of(HEADER)


def report(findings: StudyFindings) -> ResultObject:
    return report_of(findings, by_uid(HEADER))


def test_a_hepatorenal_index_stands_before_the_simulated_estimate_with_its_own_validation() -> None:
    result = report(paired_of(FRAME, FRAME))
    groups = groups_of(result)
    assert list(groups)[-4:] == ["Hepatorenal index", "prompt 5", "prompt 6", "Liver fat"]
    for line in (
        ("Algorithm Name", "fat-hepatorenal"),
        ("Hepatorenal index", "1.312 1"),
        ("Derivation", "Median"),
        ("Number of pairs measured", "2 {pairs}"),
        ("Share of liver cells with fat, on the scale of biopsies", "16.2 %"),
        ("+, range of upper measurement uncertainty", "23.8 %"),
        ("-, range of lower measurement uncertainty", "13.1 %"),
        ("Probability of fat in 5 % of liver cells or more", "71 %"),
        ("Probability of fat in 10 % of liver cells or more", "55 %"),
        ("Who gave the place", "An operator pointed at both; no model judges what they show"),
        ("Validation status of the model", "cross-validated on public data"),
        (
            "Validation figures of the model",
            "fat against biopsy: Spearman correlation 0.74 (0.54 to 0.85)",
        ),
    ):
        assert line in groups["Hepatorenal index"]
    assert "Fat fraction" not in dict(groups["Hepatorenal index"]), "a biopsy counts cells"
    assert ("Fat fraction", "12.3 %") in groups["Liver fat"]
    assert ("Validation status of the model", "simulated data only") in groups["Liver fat"]
    names = [item.ManufacturerModelName for item in result.dataset.ContributingEquipmentSequence]
    assert names == ["lesion-attention", "fat-hepatorenal", "fat-multiview"]


def test_each_pair_has_a_group_with_both_regions_in_the_frame() -> None:
    loop = blank_header(instance=2, Rows=480, Columns=640, NumberOfFrames=20)
    result = report_of(paired_of(FRAME, frame_of(loop, 7)), by_uid(HEADER, loop))
    group = groups_of(result)["prompt 6"]
    for line in (
        ("Hepatorenal index", "1.375 1"),
        ("Mean echo level, 0 to 255", "110 1"),
        ("Mean echo level, 0 to 255", "80 1"),
        ("Finding Site", "Liver"),
        ("Finding Site", "Cortex of kidney"),
        ("Difference in depth, kidney below liver", "5 mm"),
        (
            "What the operator gave, in pixels of the source frame",
            "liver at 60, 80; kidney at 100, 90",
        ),
    ):
        assert line in group
    named = [item for item in items(result.dataset) if name_of(item) == "Measurement Group"]
    (pair,) = (item for item in named if ("Tracking Identifier", "prompt 6") in lines_of(item))
    liver, kidney = (item for item in items(pair) if item.ValueType == "SCOORD")
    for region, corners in (
        (liver, [50, 70, 70, 70, 70, 90, 50, 90, 50, 70]),
        (kidney, [90, 80, 110, 80, 110, 100, 90, 100, 90, 80]),
    ):
        assert list(region.GraphicData) == corners
        reference = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == loop.SOPInstanceUID
        assert reference.ReferencedFrameNumber == 7


def test_one_pair_is_no_median_and_without_calibration_its_depth_is_in_pixels() -> None:
    groups = groups_of(report(paired_of(FRAME, calibrated=False)))
    assert "Derivation" not in dict(groups["Hepatorenal index"])
    assert ("Difference in depth, kidney below liver", "10 {pixels}") in groups["prompt 5"]


def test_an_index_beyond_those_fitted_on_is_measured_without_any_fat() -> None:
    lines = dict(groups_of(report(paired_of(FRAME, known=False)))["Hepatorenal index"])
    assert lines["Hepatorenal index"] == "1.25 1"
    assert not any("fat" in name for name in lines if name != "Finding")
