"""Programs of others that judge our objects, and a plain reading of content trees."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from tests.peers import dcmtk
from workers.results import ResultObject, encode

_IODS = (
    "SCImage",
    "Segmentation",
    "GrayscaleSoftcopyPresentationState",
    "ColorSoftcopyPresentationState",
    "EncapsulatedPDF",
    "KeyObjectSelectionDocument",
    "Comprehensive3DSR",
    "ComprehensiveSR",
    "EnhancedSR",
)


def write(result: ResultObject, folder: Path) -> Path:
    path = folder / f"{result.sop_instance_uid}.dcm"
    path.write_bytes(encode(result))
    return path


def read_back(result: ResultObject, folder: Path) -> Dataset:
    return dcmread(write(result, folder))


def dciodvfy(path: Path) -> list[str]:
    """The errors that dicom3tools finds, in its words."""
    program = Path(sys.executable).with_name("dciodvfy")
    if not program.exists():
        pytest.skip("dicom3tools is not installed")
    done = subprocess.run(
        [program, path], capture_output=True, text=True, check=False, errors="replace"
    )
    said = (done.stdout + done.stderr).splitlines()
    assert any(line in _IODS for line in said), said
    return [line for line in said if line.startswith("Error")]


def dsrdump(path: Path) -> str:
    """The report as DCMTK prints it; fails when DCMTK cannot read it."""
    command = [dcmtk("dsrdump"), "+Pl", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    assert done.returncode == 0, done.stderr
    return done.stdout


def dcmpschk(path: Path) -> str:
    """What DCMTK says of a presentation state, warnings and errors, '' when it has nothing."""
    done = subprocess.run([dcmtk("dcmpschk"), path], capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip(" W:")]
    return "\n".join(line for line in said if not line.startswith(("W: Testing", "W: Test passed")))


def items(dataset: Dataset) -> Iterator[Dataset]:
    """Every content item under ``dataset``, depth first."""
    for item in dataset.get("ContentSequence", ()):
        yield item
        yield from items(item)


def name_of(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def value_of(item: Dataset) -> str:
    if item.ValueType == "CODE":
        return str(item.ConceptCodeSequence[0].CodeMeaning)
    if item.ValueType == "NUM":
        measured = item.MeasuredValueSequence[0]
        unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
        return f"{float(measured.NumericValue):g} {unit}"
    return str(item.get("TextValue", item.get("UID", item.ValueType)))


def said(report: ResultObject) -> list[tuple[str, str]]:
    return lines_of(report.dataset)


def lines_of(item: Dataset) -> list[tuple[str, str]]:
    """Name and value of every content item under ``item``."""
    return [(name_of(one), value_of(one)) for one in items(item)]


def groups_of(result: ResultObject) -> dict[str, list[tuple[str, str]]]:
    """By tracking identifier what each measurement group says."""
    groups = [i for i in items(result.dataset) if name_of(i) == "Measurement Group"]
    lines = [lines_of(group) for group in groups]
    return {dict(group)["Tracking Identifier"]: group for group in lines}
