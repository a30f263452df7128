"""Pictures become ultrasound images that strict readers take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames

from node.association.wrap import Study
from node.errors import StorageError


def picture(folder: Path, name: str, mode: str, **options: object) -> Path:
    rng = np.random.default_rng(0)
    low = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(low).resize((161, 121), Image.Resampling.BICUBIC).convert(mode)
    image.save(folder / name, **options)
    return folder / name


CASES = [
    ("rgb.jpg", "RGB", {"quality": 90}, "1.2.840.10008.1.2.4.50", "YBR_FULL_422"),
    ("grey.jpg", "L", {"quality": 90}, "1.2.840.10008.1.2.4.50", "MONOCHROME2"),
    ("progressive.jpg", "RGB", {"progressive": True}, "1.2.840.10008.1.2.1", "RGB"),
    ("rgb.png", "RGB", {}, "1.2.840.10008.1.2.1", "RGB"),
    ("grey.png", "L", {}, "1.2.840.10008.1.2.1", "MONOCHROME2"),
    ("alpha.png", "RGBA", {}, "1.2.840.10008.1.2.1", "RGB"),
    ("palette.png", "P", {}, "1.2.840.10008.1.2.1", "RGB"),
]


@pytest.mark.parametrize(("name", "mode", "options", "syntax", "colour"), CASES)
def test_picture_is_a_valid_ultrasound_image(
    tmp_path: Path, name: str, mode: str, options: dict[str, object], syntax: str, colour: str
) -> None:
    source = picture(tmp_path, name, mode, **options)
    target = tmp_path / "wrapped.dcm"
    uid = Study(patient_id="TEST").wrap(source, target, mm_per_pixel=0.25, view="right lobe")
    dataset = dcmread(target)
    assert (dataset.SOPInstanceUID, dataset.PatientID) == (uid, "TEST")
    assert dataset.file_meta.TransferSyntaxUID == syntax
    assert dataset.PhotometricInterpretation == colour
    assert dataset.ImageComments == "right lobe"
    [region] = dataset.SequenceOfUltrasoundRegions
    assert (region.PhysicalDeltaX, region.RegionLocationMaxX1) == (0.025, 160)
    if syntax.endswith("4.50"):
        assert next(generate_frames(dataset.PixelData)).rstrip(b"\0") == source.read_bytes()
    else:
        with Image.open(source) as image:
            expected = np.asarray(image.convert("L" if colour == "MONOCHROME2" else "RGB"))
        assert np.array_equal(dataset.pixel_array, expected)
    dciodvfy = Path(sys.executable).with_name("dciodvfy")
    said = subprocess.run([dciodvfy, str(target)], capture_output=True, text=True).stderr
    assert "USImage" in said
    assert "Error" not in said, said


def test_one_study_numbers_its_images_and_another_has_new_uids(tmp_path: Path) -> None:
    source = picture(tmp_path, "a.png", "L")
    study = Study()
    for number in (1, 2):
        study.wrap(source, tmp_path / f"{number}.dcm")
    one, two = dcmread(tmp_path / "1.dcm"), dcmread(tmp_path / "2.dcm")
    assert (one.StudyInstanceUID, one.SeriesInstanceUID) == (study.study_uid, study.series_uid)
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert (one.InstanceNumber, two.InstanceNumber) == (1, 2)
    assert "SequenceOfUltrasoundRegions" not in one
    assert Study().study_uid != study.study_uid


def test_what_is_no_picture_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "a.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    with pytest.raises(StorageError, match="cannot be read as a picture"):
        Study().wrap(broken, tmp_path / "a.dcm")
    with pytest.raises(StorageError):
        Study().wrap(tmp_path / "missing.png", tmp_path / "a.dcm")
