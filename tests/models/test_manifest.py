"""What a manifest may not say; every wrong row is named with its line."""

from __future__ import annotations

import json
import struct
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from models.data import (
    Case,
    Grey,
    picture_header,
    read_manifest,
    read_picture,
    undecodable,
)
from models.errors import TrainingError

MASS = [[10, 10], [30, 10], [30, 30]]


def read(folder: Path, *rows: dict[str, object]) -> list[Case]:
    """The manifest of these rows, which all show one picture of 80 x 60 pixels."""
    Image.new("L", (80, 60), 90).save(folder / "a.png")
    lines = [json.dumps({"id": str(number), "image": "a.png"} | r) for number, r in enumerate(rows)]
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return read_manifest(folder)


def refusal(folder: Path, *rows: dict[str, object]) -> str:
    with pytest.raises(TrainingError) as refused:
        read(folder, *rows)
    return str(refused.value)


def test_class_and_type_that_contradict_each_other_are_not_settled_in_silence(
    tmp_path: Path,
) -> None:
    said = refusal(
        tmp_path,
        {"class": "malignant", "type": "metastasis"},
        {"class": "malignant", "type": "cyst"},
        {"class": "benign", "type": "none"},
        {"class": "normal", "lesion": 1},
        {"type": "cyst", "malignant": 1},
    )
    assert "line 1" not in said
    assert "line 2: type 'cyst' contradicts class 'malignant'" in said
    assert "line 3: type 'none' contradicts class 'benign'" in said
    assert "line 4: lesion 1 contradicts class 'normal'" in said
    assert "line 5: malignant 1 contradicts type 'cyst'" in said


@pytest.mark.parametrize("none", [{"class": "normal"}, {"type": "none"}, {"lesion": 0}])
def test_where_there_is_no_lesion_none_is_outlined(tmp_path: Path, none: dict[str, object]) -> None:
    said = refusal(
        tmp_path, none | {"mass": MASS}, none | {"mass": []}, none | {"box": [1, 2, 3, 4]}
    )
    assert "line 1: a mass or box contradicts" in said
    assert "line 2" not in said
    assert "line 3: a mass or box contradicts" in said


def test_a_type_still_gives_every_label(tmp_path: Path) -> None:
    (case,) = read(tmp_path, {"class": "malignant", "type": "metastasis"})
    assert (case.labels["lesion"], case.labels["malignant"]) == (1, 1)
    assert (case.labels["metastasis"], case.labels["cyst"]) == (1, 0)


def test_every_file_that_is_no_image_is_named_before_any_is_read(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    said = refusal(tmp_path, {}, {"image": "text.png"}, {"image": "a.png"}, {"image": "empty.jpg"})
    assert "line 1" not in said
    assert f"line 2: {tmp_path / 'text.png'} is no picture" in said
    assert "line 3" not in said
    assert f"line 4: {tmp_path / 'empty.jpg'} is no picture" in said


def speckle(file: Path, *, cut: float = 0.0) -> Path:
    """A picture, without the last share of its file."""
    grey = np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)
    Image.fromarray(grey).save(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: round(len(whole) * (1 - cut))])
    return file


class Counting:
    """The reader of pictures, and which images it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, case: Case) -> Grey:
        self.asked.append((case.image.name, case.frame))
        return read_picture(case)


def test_images_that_break_off_within_their_pixels_are_listed_among_the_bad_rows(
    tmp_path: Path,
) -> None:
    speckle(tmp_path / "whole.jpg")
    speckle(tmp_path / "half.jpg", cut=0.5)
    speckle(tmp_path / "most.png", cut=0.1)
    rows = ["id,image,lesion", "a,whole.jpg,1", "b,half.jpg,0", "c,whole.jpg,7", "d,most.png,1"]
    rows += ["e,nowhere.png,1", "f,half.jpg,1"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    headers_are_fine = "\n".join(rows[:3] + rows[4:5])
    reader, shown = Counting(), list[tuple[str, int, int]]()
    check = partial(undecodable, read=reader, progress=lambda *row: shown.append(row))
    with pytest.raises(TrainingError) as refused:
        read_manifest(tmp_path, check=check)
    lines = str(refused.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [f"line {n}" for n in (3, 4, 5, 6, 7)]
    for line in (lines[0], lines[4]):
        assert f"{tmp_path / 'half.jpg'} cannot be decoded (image file is truncated" in line
    assert "lesion 7" in lines[1]
    assert f"{tmp_path / 'most.png'} cannot be decoded (image file is truncated" in lines[2]
    assert "there is no image" in lines[3]
    assert reader.asked == [("whole.jpg", 1), ("half.jpg", 1), ("most.png", 1)]
    assert shown[0] == ("images decoded", 0, 3)
    assert shown[-1] == ("images decoded", 3, 3)
    (tmp_path / "manifest.csv").write_text(headers_are_fine)
    assert len(read_manifest(tmp_path)) == 3, "without the check nothing is decoded"


def test_each_frame_of_a_file_is_an_image_of_its_own(tmp_path: Path) -> None:
    image = speckle(tmp_path / "a.png")
    cases = [Case(str(n), "p", image, frame=frame) for n, frame in enumerate((1, 2, 1))]
    reader = Counting()
    assert undecodable(cases, reader, lambda *_: None) == {}
    assert reader.asked == [("a.png", 1), ("a.png", 2)]


def test_a_png_whose_chunks_are_broken_is_no_error_of_its_own_kind(tmp_path: Path) -> None:
    """The first hundred bytes of its pixels are a chunk as it should be, what follows is none."""
    whole = speckle(tmp_path / "a.png").read_bytes()
    start = whole.index(b"IDAT")
    chunk = whole[start : start + 104]
    parts = (whole[: start - 4], struct.pack(">I", 100), chunk, struct.pack(">I", crc32(chunk)))
    (tmp_path / "a.png").write_bytes(b"".join(parts) + bytes(50))
    assert picture_header(Case("a", "a", tmp_path / "a.png")).size == (80, 60)
    found = undecodable([Case("a", "a", tmp_path / "a.png")], read_picture, lambda *_: None)
    assert "broken PNG file" in found[0]


def test_an_outline_beyond_the_image_is_refused(tmp_path: Path) -> None:
    far = [[x + 80, y] for x, y in MASS]
    said = refusal(
        tmp_path, {"mass": MASS}, {"mass": far}, {"liver": far}, {"box": [70, 61, 90, 80]}
    )
    assert "line 1" not in said
    assert "line 2: mass lies beyond the image of 80 x 60 pixels" in said
    assert "line 3: liver lies beyond" in said
    assert "line 4: box lies beyond" in said


def test_a_patient_has_one_fat_fraction(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        {"patient": "p", "fat_percent": 4},
        {"patient": "q", "fat_percent": 9},
        {"patient": "p"},
        {"patient": "p", "fat_percent": 9},
    )
    assert "line 4: fat_percent 9, and 4 of the same patient in line 1" in said
    assert said.count("line ") == 2


def test_a_row_knows_its_line(tmp_path: Path) -> None:
    assert [case.line for case in read(tmp_path, {}, {}, {})] == [1, 2, 3]


def test_cells_without_a_column_are_said_to_be_too_many(tmp_path: Path) -> None:
    Image.new("L", (80, 60), 90).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("id,image,box\na,a.png,1,2,30,40\n")
    with pytest.raises(TrainingError, match="line 2: more cells than the 3 columns"):
        read_manifest(tmp_path)


def test_the_node_s_own_answers_are_taken(tmp_path: Path) -> None:
    cases = read(
        tmp_path,
        {"hepatitis": "B", "halo": "yes", "sex": "F", "age": 63},
        {"hepatitis": "none", "vascularity": "no", "sex": "O"},
        {"hepatitis": "1", "sex": 1},
    )
    assert cases[0].clinical == {"hepatitis": 1, "halo": 1, "sex": 0, "age": 63}
    assert cases[1].clinical == {"hepatitis": 0, "vascularity": 0}
    assert cases[2].clinical == {"hepatitis": 1, "sex": 1}
    said = refusal(tmp_path, {"hepatitis": "D"}, {"sex": "X"}, {"halo": 2})
    assert "line 1: hepatitis 'D' is not one of none, B, C, B+C, 0 or 1" in said
    assert "line 2: sex 'X' is not one of F, M, 0 or 1" in said
    assert "line 3: halo 2 is not one of no, yes, 0 or 1" in said
