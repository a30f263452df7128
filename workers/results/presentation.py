"""Presentation states: the viewer draws the lesions on the image itself (PS3.3 A.33.1, A.33.2)."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Sequence
from functools import cache

from highdicom.color import CIELabColor
from highdicom.pr import AnnotationUnitsValues, GraphicObject, GraphicTypeValues, TextObject
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ColorSoftcopyPresentationStateStorage,
    GrayscaleSoftcopyPresentationStateStorage,
)

from workers.findings import FrameRef, LesionFinding, ModelIdentity, OutlinedLesion
from workers.messages import marked, say
from workers.results import header
from workers.results.capture import WARNING
from workers.results.content.outline import closed
from workers.results.content.references import frame_numbers, sop_reference
from workers.results.envelope import (
    contributing_equipment,
    ending,
    envelope,
    not_reviewed,
    set_series,
)
from workers.results.identity import object_uid, series_uid, tracking_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.values import plain

KIND = "presentation"
TITLE = marked("AI outlines of liver lesions")
DESCRIPTION = marked("AI outlines of liver lesions")
LAYER = "AI LESIONS"

_YELLOW, _BLACK = (list(CIELabColor(*lab).value) for lab in ((90, 0, 80), (0, 0, 0)))
_LOOKUP_TABLES = ("ModalityLUTSequence", "VOILUTSequence")
_RESCALE = ("RescaleIntercept", "RescaleSlope")
_WINDOW = ("WindowCenter", "WindowWidth")


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One state per image with an outlined, suspected or prompted lesion: Grayscale Softcopy for
    monochrome images, Color Softcopy for all others.

    A lesion without an outline is not drawn. A monochrome image that is shown through a lookup
    table of its own (Modality or VOI LUT Sequence) gets none, for a state has to say anew how the
    image is shown, and lookup tables are not repeated here; rescaling and a window are.
    """
    series = series_uid(object_uid(context.result_key, KIND, 1))
    for number, lesions in enumerate(_by_image(inputs), start=1):
        frame = lesions[0].frame
        source = inputs.headers.get(frame.sop_instance_uid, Dataset())
        dataset = envelope(context, inputs.source)
        dataset.SOPInstanceUID = object_uid(context.result_key, KIND, number)
        set_series(
            dataset,
            context,
            uid=series,
            offset=10,
            modality="PR",
            description=say(DESCRIPTION),
        )
        dataset.InstanceNumber = number
        dataset.BodyPartExamined = "LIVER"
        dataset.ContributingEquipmentSequence = contributing_equipment(_models(lesions))
        _identify(dataset)
        _refer(dataset, frame)
        dataset.DisplayedAreaSelectionSequence = [_whole(inputs, frame, source)]
        _annotate(dataset, context, lesions, source)
        if _is_grey(source):
            _show_grey(dataset, source)
        else:
            dataset.SOPClassUID = ColorSoftcopyPresentationStateStorage
            dataset.ICCProfile = _srgb()
            dataset.ColorSpace = "SRGB"
        yield ResultObject(KIND, UID(dataset.SOPClassUID), dataset.SOPInstanceUID, series, dataset)


def _by_image(inputs: ResultInputs) -> list[list[LesionFinding]]:
    """The lesions that can be drawn, image by image."""
    images: dict[str, list[LesionFinding]] = {}
    for lesion in (*inputs.findings.prompted, *inputs.findings.lesions):
        source = inputs.headers.get(lesion.frame.sop_instance_uid, Dataset())
        through_table = _is_grey(source) and any(name in source for name in _LOOKUP_TABLES)
        if closed(lesion.outline, source) is not None and not through_table:
            images.setdefault(lesion.frame.sop_instance_uid, []).append(lesion)
    return list(images.values())


def _is_grey(source: Dataset) -> bool:
    return header.read(source, "PhotometricInterpretation").startswith("MONOCHROME")


def _models(lesions: Sequence[LesionFinding]) -> list[ModelIdentity]:
    """Those that said where and those that drew, each once."""
    drawn = [one.outlined_by for one in lesions if isinstance(one, OutlinedLesion)]
    return list(dict.fromkeys([*(one.model for one in lesions), *drawn]))


def _identify(dataset: Dataset) -> None:
    """Presentation State Identification (PS3.3 C.11.10)."""
    dataset.ContentLabel = LAYER
    dataset.ContentDescription = ending(say(DESCRIPTION), not_reviewed())
    dataset.ContentCreatorName = ""
    dataset.PresentationCreationDate = dataset.ContentDate
    dataset.PresentationCreationTime = dataset.ContentTime
    del dataset.ContentDate, dataset.ContentTime


def _refer(dataset: Dataset, frame: FrameRef) -> None:
    """Presentation State Relationship (PS3.3 C.11.11): the image with all its frames, so that a
    loop still runs; each annotation names its own."""
    series = Dataset()
    series.SeriesInstanceUID = frame.series_instance_uid
    series.ReferencedImageSequence = [sop_reference(frame.sop_class_uid, frame.sop_instance_uid)]
    dataset.ReferencedSeriesSequence = [series]


def _whole(inputs: ResultInputs, frame: FrameRef, source: Dataset) -> Dataset:
    """Displayed Area (PS3.3 C.10.4): all of the image, as large as it fits."""
    size = source.get("Columns"), source.get("Rows")
    if not all(isinstance(length, int) for length in size):
        size = inputs.source_of(frame).shape[1::-1]
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = list(size)
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelAspectRatio = _aspect(source)
    return area


def _aspect(source: Dataset) -> list[int]:
    """Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7), 1 to 1 where there is none that is valid."""
    try:
        down, across = (int(part) for part in source.PixelAspectRatio)
    except (AttributeError, TypeError, ValueError):
        return [1, 1]
    return [down, across] if min(down, across) > 0 else [1, 1]


def _annotate(
    dataset: Dataset, context: ResultContext, lesions: Sequence[LesionFinding], source: Dataset
) -> None:
    """Graphic Annotation and Graphic Layer (PS3.3 C.10.5, C.10.7): an item for each lesion."""
    layer = Dataset()
    layer.GraphicLayer = LAYER
    layer.GraphicLayerOrder = 1
    layer.GraphicLayerDescription = plain(f"{say(TITLE)}; {say(WARNING)}", 64)
    dataset.GraphicLayerSequence = [layer]
    dataset.GraphicAnnotationSequence = []
    for lesion in lesions:
        ring = closed(lesion.outline, source)
        assert ring is not None
        name = plain(lesion.tracking_id, 64) or "-"
        uid = tracking_uid(context.result_key, lesion.tracking_id)
        outline = GraphicObject(
            GraphicTypeValues.POLYLINE,
            ring,
            AnnotationUnitsValues.PIXEL,
            tracking_id=name,
            tracking_uid=uid,
        )
        outline.LineStyleSequence = [_line(dashed=lesion.outline_kind == "attention")]
        x, y = ring[ring[:, 0].argmax()]
        label = TextObject(
            _label(lesion),
            AnnotationUnitsValues.PIXEL,
            anchor_point=(float(x), float(y)),
            tracking_id=name,
            tracking_uid=uid,
        )
        annotation = Dataset()
        image = sop_reference(lesion.frame.sop_class_uid, lesion.frame.sop_instance_uid)
        if (numbers := frame_numbers(lesion.frame)) is not None:
            image.ReferencedFrameNumber = numbers
        annotation.ReferencedImageSequence = [image]
        annotation.GraphicLayer = LAYER
        annotation.GraphicObjectSequence = [outline]
        annotation.TextObjectSequence = [label]
        dataset.GraphicAnnotationSequence.append(annotation)


def _label(lesion: LesionFinding) -> str:
    """What stands beside an outline: its name in the report, and its size or why it has none."""
    size = lesion.diameters.words if lesion.diameters else say("not measured")
    if lesion.outline_kind == "attention":
        size = say("where the model looked, not the border")
    return plain(f"{lesion.tracking_id}: {size}. {say(WARNING)}", 1024)


def _line(*, dashed: bool) -> Dataset:
    """Line Style (PS3.3 C.10.5.1.2); dashed for what is no border, as on the heatmap."""
    style = Dataset()
    style.PatternOnColorCIELabValue = _YELLOW
    style.PatternOnOpacity = 1.0
    style.LineThickness = 1.0
    style.LineDashingStyle = "DASHED" if dashed else "SOLID"
    if dashed:
        style.LinePattern = 0xFF
    style.ShadowStyle = "OFF"
    style.ShadowOffsetX = style.ShadowOffsetY = style.ShadowOpacity = 0.0
    style.ShadowColorCIELabValue = _BLACK
    return style


def _show_grey(dataset: Dataset, source: Dataset) -> None:
    """Modality LUT, Softcopy VOI LUT and Softcopy Presentation LUT (PS3.3 C.11.1, C.11.8, C.11.6):
    grey as the image says of itself, for a state takes the place of all that it says."""
    dataset.SOPClassUID = GrayscaleSoftcopyPresentationStateStorage
    if rescale := _numbers(source, _RESCALE):
        dataset.RescaleIntercept, dataset.RescaleSlope = rescale
        dataset.RescaleType = header.read(source, "RescaleType") or "US"
    if window := _numbers(source, _WINDOW):
        item = Dataset()
        item.WindowCenter, item.WindowWidth = window
        if function := header.read(source, "VOILUTFunction"):
            item.VOILUTFunction = function
        dataset.SoftcopyVOILUTSequence = [item]
    inverse = header.read(source, "PhotometricInterpretation") == "MONOCHROME1"
    dataset.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"


def _numbers(source: Dataset, keywords: tuple[str, str]) -> list[str]:
    """The values of both as decimal strings; none where one is missing or no number."""
    found = [header.read(source, keyword) for keyword in keywords]
    return found if all(found) else []


@cache
def _srgb() -> bytes:
    """An ICC profile of the class 'spac', as a presentation state wants it (PS3.3 C.11.15)."""
    profile = pkgutil.get_data("highdicom", "_icc_profiles/sRGB_v4_ICC_preference.icc")
    assert profile is not None
    return profile
