"""The document: the summary's words and pictures as a PDF whose text can be selected."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.uid import EncapsulatedPDFStorage
from pypdf import PdfReader

from tests.workers.results.studies import (
    CONTEXT,
    LATER,
    NOTHING,
    blank_header,
    by_uid,
    found_of,
    frame_of,
    header_of,
    paired_of,
    pixels_of,
    prompted_of,
)
from tests.workers.results.tools import dciodvfy, read_back, write
from workers.findings import StudyFindings
from workers.results import ResultContext, ResultObject, build, encode
from workers.results.header import clean
from workers.results.objects import ResultInputs
from workers.results.picture import Banner, Scale, Table, Thumbnails, Words, write_document
from workers.results.summary import blocks

LOOP = "examples_ybr_color.dcm"
HEADER, PIXELS = header_of(LOOP), pixels_of(LOOP)


def everything() -> StudyFindings:
    frames = [frame_of(HEADER, number) for number in (3, 12)]
    found = found_of(*frames, shape=PIXELS.shape[:2])
    pointed, paired = prompted_of(frames[0], PIXELS.shape[:2]), paired_of(*frames)
    return replace(
        found,
        prompted=pointed.prompted,
        heatmaps=found.heatmaps + pointed.heatmaps,
        hepatorenal=paired.hepatorenal,
        hepatorenal_model=paired.hepatorenal_model,
    )


def document_of(findings: StudyFindings, context: ResultContext = LATER) -> ResultObject:
    results = build(context, findings, by_uid(HEADER), lambda _: PIXELS)
    (found,) = (result for result in results if result.kind == "document")
    return found


def pdf_of(result: ResultObject) -> PdfReader:
    dataset = result.dataset
    content = dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]
    return PdfReader(BytesIO(content), strict=True)


def words_of(result: ResultObject) -> str:
    """Every word of every page, one space between them."""
    return " ".join(" ".join(page.extract_text() for page in pdf_of(result).pages).split())


def test_every_word_of_the_summary_can_be_selected() -> None:
    findings = everything()
    said = words_of(document_of(findings))
    inputs = ResultInputs(findings, by_uid(HEADER), clean(HEADER), lambda _: PIXELS)
    wanted: list[str] = []
    for block in blocks(LATER, inputs):
        match block:
            case Banner():
                wanted += [block.warning, block.title]
            case Words():
                wanted += [block.heading, *block.lines]
            case Table():
                wanted += [*" ".join(block.heads).split(), *(" ".join(row) for row in block.rows)]
            case Thumbnails():
                wanted += [one.caption for one in block.shown]
            case Scale():
                wanted += [f"{mark:g}%" for mark in block.marks]
    assert len(wanted) > 40
    for text in wanted:
        assert " ".join(text.split()) in said, text


def test_it_shows_the_pictures_of_the_summary_and_nothing_else_of_the_frame() -> None:
    pictures = [one for page in pdf_of(document_of(everything())).pages for one in page.images]
    assert len(pictures) == 3
    assert {one.image.size for one in pictures if one.image} == {(389, 292)}
    assert all(np.asarray(one.image).max() > 60 for one in pictures)


def test_what_does_not_fit_goes_to_a_further_page_and_no_block_is_parted() -> None:
    many = tuple(Words((f"number {n}", "second line"), heading=f"Heading {n}") for n in range(20))
    scale = Scale((0.0, 40.0), (0, 5), 3.0, (1.0, 9.0), "%")
    content = write_document([Banner("WARNING", "title"), *many, scale], "Title")
    pages = [page.extract_text() for page in PdfReader(BytesIO(content)).pages]
    assert len(pages) == 2
    for number in range(20):
        on = [page for page in pages if f"Heading {number}\n" in page]
        assert len(on) == 1
        assert f"number {number}\nsecond line" in on[0]
    assert [f"Title, page {n}" in page for n, page in enumerate(pages, start=1)] == [True, True]
    assert "number 19" in pages[1]
    assert "5%" in pages[1]


def test_others_accept_it_and_it_names_its_sources(tmp_path: Path) -> None:
    document = document_of(everything())
    assert dciodvfy(write(document, tmp_path)) == []
    dataset = read_back(document, tmp_path)
    assert dataset.SOPClassUID == EncapsulatedPDFStorage
    assert (dataset.Modality, dataset.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert dataset.EncapsulatedDocument.startswith(b"%PDF")
    assert dataset.VerificationFlag == "UNVERIFIED"
    (source,) = dataset.SourceInstanceSequence
    assert source.ReferencedSOPInstanceUID == HEADER.SOPInstanceUID
    assert dataset.SeriesDescription.endswith("PDF, not reviewed (version 2)")


def test_a_study_without_anything_to_analyse_has_one_that_says_so(tmp_path: Path) -> None:
    document = document_of(NOTHING)
    assert dciodvfy(write(document, tmp_path)) == []
    assert "Nothing could be analysed." in words_of(document)


def test_the_same_key_gives_the_same_bytes() -> None:
    first, again, other = (
        encode(document_of(everything(), one)) for one in (LATER, LATER, CONTEXT)
    )
    assert first == again != other


def test_no_patient_data_reaches_it() -> None:
    documents = []
    for name in ("Zweistein^Albert", "Noether^Emmy"):
        header = blank_header(PatientName=name, SeriesNumber=1)
        found = found_of(frame_of(header), shape=(480, 640))
        pixels = np.zeros((480, 640, 3), np.uint8)
        results = build(CONTEXT, found, by_uid(header), lambda _, of=pixels: of)
        (document,) = (one for one in results if one.kind == "document")
        documents.append(document.dataset.EncapsulatedDocument)
    assert documents[0] == documents[1]


def text_of(context: ResultContext, **patient: str) -> str:
    header = header_of(LOOP)
    for keyword, value in patient.items():
        setattr(header, keyword, value)
    results = build(context, everything(), by_uid(header), lambda _: PIXELS)
    (document,) = (result for result in results if result.kind == "document")
    return pdf_of(document).pages[0].extract_text()


def test_the_patient_is_named_only_where_a_hospital_wants_it() -> None:
    patient = {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "Müller^Jörg^Anton=米勒",
        "PatientID": "A-17",
        "PatientBirthDate": "19580302",
    }
    said = text_of(replace(LATER, patient_name=True), **patient)
    assert "Patient: Müller, Jörg Anton; ID A-17; born 1958-03-02" in said
    assert "ller" not in text_of(LATER, **patient)


def test_a_name_that_cannot_be_drawn_whole_is_not_drawn_at_all() -> None:
    patient = {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Li 丽^Wei", "PatientID": ""}
    said = text_of(replace(LATER, patient_name=True), **patient, PatientBirthDate="")
    assert "Patient: (in letters that this page cannot show); ID not known; born not known" in said
    assert "Wei" not in said
