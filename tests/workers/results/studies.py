"""Studies of real ultrasound files, with findings such as the analysis room makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut
from pydicom.uid import UltrasoundImageStorage

from tests.workers.results.pieces import (
    FAT_MODEL,
    JOINT_MODEL,
    LESION_MODEL,
    MASS_MODEL,
    READINGS,
    RENAL_MODEL,
    attention,
    ring,
)
from workers.findings import (
    Abstention,
    Bounded,
    Diameters,
    Dropped,
    FatFinding,
    FoundLesion,
    FrameReading,
    FrameRef,
    HeatmapFinding,
    HepatorenalFinding,
    LesionFinding,
    Prompt,
    PromptedLesion,
    Reason,
    RegionPair,
    RegionReading,
    StudyFindings,
)
from workers.results import ResultContext, ResultObject, build

CONTEXT = ResultContext(
    result_key="5e" * 32,
    version=1,
    predecessors=(),
    created_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    run_id=12,
    node_name="hepanode at ward 3",
    node_serial="node-1",
    software_version="0.1.0",
)
LATER = replace(
    CONTEXT,
    result_key="6f" * 32,
    version=2,
    predecessors=(("1.2.840.10008.5.1.4.1.1.88.34", "2.25.123"),),
    replaced=(
        ("2.25.7", "1.2.840.10008.5.1.4.1.1.7", "2.25.121"),
        ("2.25.7", "1.2.840.10008.5.1.4.1.1.7", "2.25.122"),
        ("2.25.8", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.123"),
    ),
)


@cache
def path_of(name: str) -> Path:
    """A file of pydicom-data."""
    path = get_testdata_file(name, download=False)
    assert path is not None, f"pydicom-data holds no {name}"
    return Path(path)


def header_of(name: str) -> Dataset:
    """What the node keeps of an instance: everything but the pixels, nothing decoded yet."""
    return dcmread(path_of(name), stop_before_pixels=True)


@cache
def pixels_of(name: str, number: int = 1) -> NDArray[np.uint8]:
    """One frame as a viewer shows it, (rows, columns, 3) uint8."""
    dataset = dcmread(path_of(name))
    frames = dataset.pixel_array
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        frames = apply_color_lut(frames, dataset)
    if frames.dtype == np.uint16:
        frames = (frames // 256).astype(np.uint8)
    if photometric == "MONOCHROME2":
        frames = np.repeat(frames[..., None], 3, axis=-1)
    if frames.ndim == 4:
        frames = frames[number - 1]
    return np.ascontiguousarray(frames)


def blank_header(series: int = 1, instance: int = 1, **attributes: object) -> Dataset:
    """An instance with nothing but the UIDs that the receiver insists on."""
    header = Dataset()
    header.SOPClassUID = UltrasoundImageStorage
    header.SOPInstanceUID = f"1.2.3.{series}.{instance}"
    header.SeriesInstanceUID = f"1.2.3.{series}"
    header.StudyInstanceUID = "1.2.3"
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return header


def frame_of(header: Dataset, number: int = 1) -> FrameRef:
    return FrameRef(
        sop_instance_uid=header.SOPInstanceUID,
        sop_class_uid=header.SOPClassUID,
        series_instance_uid=header.SeriesInstanceUID,
        number=number,
        number_of_frames=int(header.get("NumberOfFrames") or 1),
    )


def by_uid(*headers: Dataset) -> dict[str, Dataset]:
    return {header.SOPInstanceUID: header for header in headers}


def findings_of(
    frames: Sequence[FrameRef],
    window: tuple[int, int, int, int],
    *,
    diameters: Diameters | None = None,
    outline_kind: str = "attention",
) -> StudyFindings:
    """A lesion in the first frame, fat over all of them, two maps, and some things left out."""
    x0, y0, x1, y1 = window
    centre = (x0 + 0.6 * (x1 - x0), y0 + 0.45 * (y1 - y0))
    outline = ring(centre, (0.13 * (x1 - x0), 0.11 * (y1 - y0)))
    lesion = LesionFinding(
        tracking_id="Lesion 1",
        frame=frames[0],
        outline=outline,
        outline_kind=outline_kind,
        probabilities={"lesion": 0.934, "malignant": 0.7125},
        model=LESION_MODEL,
        diameters=diameters,
    )
    fat = FatFinding(
        fat_percent=12.34,
        p_5=0.913,
        p_10=0.642,
        views=("hepatorenal", "subcostal"),
        frames=tuple(frames),
        frames_of_unknown_view=1,
        model=FAT_MODEL,
    )
    signed = attention((16, 22), (6, 6), 4) - attention((16, 22), (16, 11), 3)
    return StudyFindings(
        lesion_model=LESION_MODEL,
        fat_model=FAT_MODEL,
        frames=tuple(frames),
        dropped=(
            Dropped("1.2.3.9.1", 1, Reason.DOPPLER, "colour"),
            Dropped("1.2.3.9.1", 2, Reason.DOPPLER, "colour"),
            Dropped("1.2.3.9.2", None, Reason.NOT_AN_IMAGE),
        ),
        readings=tuple(
            FrameReading(frame, {"lesion": 0.934 if i == 0 else 0.2})
            for i, frame in enumerate(frames)
        ),
        lesions=(lesion,),
        fat=fat,
        abstentions=(Abstention("lesion size", Reason.NOT_MEASURED),),
        heatmaps=(
            HeatmapFinding(
                frame=frames[0],
                kind="lesion attention",
                values=attention((16, 22), (13, 7), 2.6),
                window=window,
                signed=False,
                caption=("Lesion 93.4 %, malignant 71.3 %", "Not calibrated: no size in mm"),
                model=LESION_MODEL,
                outline=outline,
            ),
            HeatmapFinding(
                frame=frames[0],
                kind="fat activation",
                values=0.04 * signed,
                window=window,
                signed=True,
                caption=("Liver fat 12.3 %, at least 5 %: 91.3 %, at least 10 %: 64.2 %",),
                model=FAT_MODEL,
            ),
        ),
        thresholds={"lesion": 0.5, "malignant": 0.519},
        conditions={"malignant": "if it is a lesion"},
    )


def prompted_of(
    frame: FrameRef, shape: tuple[int, int], *, kind: str = "box", calibrated: bool = True
) -> StudyFindings:
    """A lesion at an operator's prompt, in the middle of a frame of ``shape``, and its capture."""
    rows, columns = shape
    (x, y), radii = (columns / 2, rows / 2), (columns / 8, rows / 8)
    box = ((x - 1.2 * radii[0], y - 1.2 * radii[1]), (x + 1.2 * radii[0], y + 1.2 * radii[1]))
    across, down = np.ogrid[:columns, :rows]
    inside = ((across - x) / radii[0]) ** 2 + ((down - y) / radii[1]) ** 2 <= 1
    axes = ((x - radii[0], y), (x + radii[0], y)), ((x, y - radii[1]), (x, y + radii[1]))
    lesion = PromptedLesion(
        tracking_id="prompt 5",
        frame=frame,
        outline=ring((x, y), radii),
        outline_kind="segmentation",
        probabilities={"malignant": 0.8125} if kind == "box" else {},
        model=JOINT_MODEL,
        diameters=Diameters(*axes, 42.25, 31.04) if calibrated else Diameters(*axes),
        prompt=Prompt(
            5, frame.sop_instance_uid, frame.number, kind, box if kind == "box" else ((x, y),)
        ),
        mask=inside.T,
        area_pixels=int(inside.sum()),
        area_mm2=1029.6 if calibrated else None,
        outlined_by=JOINT_MODEL,
        conditions={"malignant": "if it is a lesion"} if kind == "box" else {},
        readings=READINGS if kind == "box" else (),
    )
    return replace(
        findings_of([frame], (0, 0, columns, rows)),
        joint_model=JOINT_MODEL,
        prompted=(lesion,),
        heatmaps=(
            HeatmapFinding(
                frame=frame,
                kind="prompted lesion",
                values=None,
                window=(0, 0, columns, rows),
                signed=False,
                caption=("Prompt 5: 42 x 31 mm, area 10.3 cm2", "Malignant: 81 %"),
                model=JOINT_MODEL,
                outline=lesion.outline,
                outlined=lesion,
            ),
        ),
    )


def found_of(*frames: FrameRef, shape: tuple[int, int], calibrated: bool = True) -> StudyFindings:
    """Two lesions that were found in the first of an image's frames, the first of them in all."""
    rows, columns = shape
    lesions = tuple(
        _found(frames, (columns * (1 + 2 * place) / 4, rows / 2), shape, place, calibrated)
        for place in (0, 1)
    )
    base = findings_of(frames, (0, 0, columns, rows))
    return replace(
        base,
        joint_model=JOINT_MODEL,
        fan_liver_model=MASS_MODEL,
        lesions=lesions,
        abstentions=(),
        heatmaps=tuple(
            replace(base.heatmaps[0], outline=lesion.outline, outlined=lesion) for lesion in lesions
        ),
    )


def _found(
    frames: Sequence[FrameRef],
    centre: tuple[float, float],
    shape: tuple[int, int],
    place: int,
    calibrated: bool,
) -> FoundLesion:
    rows, columns = shape
    (x, y), (across, down) = centre, (columns / 10, rows / 8)
    columns_at, rows_at = np.ogrid[:columns, :rows]
    inside = ((columns_at - x) / across) ** 2 + ((rows_at - y) / down) ** 2 <= 1
    axes = ((x - across, y), (x + across, y)), ((x, y - down), (x, y + down))
    joint = RegionReading(JOINT_MODEL, {"malignant": 0.8125}, {"malignant": "if it is a lesion"})
    return FoundLesion(
        tracking_id=f"lesion {place + 1}",
        frame=frames[0],
        outline=ring((x, y), (across, down)),
        outline_kind="segmentation",
        probabilities={"lesion": 0.934, "malignant": 0.7125},
        model=LESION_MODEL,
        diameters=Diameters(*axes, 42.25, 31.04) if calibrated else Diameters(*axes),
        readings=(joint, *READINGS),
        mask=inside.T,
        area_pixels=int(inside.sum()),
        area_mm2=1029.6 if calibrated else None,
        outlined_by=JOINT_MODEL,
        conditions={"malignant": "if it is a lesion"},
        box=((x - across, y - down), (x + across, y + down)),
        mass=0.625,
        located_by=MASS_MODEL,
        seen_in=tuple(frames) if place == 0 else tuple(frames[:1]),
    )


def paired_of(*frames: FrameRef, calibrated: bool = True, known: bool = True) -> StudyFindings:
    """One pair of regions in each frame, 20 x 20 pixels, beside the rest of what is found."""
    pairs = tuple(
        RegionPair(
            prompt=Prompt(
                5 + place,
                frame.sop_instance_uid,
                frame.number,
                "hepatorenal",
                ((60.0, 80.0), (100.0, 90.0)),
            ),
            frame=frame,
            liver=((50.0, 70.0), (70.0, 90.0)),
            kidney=((90.0, 80.0), (110.0, 100.0)),
            liver_level=100.0 + 10 * place,
            kidney_level=80.0,
            index=(100.0 + 10 * place) / 80,
            depth_gap=10.0,
            depth_gap_mm=5.0 if calibrated else None,
        )
        for place, frame in enumerate(frames)
    )
    finding = HepatorenalFinding(
        index=float(np.median([pair.index for pair in pairs])),
        fat=Bounded(16.2, 3.14, 40.0) if known else None,
        p_5=Bounded(0.71, 0.52, 0.83) if known else None,
        p_10=Bounded(0.55, 0.4, 0.7) if known else None,
        pairs=pairs,
        model=RENAL_MODEL,
    )
    captures = tuple(
        HeatmapFinding(
            frame=pair.frame,
            kind="hepatorenal index",
            values=None,
            window=(0, 0, 200, 160),
            signed=False,
            caption=(f"Prompt {pair.prompt.id}: index {pair.index:.2f}",),
            model=RENAL_MODEL,
            pair=pair,
        )
        for pair in pairs
    )
    return replace(
        findings_of(frames, (0, 0, 200, 160)),
        hepatorenal_model=RENAL_MODEL,
        hepatorenal=finding,
        heatmaps=captures,
    )


def whole_of(*frames: FrameRef, shape: tuple[int, int]) -> StudyFindings:
    """All that a study can have: found lesions in a liver, a prompted one, both estimates of fat,
    every map."""
    found, paired = found_of(*frames, shape=shape), paired_of(*frames)
    liver = np.ones(shape, bool)
    pointed = prompted_of(frames[0], shape)
    fat = findings_of(frames, (0, 0, shape[1], shape[0])).heatmaps[1]
    return replace(
        found,
        lesions=tuple(replace(one, liver=liver) for one in found.lesions),  # type: ignore[call-arg]
        prompted=pointed.prompted,
        hepatorenal=paired.hepatorenal,
        hepatorenal_model=paired.hepatorenal_model,
        heatmaps=(*found.heatmaps, fat, *pointed.heatmaps),
    )


NOTHING = StudyFindings(lesion_model=None, fat_model=None, frames=(), dropped=())


def results_of_file(
    name: str, context: ResultContext = CONTEXT, number: int = 1
) -> list[ResultObject]:
    """The result set of a study that is one real file."""
    header = header_of(name)
    pixels = pixels_of(name, number)
    window = (0, 0, pixels.shape[1], pixels.shape[0])
    findings = findings_of([frame_of(header, number)], window)
    return list(build(context, findings, by_uid(header), lambda _: pixels))


def whole_set(
    header: Dataset, pixels: NDArray[np.uint8], *numbers: int, context: ResultContext = LATER
) -> list[ResultObject]:
    """Objects of every kind, over the named frames of one image."""
    frames = [frame_of(header, number) for number in numbers or (1,)]
    findings = whole_of(*frames, shape=(pixels.shape[0], pixels.shape[1]))
    return list(build(context, findings, by_uid(header), lambda _: pixels))


def report_of(
    findings: StudyFindings, headers: Mapping[str, Dataset], context: ResultContext = CONTEXT
) -> ResultObject:
    """The report alone."""
    black = np.zeros((240, 320, 3), np.uint8)
    results = build(context, replace(findings, heatmaps=()), headers, lambda _: black)
    return next(one for one in results if one.kind == "report")
