"""Reading a manifest: CSV or JSON Lines with documented columns, or a folder that holds one."""

import csv
import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.data.case import Box, Case, ImageHeader, Outline, bounding_box, picture_header
from models.errors import TrainingError
from models.factors import AGES, CLINICAL, ENTERED, NEITHER, SEXES

VIEWS = ("hepatic veins", "right portal vein", "right posterior portal vein", "liver/kidney")
BACKGROUNDS = ("normal", "steatosis", "fibrosis")

MALIGNANT_TYPES: Mapping[str, int | None] = {
    "haemangioma": 0,
    "hepatocellular carcinoma": 1,
    "focal nodular hyperplasia": 0,
    "cyst": 0,
    "metastasis": 1,
    "focal fatty sparing": 0,
    "none": None,
}
"""Lesion types and whether each is malignant; 'none' is an image or region without a lesion."""

COLUMNS: Mapping[str, str] = {
    "id": "unique name of the image; images/<id>.jpg where there is no column image",
    "image": "picture or DICOM file, relative to the manifest",
    "patch": "the same as image, in the folder patches",
    "frame": "frame of a DICOM file, from 1 (default 1)",
    "patient": "pseudonym; splits never divide a patient (default: the image's own id)",
    "class": "normal, benign or malignant",
    "lesion": "0 or 1",
    "malignant": "0 or 1, only where there is a lesion",
    "type": ", ".join(MALIGNANT_TYPES),
    "outline": "the ultrasound fan: polygon [[x, y], …] in pixels",
    "liver": "polygon",
    "kidney": "polygon",
    "mass": "polygon, or a list of polygons",
    "box": "x0, y0, x1, y1 of the mass in pixels, or a list of them (default: around mass)",
    "view": ", ".join(VIEWS),
    "fat_percent": "reference fat fraction (MRI PDFF or biopsy) in per cent",
    "pdff": "the same as fat_percent",
    "hepatorenal_index": "liver over kidney echo level",
    "background": ", ".join(BACKGROUNDS),
    "spacing": "mm per pixel (default: the DICOM file's, where its regions are calibrated)",
    "kind": "what an image shows that shows no liver, in a word: heart, vessel, …; empty: liver",
    "width": "of the image in pixels; not used",
    "height": "of the image in pixels; not used",
    "liver_x": "corner of the liver region in pixels; with liver_y, kidney_x, kidney_y; not used",
    "liver_y": "",
    "kidney_x": "",
    "kidney_y": "",
    "age": "years (default: the DICOM file's)",
    "sex": "M or F (or 1 and 0); O is taken as not known (default: the DICOM file's)",
    **{
        name: f"{', '.join(factor.answers)} (or 0 and 1): {factor.meaning}"
        for name, factor in ENTERED.items()
    },
}
"""Every column a manifest may have, and what it holds. Empty cells mean: not known."""

_NAMES = ("annotations.jsonl", "manifest.jsonl", "manifest.csv", "frames.csv")
_CLASSES: Mapping[str, Mapping[str, int]] = {
    "normal": {"lesion": 0},
    "benign": {"lesion": 1, "malignant": 0},
    "malignant": {"lesion": 1, "malignant": 1},
}


def read_manifest(
    path: Path,
    read_header: Callable[[Case], ImageHeader] = picture_header,
    check: Callable[[Sequence[Case]], Mapping[int, str]] | None = None,
) -> list[Case]:
    """Every row of a manifest, in order.

    path : a .csv or .jsonl file, or a folder with one of annotations.jsonl, manifest.jsonl,
    manifest.csv and frames.csv. read_header : what an image's file says of itself; the default
    knows pictures only, as that of ``models.training.options.Options.read``. check : what is wrong
    with the cases of the other rows, by place, as ``models.data.decoding.undecodable`` says it;
    without it no image is decoded here. TrainingError lists every bad row with its line number,
    before anything else runs.
    """
    file = _file(path)
    cases: dict[int, Case] = {}
    wrong: dict[int, str] = {}
    known = _Known()
    for line, row in _rows(file):
        try:
            case = _case(row() if callable(row) else row, file.parent)
            header = read_header(case)
            _check_inside(case, header.size)
            spacing = header.spacing if case.spacing is None else case.spacing
            clinical = {**header.clinical, **case.clinical}
            case = replace(case, line=line, clinical=clinical, spacing=spacing)
            known.add(case)
        except (ValueError, TypeError, TrainingError) as error:
            wrong[line] = str(error)
            continue
        cases[line] = case
    if check is not None and cases:
        lines = list(cases)
        found = check(list(cases.values()))
        wrong |= {lines[place]: reason for place, reason in found.items()}
    if wrong:
        said = [f"line {line}: {wrong[line]}" for line in sorted(wrong)]
        raise TrainingError("\n  ".join([f"{file} is not usable", *said]))
    if not cases:
        raise TrainingError(f"{file} has no rows")
    return list(cases.values())


class _Known:
    """The rows above, which the next may not contradict."""

    def __init__(self) -> None:
        self._line: dict[str, int | None] = {}
        self._fat: dict[str, Case] = {}

    def add(self, case: Case) -> None:
        """ValueError for an id that was given, and for a patient's second fat fraction."""
        if case.id in self._line:
            raise ValueError(f"id {case.id!r} was given in line {self._line[case.id]} already")
        if case.fat_percent is not None:
            first = self._fat.setdefault(case.patient, case)
            if first.fat_percent != case.fat_percent:
                raise ValueError(
                    f"fat_percent {case.fat_percent:g}, and {first.fat_percent:g} of the same "
                    f"patient in line {first.line}; name each visit of a patient apart"
                )
        self._line[case.id] = case.line


def _check_inside(case: Case, size: tuple[int, int]) -> None:
    """ValueError where an outline or box lies beyond an image of that (width, height)."""
    places = {"outline": case.fan, "liver": case.liver, "kidney": case.kidney}
    boxes = [(name, bounding_box(line)) for name, line in places.items() if line]
    boxes += [("mass", bounding_box(mass)) for mass in case.masses]
    boxes += [("box", box) for box in case.boxes]
    for name, (x0, y0, x1, y1) in boxes:
        if x1 <= 0 or y1 <= 0 or x0 >= size[0] or y0 >= size[1]:
            raise ValueError(f"{name} lies beyond the image of {size[0]} x {size[1]} pixels")


def _file(path: Path) -> Path:
    if path.is_dir():
        found = [path / name for name in _NAMES if (path / name).is_file()]
        if not found:
            raise TrainingError(f"{path} holds no manifest: none of {', '.join(_NAMES)} is there")
        return found[0]
    if path.suffix not in (".csv", ".jsonl"):
        raise TrainingError(f"{path}: a manifest is a .csv or .jsonl file, or a folder with one")
    return path


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any] | Callable[[], Any]]]:
    """Line number and row; a row that may not parse as a call that raises ValueError."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{file} cannot be read ({error}); name a manifest") from error
    if file.suffix == ".csv":
        reader = csv.DictReader(text.splitlines())
        for row in reader:
            if None in row:
                yield reader.line_num, functools.partial(_too_long, len(reader.fieldnames or ()))
            else:
                yield reader.line_num, {key: value for key, value in row.items() if value != ""}
    else:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield number, functools.partial(json.loads, line)


def _too_long(columns: int) -> None:
    raise ValueError(
        f"more cells than the {columns} columns: put what holds commas in double quotes"
    )


def _case(row: Any, folder: Path) -> Case:
    if not isinstance(row, Mapping):
        raise ValueError("not an object with columns")
    unknown = sorted(str(key) for key in row if key not in COLUMNS)
    if unknown:
        raise ValueError(f"there is no column {', '.join(unknown)}; there are {', '.join(COLUMNS)}")
    row = {key: value for key, value in row.items() if value is not None}
    image = _image(row, folder)
    identity = str(
        row.get("id", image.stem if "frame" not in row else f"{image.stem}#{row['frame']}")
    )
    kind = _choice(row, "type", MALIGNANT_TYPES)
    labels = _labels(row, kind)
    masses = _outlines(row, "mass")
    boxes = _boxes(row) or tuple(bounding_box(mass) for mass in masses)
    if boxes and labels.get("lesion") == 0:
        raise ValueError("a mass or box contradicts class, type or lesion: they say there is none")
    return Case(
        id=identity,
        patient=str(row.get("patient", identity)),
        image=image,
        frame=_frame(row),
        labels=labels,
        type=kind,
        fan=_outline(row, "outline"),
        liver=_outline(row, "liver"),
        kidney=_outline(row, "kidney"),
        masses=masses,
        boxes=boxes,
        view=_choice(row, "view", VIEWS),
        fat_percent=_number(row, "fat_percent" if "fat_percent" in row else "pdff", 0.0, 100.0),
        hepatorenal_index=_number(row, "hepatorenal_index", 0.0, 100.0),
        background=_choice(row, "background", BACKGROUNDS),
        spacing=_number(row, "spacing", 0.001, 10.0),
        kind=str(row["kind"]).strip() or None if "kind" in row else None,
        clinical=_clinical(row),
    )


def _image(row: Mapping[str, Any], folder: Path) -> Path:
    if "image" in row:
        image = folder / str(row["image"])
    elif "patch" in row:
        image = folder / "patches" / str(row["patch"])
    elif "id" in row:
        image = folder / "images" / f"{row['id']}.jpg"
    else:
        raise ValueError("a row needs the column image, or id")
    if not image.is_file():
        raise ValueError(f"there is no image {image}")
    return image


def _frame(row: Mapping[str, Any]) -> int:
    """A frame is a number only where the file is DICOM; elsewhere it is the source's own count."""
    number = int(row.get("frame", 1))
    if number < 1:
        raise ValueError(f"frame {number}: frames are counted from 1")
    return number


def _labels(row: Mapping[str, Any], kind: str | None) -> dict[str, int]:
    """What class, type, lesion and malignant say; ValueError where one contradicts another."""
    labels: dict[str, int] = {}
    said = {
        "class": _CLASSES.get(_choice(row, "class", _CLASSES) or "", {}),
        "type": _of_type(kind),
        "lesion": {"lesion": _binary(row, "lesion")},
        "malignant": {"malignant": _binary(row, "malignant")},
    }
    by: dict[str, str] = {}
    for column, facts in said.items():
        for label, value in facts.items():
            if value is None:
                continue
            if labels.setdefault(label, value) != value:
                earlier = by[label]
                raise ValueError(f"{column} {row[column]!r} contradicts {earlier} {row[earlier]!r}")
            by.setdefault(label, column)
    if labels.get("malignant") == 1 and labels.get("lesion", 1) == 0:
        raise ValueError("malignant is 1 where lesion is 0")
    if labels.get("lesion") == 0:
        labels.pop("malignant", None)
    return labels


def _of_type(kind: str | None) -> dict[str, int]:
    if kind is None:
        return {}
    malignant = MALIGNANT_TYPES[kind]
    if malignant is None:
        return {"lesion": 0}
    others = {other: int(other == kind) for other in MALIGNANT_TYPES if other != "none"}
    return {"lesion": 1, "malignant": malignant, **others}


def _choice(row: Mapping[str, Any], key: str, allowed: Any) -> str | None:
    if key not in row:
        return None
    if row[key] not in allowed:
        raise ValueError(f"{key} {row[key]!r} is not one of {', '.join(allowed)}")
    return str(row[key])


def _number(row: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    if key not in row:
        return None
    try:
        value = float(row[key])
    except (TypeError, ValueError):
        raise ValueError(f"{key} {row[key]!r} is not a number") from None
    if not low <= value <= high or math.isnan(value):
        raise ValueError(f"{key} {value:g} is not between {low:g} and {high:g}")
    return value


def _binary(row: Mapping[str, Any], key: str) -> int | None:
    value = _number(row, key, 0, 1)
    if value not in (None, 0.0, 1.0):
        raise ValueError(f"{key} {value:g} is not 0 or 1")
    return None if value is None else int(value)


def _clinical(row: Mapping[str, Any]) -> dict[str, float]:
    answers = {"sex": SEXES, **{name: factor.answers for name, factor in ENTERED.items()}}
    said = {key: value for key, value in row.items() if key in answers}
    if said.get("sex") == NEITHER:
        del said["sex"]
    words = {key: answers[key].get(str(value), value) for key, value in said.items()}
    found = {"age": _number(row, "age", *AGES)}
    found.update({key: _factor(words, key, answers[key]) for key in CLINICAL if key != "age"})
    return {key: float(value) for key, value in found.items() if value is not None}


def _factor(row: Mapping[str, Any], key: str, answers: Mapping[str, float]) -> int | None:
    try:
        return _binary(row, key)
    except ValueError:
        raise ValueError(f"{key} {row[key]!r} is not one of {', '.join(answers)}, 0 or 1") from None


def _json(row: Mapping[str, Any], key: str) -> Any:
    value = row.get(key)
    if isinstance(value, str):
        try:
            return json.loads(value if value.lstrip().startswith("[") else f"[{value}]")
        except ValueError:
            raise ValueError(f"{key} is not JSON: {value[:40]!r}") from None
    return value


def _outline(row: Mapping[str, Any], key: str) -> Outline | None:
    found = _outlines(row, key)
    if len(found) > 1:
        raise ValueError(f"{key} holds {len(found)} polygons, one is allowed")
    return found[0] if found else None


def _outlines(row: Mapping[str, Any], key: str) -> tuple[Outline, ...]:
    value = _json(row, key)
    if not value:
        return ()
    try:
        polygons = value if isinstance(value[0][0], (list, tuple)) else [value]
        outlines = tuple(tuple((float(x), float(y)) for x, y in polygon) for polygon in polygons)
    except (TypeError, ValueError, IndexError, KeyError):
        raise ValueError(f"{key} is not a polygon [[x, y], …]") from None
    if any(len(outline) < 3 for outline in outlines):
        raise ValueError(f"{key} has fewer than 3 corners")
    if not all(math.isfinite(number) for outline in outlines for xy in outline for number in xy):
        raise ValueError(f"{key} has a corner that is no number")
    return outlines


def _boxes(row: Mapping[str, Any]) -> tuple[Box, ...]:
    value = _json(row, "box")
    if not value:
        return ()
    try:
        rows = value if isinstance(value[0], (list, tuple)) else [value]
        boxes = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in rows)
    except (TypeError, ValueError, IndexError, KeyError):
        raise ValueError("box is not x0, y0, x1, y1") from None
    if not all(x0 < x1 and y0 < y1 for x0, y0, x1, y1 in boxes):
        raise ValueError("box is not x0, y0, x1, y1 with x0 < x1 and y0 < y1")
    return boxes
