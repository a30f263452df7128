"""Heatmaps: one Secondary Capture per key frame, for viewers that show nothing but images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from node.errors import ResultError
from workers.findings import (
    FoundLesion,
    HeatmapFinding,
    ModelIdentity,
    OutlinedLesion,
    PromptedLesion,
    StudyFindings,
)
from workers.messages import counted, marked, say
from workers.results import codes
from workers.results.capture import (
    INVESTIGATIONAL,
    WARNING,
    describe_capture,
    place_of,
    point_at,
)
from workers.results.envelope import contributing_equipment, envelope, set_series
from workers.results.identity import object_uid, series_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.picture import Labels, Marks, draw
from workers.results.values import plain

KIND = "heatmap"
TITLES = {
    "lesion attention": marked("AI lesion heatmap"),
    "fat activation": marked("AI liver fat heatmap"),
    "prompted lesion": marked("AI outline at an operator's prompt"),
    "hepatorenal index": marked("Hepatorenal index at operator's places"),
}


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One object per heatmap finding, in their order; one series per kind of map."""
    kinds = list(dict.fromkeys(one.kind for one in inputs.findings.heatmaps))
    places = heatmaps(context, inputs.findings)
    for finding, place in zip(inputs.findings.heatmaps, places, strict=True):
        dataset = envelope(context, inputs.source)
        dataset.SOPInstanceUID = place.sop_instance_uid
        set_series(
            dataset,
            context,
            uid=place.series_instance_uid,
            offset=min(kinds.index(finding.kind) + 1, 5),
            modality="US",
            description=_title(finding),
        )
        dataset.InstanceNumber = place.number
        picture = _picture(context, inputs, finding)
        describe_capture(dataset, picture)
        point_at(dataset, [finding.frame], inputs.headers)
        _describe(dataset, finding)
        yield ResultObject(
            KIND,
            SecondaryCaptureImageStorage,
            place.sop_instance_uid,
            place.series_instance_uid,
            dataset,
            picture,
        )


@dataclass(frozen=True)
class Heatmap:
    """The object in which a heatmap finding is drawn, and its number in the series."""

    sop_instance_uid: str
    series_instance_uid: str
    number: int


def heatmaps(context: ResultContext, findings: StudyFindings) -> list[Heatmap]:
    """Where each heatmap finding is, in their order."""
    counts: dict[str, int] = {}
    places = []
    for finding in findings.heatmaps:
        name = f"{KIND}.{finding.kind}"
        number = counts[finding.kind] = counts.get(finding.kind, 0) + 1
        series = series_uid(object_uid(context.result_key, name, 1))
        places.append(Heatmap(object_uid(context.result_key, name, number), series, number))
    return places


def _title(finding: HeatmapFinding) -> str:
    if finding.kind in TITLES:
        return say(TITLES[finding.kind])
    return plain(say("AI {kind} heatmap", kind=finding.kind), 40)


def _picture(
    context: ResultContext, inputs: ResultInputs, finding: HeatmapFinding
) -> NDArray[np.uint8]:
    """The B-mode region with the map on it.

    Only the region: what stands beside it in the frame, as often the patient's name, stays out.
    """
    source = inputs.source_of(finding.frame)
    rows, columns = source.shape[:2]
    x0, y0, x1, y1 = finding.window
    if not (0 <= x0 < x1 <= columns and 0 <= y0 < y1 <= rows) or _is_empty(finding):
        raise ResultError(
            f"instance {finding.frame.sop_instance_uid}, frame {finding.frame.number}: the "
            f"heatmap's window {finding.window} does not fit in {columns} x {rows} pixels"
        )
    return draw(
        source[y0:y1, x0:x1],
        finding.values,
        signed=finding.signed,
        outline=[(x - x0, y - y0) for x, y in finding.outline],
        dashed=_outlines_attention(inputs, finding),
        labels=labels_of(context, inputs, finding),
        marks=_marks(finding, (x0, y0)),
    )


def _is_empty(finding: HeatmapFinding) -> bool:
    return finding.values is not None and finding.values.size == 0


def _marks(finding: HeatmapFinding, corner: tuple[int, int]) -> Marks | None:
    """In pixels from ``corner``."""
    if finding.outlined:
        marks = _marks_of_lesion(finding.outlined)
    elif finding.pair:
        liver, kidney = (say("liver"), finding.pair.liver), (say("kidney"), finding.pair.kidney)
        marks = Marks(regions=(liver, kidney))
    else:
        return None
    return marks.moved(lambda point: (point[0] - corner[0], point[1] - corner[1]))


def _marks_of_lesion(lesion: OutlinedLesion) -> Marks:
    """Prompts name the middles of pixels, what is drawn their corners, as SCOORD does."""
    measured = lesion.diameters
    marks = Marks(axes=(measured.long_axis, measured.short_axis) if measured else ())
    if not isinstance(lesion, PromptedLesion):
        return marks
    given = tuple((x + 0.5, y + 0.5) for x, y in lesion.prompt.points)
    if lesion.prompt.kind == "box":
        return replace(marks, box=given)
    return replace(marks, clicks=given)


def labels_of(context: ResultContext, inputs: ResultInputs, finding: HeatmapFinding) -> Labels:
    """The words on a heatmap's page."""
    remarks = [
        say("Source: {place}.", place=place_of(finding.frame, inputs.headers)),
        *map(_standing, _models(finding)),
        say(INVESTIGATIONAL),
    ]
    if _outlines_attention(inputs, finding):
        remarks.insert(1, say("Dashed: where the model looked, not the border of the lesion."))
    if finding.outlined:
        remarks[1:1] = [
            *_whose_place(finding.outlined),
            say("White: the border as the model draws it. Cyan: where it is measured."),
        ]
    if finding.pair:
        remarks[1:1] = [
            say(
                "Squares: around places given by an operator. No model judges if they show liver "
                "parenchyma and renal cortex."
            ),
            say(
                "Fitted on biopsies: the share of liver cells with fat, which is more than a fat "
                "fraction of MRI (PDFF)."
            ),
        ]
    if finding.signed:
        remarks.insert(1, say("Orange raises the model's result, blue lowers it."))
    if context.version > 1:
        version = say("Version {version}; it replaces earlier results.", version=context.version)
        remarks.insert(0, version)
    return Labels(
        warning=say(WARNING).upper(),
        title=_title(finding),
        numbers=tuple(plain(line) for line in finding.caption),
        remarks=tuple(plain(line) for line in remarks),
        # Translators: above the untouched picture of a heatmap's two; a short word.
        original=say("Original"),
        drawn=_drawn(finding),
    )


def _drawn(finding: HeatmapFinding) -> str:
    """Above the picture with the map or the marks."""
    if finding.values is None:
        # Translators: above the marked picture of a heatmap's two; short words.
        return say("AI")
    # Translators: above the coloured picture of a heatmap's two; short words.
    return say("AI: effect") if finding.signed else say("AI: attention")


def _standing(model: ModelIdentity) -> str:
    return say(
        "Model {model} {version}: {standing}.",
        model=model.name,
        version=model.version,
        standing=say(model.validation_status),
    )


def _whose_place(lesion: OutlinedLesion) -> list[str]:
    """Who said where the lesion is, and which further frames show it."""
    if isinstance(lesion, PromptedLesion):
        if lesion.prompt.kind == "box":
            return [say("Dashed box: given by an operator. No model judges if it is a lesion.")]
        return [say("Amber crosses: given by an operator. No model judges if it is a lesion.")]
    if isinstance(lesion, FoundLesion) and len(lesion.seen_in) > 1:
        return [
            counted(
                "Outlined in {n} frame of this image; this one shows it best.",
                "Outlined in {n} frames of this image; this one shows it best.",
                len(lesion.seen_in),
            )
        ]
    return []


def _models(finding: HeatmapFinding) -> list[ModelIdentity]:
    """The model that made it, and those whose numbers stand beside it, each once."""
    lesion = finding.outlined
    found = [finding.model]
    if isinstance(lesion, FoundLesion):
        found += [lesion.located_by, lesion.outlined_by]
    found += [reading.model for reading in (lesion.readings if lesion else ())]
    return list(dict.fromkeys(found))


def _outlines_attention(inputs: ResultInputs, finding: HeatmapFinding) -> bool:
    """Whether the outline is a lesion's that no model has segmented."""
    return bool(finding.outline) and not any(
        lesion.outline == finding.outline and lesion.outline_kind == "segmentation"
        for lesion in (*inputs.findings.lesions, *inputs.findings.prompted)
    )


def _describe(dataset: Dataset, finding: HeatmapFinding) -> None:
    """What the picture is of, and how it came about."""
    frame, model = finding.frame, finding.model
    dataset.ImageComments = plain("; ".join((say(WARNING), *finding.caption)), 10240)
    derived = say(
        "{title} of frame {frame} by {model} {version} ({standing}), drawn over the B-mode region "
        "with the numbers burned in",
        title=_title(finding),
        frame=frame.number,
        model=model.name,
        version=model.version,
        standing=say(model.validation_status),
    )
    dataset.DerivationDescription = plain(derived, 1024)
    derivations = [codes.CLASS_ACTIVATION] if finding.values is not None else []
    derivations += [codes.SEGMENTATION] if finding.outlined else []
    if derivations:
        dataset.DerivationCodeSequence = [codes.coded(one) for one in derivations]
    dataset.ContributingEquipmentSequence = contributing_equipment(_models(finding))
