"""The summary: the whole result on one page, in words that agree with the report."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from tests.workers.results.studies import (
    CONTEXT,
    LATER,
    NOTHING,
    blank_header,
    by_uid,
    findings_of,
    found_of,
    frame_of,
    header_of,
    paired_of,
    pixels_of,
    prompted_of,
)
from workers.findings import Abstention, FrameReading, Reason, Ruler, StudyFindings
from workers.results import ResultContext, ResultObject, build
from workers.results.header import clean
from workers.results.objects import ResultInputs
from workers.results.picture import Block, Rulers, Scale, Table, Thumbnails, Words
from workers.results.summary import LINES, ROWS, THUMBNAILS, blocks

One = TypeVar("One")
SHAPE = (240, 320)
HEADER = blank_header(SeriesNumber=2, InstanceNumber=7)
PIXELS = np.full((*SHAPE, 3), 60, np.uint8)


def page(findings: StudyFindings, context: ResultContext = CONTEXT) -> list[Block]:
    headers = by_uid(HEADER)
    return list(blocks(context, ResultInputs(findings, headers, clean(HEADER), lambda _: PIXELS)))


def one_of(kind: type[One], shown: list[Block]) -> One:
    (found,) = (block for block in shown if isinstance(block, kind))
    return found


def text(shown: list[Block]) -> str:
    return "\n".join(
        "\n".join((block.heading, *block.lines)) for block in shown if isinstance(block, Words)
    )


def summary_of(
    findings: StudyFindings, *headers: Dataset, context: ResultContext = CONTEXT
) -> ResultObject:
    results = build(context, findings, by_uid(*headers), lambda _: PIXELS)
    (found,) = (result for result in results if result.kind == "summary")
    return found


def test_a_suspected_lesion_has_its_row_and_its_picture() -> None:
    shown = page(found_of(frame_of(HEADER), shape=SHAPE))
    assert text(shown).startswith("\nLesion suspected in 1 of 1 frame, in 1 of 1 image.")
    assert "Highest probability 93% (threshold 50%), in series 2, image 7." in text(shown)
    table = one_of(Table, shown)
    assert table.heads[4:] == tuple(
        f"malignant,\n{name}" for name in ("attention", "joint", "dcnn-us", "roi")
    )
    assert table.rows == tuple(
        (name, "2/7", "42 x 31 mm", "93%", "71%", "81%", "70%", "69%") for name in ("1", "2")
    )
    pictures = one_of(Thumbnails, shown).shown
    assert [(one.name, one.dashed) for one in pictures] == [("1", False), ("2", False)]


def test_where_the_detector_only_looked_nothing_is_measured_and_the_line_is_dashed() -> None:
    shown = page(findings_of([frame_of(HEADER)], (0, 0, SHAPE[1], SHAPE[0])))
    assert one_of(Table, shown).rows == (("1", "2/7", "not measured", "93%", "71%"),)
    (picture,) = one_of(Thumbnails, shown).shown
    assert picture.dashed
    assert "Lesion size: no model on this node outlines the lesion" in text(shown)


def test_what_an_operator_gave_is_no_suspicion() -> None:
    shown = page(prompted_of(frame_of(HEADER), SHAPE))
    row = one_of(Table, shown).rows[0]
    assert row[:4] == ("P5", "2/7", "42 x 31 mm", "given")
    assert one_of(Thumbnails, shown).shown[0].name == "P5"


def test_without_a_suspicion_the_nearest_frame_is_shown_and_there_is_no_table() -> None:
    found = findings_of([frame_of(HEADER)], (0, 0, SHAPE[1], SHAPE[0]))
    quiet = replace(
        found,
        lesions=(),
        readings=(FrameReading(frame_of(HEADER), {"lesion": 0.2}),),
        heatmaps=(replace(found.heatmaps[0], outline=()),),
    )
    shown = page(quiet)
    assert "No lesion suspected: none of 1 frame of 1 image reaches the threshold." in text(shown)
    assert not [block for block in shown if isinstance(block, Table)]
    (picture,) = one_of(Thumbnails, shown).shown
    assert picture.caption == "Nearest to a lesion: series 2, image 7"


def test_clinical_factors_that_are_known_are_drawn_as_a_nomogram_of_the_first_lesion() -> None:
    found = found_of(frame_of(HEADER), shape=SHAPE)
    assert not [block for block in page(found) if isinstance(block, Rulers)]
    drawn = (
        Ruler("points", ((0.0, "0"), (1.0, "100"))),
        Ruler("sex: male", ((0.0, "female"), (0.02, "male")), 0.02),
        Ruler("age (years): not known", ((0.0, "20"), (0.5, "90"))),
        Ruler("total points", ((0.0, "0"), (1.0, "120")), 1.3),
    )
    lesions = []
    for lesion in found.outlined:
        joint, first, *rest = lesion.readings
        conditions = {"malignant": "clinical factors: sex; taken as average: age"}
        with_factors = replace(first, nomogram=drawn, conditions=conditions)
        lesions.append(replace(lesion, readings=(joint, with_factors, *rest)))
    findings = replace(found, lesions=tuple(lesions))
    shown = page(findings)
    assert one_of(Rulers, shown).rulers == drawn
    assert "Image and clinical factors\nLesion 1, lesion-dcnn-us: read the points" in text(shown)
    assert "Malignant 70%: clinical factors: sex; taken as average: age." in text(shown)
    before, after = (summary_of(one, HEADER).preview for one in (found, findings))
    assert before is not None
    assert after is not None
    assert after.shape[0] > before.shape[0] + 4 * 60


def test_two_estimates_of_fat_stand_on_scales_of_their_own() -> None:
    shown = page(paired_of(frame_of(HEADER)))
    renal, several = (block for block in shown if isinstance(block, Scale))
    assert (renal.value, renal.interval) == (16.2, (3.14, 40.0))
    assert (several.value, several.interval) == (12.34, None)
    assert {5, 10} < set(renal.marks)
    assert "16% of liver cells with fat, in 4 of 5 patients 3 to 40%." in text(shown)
    assert "Fat fraction 12%, from hepatorenal, subcostal." in text(shown)
    assert "fat-multiview: simulated data only." in text(shown)
    unknown = page(paired_of(frame_of(HEADER), known=False))
    assert len([block for block in unknown if isinstance(block, Scale)]) == 1


def test_fat_beyond_the_scale_lengthens_it() -> None:
    found = findings_of([frame_of(HEADER)], (0, 0, SHAPE[1], SHAPE[0]))
    assert found.fat is not None
    scale = one_of(Scale, page(replace(found, fat=replace(found.fat, fat_percent=43.0))))
    assert scale.ends == (0.0, 50.0)
    assert scale.marks[-1] == 50.0


def test_a_study_of_which_nothing_could_be_analysed_says_so() -> None:
    findings = replace(
        NOTHING,
        dropped=findings_of([frame_of(HEADER)], (0, 0, 9, 9)).dropped,
        abstentions=(Abstention("study", Reason.NO_FRAMES),),
    )
    said = text(page(findings))
    assert said.startswith("\nNothing could be analysed.")
    assert "2 frames of 1 object: colour or spectral Doppler." in said
    assert "The study: no frame of the study could be analysed." in said
    result = summary_of(findings, HEADER)
    assert "SourceImageSequence" not in result.dataset


def test_every_model_stands_there_with_its_standing_and_the_version() -> None:
    said = text(page(found_of(frame_of(HEADER), shape=SHAPE), LATER))
    for model in ("lesion-attention 1.0: cross", "lesion-roi 2.1.0: not validated", "fan-liver"):
        assert model in said
    assert "Version 2; it replaces earlier results. Run 12 of hepanode at ward 3." in said


def test_a_study_full_of_findings_stays_one_page() -> None:
    found = found_of(frame_of(HEADER), shape=SHAPE)
    many = replace(
        found,
        lesions=found.lesions * 20,
        heatmaps=found.heatmaps * 20,
        abstentions=tuple(Abstention(f"thing {n}", Reason.NO_NUMBER) for n in range(20)),
    )
    shown = page(many)
    assert len(one_of(Table, shown).rows) == ROWS
    assert len(one_of(Thumbnails, shown).shown) == THUMBNAILS
    assert "and 32 more, see the report" in text(shown)
    assert f"and {20 - LINES + 1} more, see the report" in text(shown)
    picture = summary_of(many, HEADER).preview
    assert picture is not None
    assert picture.shape[1] == 1280
    assert picture.shape[0] < 3000
    assert picture[-32:].max() == 0, "the foot of the page was cut off"


@pytest.mark.parametrize("shape", [(60, 80), (900, 300), (1080, 1920), (1, 1)])
def test_frames_of_every_shape_find_their_place(shape: tuple[int, int]) -> None:
    findings = found_of(frame_of(HEADER), shape=shape)
    results = build(CONTEXT, findings, by_uid(HEADER), lambda _: np.zeros((*shape, 3), np.uint8))
    assert [result.preview.shape[1] for result in results if result.kind == "summary"] == [1280]


def test_no_patient_data_reaches_the_page() -> None:
    pictures = []
    for name, number in (("Zweistein^Albert", "77"), ("Noether^Emmy", "78")):
        header = blank_header(PatientName=name, PatientID=number, SeriesNumber=1)
        found = findings_of([frame_of(header)], (0, 0, SHAPE[1], SHAPE[0]))
        pictures.append(summary_of(found, header).preview)
    assert np.array_equal(*pictures)


def test_the_object_points_at_every_frame_that_was_read() -> None:
    header = header_of("examples_ybr_color.dcm")
    frames = [frame_of(header, number) for number in (3, 12)]
    pixels = pixels_of("examples_ybr_color.dcm", 12)
    findings = found_of(*frames, shape=pixels.shape[:2])
    results = build(LATER, findings, by_uid(header), lambda _: pixels)
    (result,) = (one for one in results if one.kind == "summary")
    dataset = result.dataset
    assert dataset.SOPClassUID == SecondaryCaptureImageStorage
    assert dataset.SeriesDescription == "AI liver ultrasound summary, not reviewed (version 2)"
    (source,) = dataset.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert list(source.ReferencedFrameNumber) == [3, 12]
    assert dataset.LossyImageCompression == "01"  # as its source
    assert dataset.ImageComments.startswith("AI result, not reviewed; Lesion suspected in 1 of 2")
    names = [one.ManufacturerModelName for one in dataset.ContributingEquipmentSequence]
    assert names == [model.name for model in findings.models]
