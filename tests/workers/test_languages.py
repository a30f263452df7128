"""Results in a hospital's language: nothing that they say passes the table of messages by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pypdf import PdfReader

from node.settings import Analysis, Results
from tests import bad_input
from tests.bundles import write_view_bundle
from tests.languages import quoted, unsaid, write_table
from tests.workers.results.studies import LATER
from tests.workers.results.tools import dciodvfy, write
from tests.workers.test_prompted import BOX, lesion_image
from workers.analysis import LoadedModels, analyse, plan
from workers.findings import Frame, Prompt, Reason, StudyFindings
from workers.frames import StoredInstance, read, read_asked, select
from workers.key import result_settings
from workers.messages import ENGLISH, Language, say, speaking
from workers.messages.table import read_language
from workers.results import ResultObject, build, heatmap
from workers.results.sources import read_headers
from workers.snapshot import snapshot
from workers.stages import Stages

NAMES = {
    *("Tracking Identifier", "Algorithm Name", "Algorithm Version", "Algorithm Parameters"),
    *("Algorithm Manufacturer", "Device Observer Name", "Device Observer Manufacturer"),
    *("Device Observer Model Name", "Device Observer Serial Number"),
}
"""Text items of the report that hold what a program is called, or how a finding is found again."""

TEXTS = (
    *("SeriesDescription", "ImageComments", "DerivationDescription", "ContributionDescription"),
    *("ContentDescription", "SegmentLabel", "UnformattedTextValue", "GraphicLayerDescription"),
    *("DocumentTitle", "PresentationDescription", "PartialViewDescription"),
)
KNOWN = {
    *("lesion-attention", "lesion-joint", "lesion-dcnn-us", "lesion-roi", "fat-multiview", "gate"),
    *("fan-liver", "fat-hepatorenal", "view", "hepanode", "attention", "joint", "dcnn-us", "roi"),
    *("lesion", "prompt", "liver", "frame"),  # tracking identifiers: "lesion 1", "liver, frame 1"
}
QUOTING = (Reason.NOT_ULTRASOUND, Reason.UNSUPPORTED_CODEC, Reason.UNDECODABLE)
"""Reasons whose detail may be the name of a class or transfer syntax, or a decoder's own words."""

LEFT_OUT = (
    *(bad_input.no_pixel_data, bad_input.zero_frames, bad_input.bits_1, bad_input.lying_frames),
    *(
        bad_input.unsupported_codec,
        bad_input.lying_size,
        bad_input.truncated_jpeg,
        bad_input.no_rows,
    ),
    *(bad_input.decompression_bomb, bad_input.non_ultrasound, bad_input.malformed_dates),
)


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Language:
    return read_language(write_table(tmp_path_factory.mktemp("language") / "de.po", quoted))


@pytest.fixture(scope="module")
def settings(
    bundles: Path,
    region_bundles: Path,
    fan_liver: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Analysis:
    views = tmp_path_factory.mktemp("views")
    write_view_bundle(views, 1)
    return Analysis(
        bundle_folders=(bundles, region_bundles, fan_liver, views),
        dcnn_us_bundle="lesion-dcnn-us",
        roi_bundle="lesion-roi",
        view_bundle="view",
        fan_liver_bundle="fan-liver",
        device="cpu",
        threads=1,
    )


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Path]:
    """By SOP Instance UID: an image with a lesion of a patient whose header is full of faults, a
    loop, and what cannot be analysed for many reasons."""
    image = bad_input.study(lesion_image())
    image.PatientName, image.SpecificCharacterSet = "Müller^Jörg", "ISO_IR 100"
    loop = bad_input.study(lesion_image(40))
    bad_input.multi_frame(loop, 3)
    paths = [bad_input.write(image, tmp_path, "image"), bad_input.write(loop, tmp_path, "loop")]
    paths += [made(tmp_path) for made in LEFT_OUT]
    return {_uid(path): path for path in paths}


def _uid(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def test_all_that_a_study_says_is_in_the_language(
    study: dict[str, Path],
    settings: Analysis,
    language: Language,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []
    draw = heatmap.draw

    def watched(*arguments: Any, labels: Any, **named: Any) -> Any:
        drawn.extend((labels.warning, labels.title, *labels.numbers, *labels.remarks))
        drawn.extend((labels.original, labels.drawn))
        return draw(*arguments, labels=labels, **named)

    monkeypatch.setattr(heatmap, "draw", watched)
    with speaking(language):
        found = _read(study, settings)
        record = snapshot(found, 2, settings)
        objects = _build(found, study, settings)
    assert all((found.lesions, found.prompted, found.hepatorenal, found.fat))
    assert len({one.reason for one in found.dropped}) > 5
    said = {*drawn, *(text for one in objects for text in _texts(one)), *record["notes"]}
    said |= {one["detail"] for one in (*record["dropped"], *record["findings"]["abstentions"])}
    said |= set(record["findings"]["answer"]["sentences"])
    assert len(said) > 100
    unsaid_by_us = {one.detail for one in found.dropped if one.reason in QUOTING}
    left = {text: rest for text in said - unsaid_by_us if (rest := _english(text))}
    assert left == {}
    for one in objects:
        assert dciodvfy(write(one, tmp_path)) == []


def _read(study: dict[str, Path], settings: Analysis) -> StudyFindings:
    stored = [StoredInstance(path, uid) for uid, path in study.items()]
    first = stored[0]
    prompts = [
        Prompt(1, first.sop_instance_uid, 1, "box", BOX),
        Prompt(2, first.sop_instance_uid, 1, "point", (BOX[0],)),
        Prompt(3, first.sop_instance_uid, 1, "point", ((1.0, 1.0),)),
        Prompt(4, first.sop_instance_uid, 1, "hepatorenal", ((150.0, 200.0), (350.0, 220.0))),
        Prompt(5, first.sop_instance_uid, 1, "hepatorenal", ((2.0, 2.0), (350.0, 220.0))),
    ]
    selection, models = select(stored, settings), LoadedModels(settings)
    frames = (
        frame
        for ref in selection.frames
        for frame in read(study[ref.sop_instance_uid], [ref], settings)
    )
    asked = [(one, read_asked(first, 1, one.inside, settings)) for one in prompts]
    chosen = plan(models, settings, {one.kind for one in prompts})
    factors = {"age": 61.0, "hepatitis": 1.0}
    return analyse(chosen, frames, selection.dropped, models, settings, Stages(), asked, factors)


def _build(found: StudyFindings, study: dict[str, Path], settings: Analysis) -> list[ResultObject]:
    def source_of(ref: Any) -> Any:
        (frame,) = read(study[ref.sop_instance_uid], [ref], settings)
        assert isinstance(frame, Frame)
        return frame.source

    context = replace(LATER, patient_name=True)
    return list(build(context, found, read_headers(study), source_of))


def _texts(one: ResultObject) -> Iterator[str]:
    """What an object says to a reader, besides codes and what its source says."""
    for item in _items(one.dataset):
        for keyword in TEXTS:
            if text := item.get(keyword):
                yield str(text)
        if item.get("ValueType") == "TEXT":
            name = item.ConceptNameCodeSequence[0].CodeMeaning
            if name not in NAMES:
                yield str(item.TextValue)
    if one.kind == "document":
        pages = PdfReader(BytesIO(one.dataset.EncapsulatedDocument)).pages
        yield "\n".join(page.extract_text() for page in pages)


def _items(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _items(item)


def _english(text: str) -> str:
    """Words outside of every message that are no name."""
    words = re.findall(r"[A-Za-z][A-Za-z-]{2,}", unsaid(text))
    return " ".join(word for word in words if word.lower() not in KNOWN)


def test_letters_of_the_language_are_kept_and_the_patient_is_the_same(
    study: dict[str, Path], settings: Analysis, language: Language
) -> None:
    image = dict([next(iter(study.items()))])
    with speaking(language):
        results = _build(_read(image, settings), image, settings)
    (report,) = (one.dataset for one in results if one.kind == "report")
    assert report.SpecificCharacterSet == "ISO_IR 192"
    assert report.PatientName == "Müller^Jörg"
    assert report.SeriesDescription == "«AI liver ultrasound report», «not reviewed» «(version 2)»"
    tongue = report.ContentSequence[0].ConceptCodeSequence[0]
    assert (tongue.CodeValue, tongue.CodeMeaning) == ("de", "German")


def test_english_is_spoken_outside_and_afterwards(language: Language) -> None:
    assert say("not reviewed") == "not reviewed"
    with speaking(language):
        assert say("not reviewed") == "«not reviewed»"
        with speaking(ENGLISH):
            assert say("not reviewed") == "not reviewed"
        assert say("no table has this") == "no table has this"
    assert say("not reviewed") == "not reviewed"


def test_only_what_is_not_as_it_comes_counts_for_the_key(
    language: Language, tmp_path: Path
) -> None:
    assert result_settings(Results(), ENGLISH) == {}
    assert result_settings(Results(patient_name=True), ENGLISH) == {"patient_name": True}
    chosen = Results(messages=tmp_path / "any.po")
    assert result_settings(chosen, language) == {"messages": language.digest}
