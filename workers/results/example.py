"""A small study of which every kind of result is made: what the conformance statement looks at.

A colour loop of two frames with a lesion that was found, and a grey image with one that an operator
pointed at; a hepatorenal index, a fat estimate, and what was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from node.identity import uid
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
    ModelIdentity,
    Point,
    Prompt,
    PromptedLesion,
    Reason,
    RegionPair,
    RegionReading,
    StudyFindings,
)
from workers.results.objects import ResultContext, ResultObject
from workers.results.registry import build

_ROWS, _COLUMNS = 120, 160
_WINDOW = (0, 0, _COLUMNS, _ROWS)
_CORNERS = ((60.0, 40.0), (100.0, 40.0), (100.0, 80.0), (60.0, 80.0), (60.0, 40.0))
_SQUARES = ((20.0, 40.0), (40.0, 60.0)), ((60.0, 45.0), (80.0, 65.0))


def examples() -> list[ResultObject]:
    """The objects of three runs: of the study from lossy images, as a later version; of the same as
    a first one; of one in which nothing could be analysed. What all have is always there."""
    bare = {"SpecificCharacterSet": "ISO_IR 192", "TimezoneOffsetFromUTC": "+0000"}
    lossy = {
        **bare,
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "10",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    return [*_run(lossy, 2), *_run(bare, 1), *_run({}, 1, whole=False)]


def _run(attributes: Mapping[str, str], version: int, *, whole: bool = True) -> list[ResultObject]:
    loop = _header(UltrasoundMultiFrameImageStorage, "RGB", NumberOfFrames=2, **attributes)
    image = _header(UltrasoundImageStorage, "MONOCHROME2", **attributes)
    headers = {header.SOPInstanceUID: header for header in (loop, image)}
    frames = (_frame(loop, 1), _frame(loop, 2), _frame(image, 1))
    grey = np.full((_ROWS, _COLUMNS, 3), 90, np.uint8)
    findings = _findings(frames) if whole else StudyFindings(None, None, (), ())
    return list(build(_context(version), findings, headers, lambda _: grey))


def _context(version: int) -> ResultContext:
    earlier = (Comprehensive3DSRStorage, uid("example", "predecessor"))
    return ResultContext(
        result_key="00" * 32,
        version=version,
        predecessors=(earlier,) if version > 1 else (),
        replaced=((uid("example", "replaced"), *earlier),) if version > 1 else (),
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        run_id=1,
        node_name="example",
        node_serial="example",
        software_version="0",
    )


def _header(sop_class_uid: str, photometric: str, **attributes: object) -> Dataset:
    header = Dataset()
    header.SOPClassUID = sop_class_uid
    header.SOPInstanceUID = uid("example", "instance", sop_class_uid)
    header.SeriesInstanceUID = uid("example", "series")
    header.StudyInstanceUID = uid("example", "study")
    header.Modality, header.PhotometricInterpretation = "US", photometric
    header.Rows, header.Columns = _ROWS, _COLUMNS
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return header


def _frame(header: Dataset, number: int) -> FrameRef:
    return FrameRef(
        header.SOPInstanceUID,
        header.SOPClassUID,
        header.SeriesInstanceUID,
        number,
        int(header.get("NumberOfFrames", 1)),
    )


def _model(name: str) -> ModelIdentity:
    return ModelIdentity(name, "1.0.0", name.encode().hex(), "example", "example")


def _findings(frames: tuple[FrameRef, ...]) -> StudyFindings:
    detector, masses, joint = _model("detector"), _model("masses"), _model("joint")
    low, high = _CORNERS[0], _CORNERS[2]
    sure = {"lesion": Bounded(0.9, 0.8, 0.95)}
    drawn: dict[str, Any] = {
        "outline": _CORNERS,
        "outline_kind": "segmentation",
        "mask": _inside(low, high),
        "area_pixels": 1600,
        "area_mm2": 400.0,
        "diameters": Diameters((low, high), ((100.0, 40.0), (60.0, 80.0)), 28.0, 28.0),
        "outlined_by": joint,
        "conditions": {"malignant": "if it is a lesion"},
    }
    found = FoundLesion(
        tracking_id="lesion 1",
        frame=frames[0],
        probabilities={"lesion": 0.9, "malignant": 0.3, "another class": 0.1},
        model=detector,
        bounds=sure,
        readings=(RegionReading(joint, {"malignant": 0.4, "another class": 0.1}, {}),),
        box=(low, high),
        mass=0.8,
        located_by=masses,
        seen_in=frames[:2],
        **drawn,
    )
    prompted = PromptedLesion(
        tracking_id="prompt 1",
        frame=frames[2],
        probabilities={"malignant": 0.4},
        model=joint,
        prompt=Prompt(1, frames[2].sop_instance_uid, 1, "box", (low, high)),
        **drawn,
    )
    renal = _hepatorenal(frames[2])
    fat = FatFinding(8.0, 0.7, 0.3, ("hepatorenal",), frames, 1, _model("fat"))
    return StudyFindings(
        lesion_model=detector,
        fat_model=fat.model,
        joint_model=joint,
        fan_liver_model=masses,
        hepatorenal_model=renal.model,
        frames=frames,
        dropped=(
            Dropped(uid("example", "dropped"), 1, Reason.DOPPLER, "colour"),
            Dropped(uid("example", "dropped"), None, Reason.NOT_AN_IMAGE),
        ),
        readings=tuple(FrameReading(frame, {"lesion": 0.9}, sure) for frame in frames),
        lesions=(found,),
        prompted=(prompted,),
        fat=fat,
        hepatorenal=renal,
        abstentions=(
            Abstention("lesion size", Reason.NOT_MEASURED, "example"),
            Abstention("another question", Reason.TOO_DARK),
        ),
        heatmaps=(
            _map(frames[0], "lesion attention", detector, outline=_CORNERS, outlined=found),
            _map(frames[2], "prompted lesion", joint, outline=_CORNERS, outlined=prompted),
            _map(frames[2], "hepatorenal index", renal.model, pair=renal.pairs[0]),
            _map(frames[2], "fat activation", fat.model),
        ),
        thresholds={"lesion": 0.5},
        conditions={"malignant": "if it is a lesion"},
        notes=("example",),
    )


def _inside(low: Point, high: Point) -> NDArray[np.bool_]:
    mask = np.zeros((_ROWS, _COLUMNS), bool)
    mask[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])] = True
    return mask


def _hepatorenal(frame: FrameRef) -> HepatorenalFinding:
    prompt = Prompt(2, frame.sop_instance_uid, 1, "hepatorenal", ((30.0, 50.0), (70.0, 55.0)))
    pair = RegionPair(prompt, frame, *_SQUARES, 110.0, 90.0, 110 / 90, 5.0, 2.0)
    share = Bounded(0.6, 0.5, 0.7)
    return HepatorenalFinding(
        pair.index, Bounded(8.0, 2.0, 20.0), share, share, (pair,), _model("hepatorenal")
    )


def _map(frame: FrameRef, kind: str, model: ModelIdentity, **shown: Any) -> HeatmapFinding:
    return HeatmapFinding(
        frame=frame,
        kind=kind,
        values=np.full((4, 4), 0.5, np.float32),
        window=_WINDOW,
        signed=False,
        caption=("example",),
        model=model,
        **shown,
    )
