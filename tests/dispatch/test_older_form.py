"""The report in an older class: valid in it, the same content, another object."""

from __future__ import annotations

from pathlib import Path

import pytest
from highdicom.sr import ComprehensiveSR, EnhancedSR
from pydicom import Dataset, dcmread
from pydicom.uid import UID, ComprehensiveSRStorage, EnhancedSRStorage

from node.dispatch.older_form import form_uid, older_form
from node.identity import is_own, series_uid
from tests.workers.results.studies import (
    LATER,
    by_uid,
    frame_of,
    header_of,
    paired_of,
    pixels_of,
    prompted_of,
    results_of_file,
)
from tests.workers.results.tools import dciodvfy, dsrdump, write
from workers.results import build

READERS = {ComprehensiveSRStorage: ComprehensiveSR, EnhancedSRStorage: EnhancedSR}
PREDECESSOR = LATER.predecessors[0][1]


@pytest.fixture(params=["found", "pointed at", "a pair of regions"])
def report(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The second version of the report on a cine: a lesion found, or at a prompt, or a pair."""
    name = "examples_ybr_color.dcm"
    if request.param == "found":
        results = results_of_file(name, LATER)
    else:
        header, pixels = header_of(name), pixels_of(name)
        if request.param == "pointed at":
            findings = prompted_of(frame_of(header), (pixels.shape[0], pixels.shape[1]))
        else:
            findings = paired_of(frame_of(header), frame_of(header, 2))
        results = list(build(LATER, findings, by_uid(header), lambda _: pixels))
    (made,) = (one for one in results if one.kind == "report")
    return write(made, tmp_path)


def in_class(report: Path, sop_class: UID) -> Path:
    path = report.with_suffix(f".{sop_class}.dcm")
    path.write_bytes(older_form(report, sop_class)[1])
    return path


def predecessor(dataset: Dataset) -> tuple[str, str, str]:
    (series,) = dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    (one,) = series.ReferencedSOPSequence
    return series.SeriesInstanceUID, one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID


@pytest.mark.parametrize("sop_class", READERS)
def test_others_accept_it_and_read_the_same(report: Path, sop_class: UID) -> None:
    path = in_class(report, sop_class)
    assert dciodvfy(path) == []
    original = dsrdump(report)
    assert dsrdump(path).splitlines()[2:] == original.splitlines()[2:]
    content = READERS[sop_class].from_dataset(dcmread(path)).content
    assert content[0].ContentSequence == dcmread(report).ContentSequence


@pytest.mark.parametrize("sop_class", READERS)
def test_it_is_another_object_of_ours_in_its_own_series(report: Path, sop_class: UID) -> None:
    original, form = dcmread(report), dcmread(in_class(report, sop_class))
    assert form.SOPInstanceUID == form_uid(original.SOPInstanceUID, sop_class)
    assert form.file_meta.MediaStorageSOPInstanceUID == form.SOPInstanceUID
    assert form.file_meta.MediaStorageSOPClassUID == form.SOPClassUID == sop_class
    assert form.SeriesInstanceUID == series_uid(form.SOPInstanceUID)
    assert len({original.SOPInstanceUID, form.SOPInstanceUID}) == 2
    assert is_own(form)
    assert older_form(report, sop_class) == older_form(report, sop_class)


@pytest.mark.parametrize("sop_class", READERS)
def test_it_names_its_predecessor_in_its_own_class(report: Path, sop_class: UID) -> None:
    form = form_uid(PREDECESSOR, sop_class)
    named = predecessor(dcmread(in_class(report, sop_class)))
    assert named == (series_uid(form), sop_class, form)
