"""What frames say together: the study's answer and how they came to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from node.settings import Analysis
from tests.workers.results.pieces import LESION_MODEL
from tests.workers.results.studies import (
    NOTHING,
    blank_header,
    by_uid,
    findings_of,
    found_of,
    frame_of,
    report_of,
)
from tests.workers.results.tools import said
from workers.answer import study_answer
from workers.findings import FrameReading, LesionFinding, StudyFindings
from workers.snapshot import snapshot

THRESHOLD = 0.5
HEADERS = [blank_header(instance=number, NumberOfFrames=30) for number in (1, 2, 3)]


def study(*images: tuple[float, ...]) -> StudyFindings:
    """The lesion probabilities of each image's frames; an attended region where one suspects."""
    readings = [
        FrameReading(frame_of(header, number), {"lesion": p})
        for header, image in zip(HEADERS, images, strict=False)
        for number, p in enumerate(image, start=1)
    ]
    lesions = [
        LesionFinding("", frame_of(header), (), "attention", {"lesion": max(image)}, LESION_MODEL)
        for header, image in zip(HEADERS, images, strict=False)
        if max(image) >= THRESHOLD
    ]
    return replace(
        NOTHING,
        lesion_model=LESION_MODEL,
        readings=tuple(readings),
        lesions=tuple(lesions),
        thresholds={"lesion": THRESHOLD},
    )


def sentences(findings: StudyFindings) -> tuple[str, ...]:
    answer = study_answer(findings)
    assert answer is not None
    return answer.sentences


def test_one_frame_is_enough_and_the_counts_are_said() -> None:
    answer = study_answer(study((0.1, 0.7, 0.2), (0.3,), (0.6, 0.9)))
    assert answer is not None
    assert answer.suspected
    assert (answer.suspecting_frames, answer.frames) == (3, 6)
    assert (answer.suspecting_images, answer.images, answer.divided_images) == (2, 3, 1)
    assert answer.sentences[0] == "Lesion suspected in 3 of 6 frames, in 2 of 3 images."
    assert answer.sentences[1].startswith("The frames disagree within 1 image. One that reaches")
    assert answer.sentences[-1].startswith("Findings of different images were not merged")


def test_no_frame_is_no_lesion_and_the_highest_probability_is_quoted_as_one_frames() -> None:
    findings = study((0.1, 0.25), (0.3,))
    first, second = sentences(findings)
    assert first == "No lesion suspected: none of 3 frames of 2 images reaches the threshold."
    assert second == (
        "The highest probability is 30% (threshold 50%), of frame 1 of "
        f"{HEADERS[1].SOPInstanceUID}. It is that frame's; none was computed for the study."
    )


def test_where_all_frames_agree_none_is_said_to_disagree() -> None:
    answer = study_answer(study((0.7, 0.8)))
    assert answer is not None
    assert not answer.divided
    assert not any("disagree" in sentence for sentence in answer.sentences)
    assert "merged" not in " ".join(answer.sentences), "there is one image"


def test_images_that_disagree_are_not_said_to_disagree_within_one() -> None:
    assert sentences(study((0.7,), (0.2,)))[1].startswith("The frames disagree. One that reaches")


def test_what_was_outlined_over_several_frames_is_said_to_be_one_finding() -> None:
    frames = [frame_of(HEADERS[0], number) for number in (1, 2)]
    told = sentences(found_of(*frames, shape=(48, 64)))
    assert "2 findings: 2 outlined and measured, 0 only where the detector looked." in told
    assert "Outlines that overlap from frame to frame of an image are one finding." in told
    single = sentences(found_of(frames[0], shape=(48, 64)))
    assert not any("overlap" in sentence for sentence in single)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_frame_whose_answer_is_no_number_does_not_speak(odd: float) -> None:
    answer = study_answer(study((0.1, odd)))
    assert answer is not None
    assert (answer.frames, answer.highest) == (1, 0.1)


def test_a_study_without_a_frame_has_no_answer() -> None:
    assert study_answer(NOTHING) is None
    assert snapshot(NOTHING, 1, Analysis())["findings"]["answer"] is None


def test_report_and_record_have_the_same_sentences() -> None:
    findings = study((0.1, 0.7), (0.3,))
    result = report_of(findings, by_uid(*HEADERS))
    told = [value for name, value in said(result) if name == "Answer for the study"]
    assert told == list(sentences(findings))
    record = snapshot(findings, 1, Analysis())["findings"]["answer"]
    assert record["sentences"] == told
    assert (record["suspected"], record["suspecting_frames"], record["images"]) == (True, 1, 2)


def test_the_report_counts_frames_and_images() -> None:
    lines = said(report_of(study((0.1, 0.7), (0.3,)), by_uid(*HEADERS)))
    for line in (
        ("Result of the lesion search", "At least one suspected lesion"),
        ("Number of frames examined", "3 {frames}"),
        ("Number of frames with a suspected lesion", "1 {frames}"),
        ("Number of images examined", "2 {images}"),
        ("Number of images with a suspected lesion", "1 {images}"),
    ):
        assert line in lines


def test_a_study_that_is_read_has_an_answer_that_its_lesions_agree_with() -> None:
    findings = findings_of([frame_of(HEADERS[0])], (0, 0, 640, 480))
    answer = study_answer(findings)
    assert answer is not None
    assert answer.suspected == bool(findings.lesions)
    assert answer.highest == pytest.approx(0.934)
