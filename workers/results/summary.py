"""The summary: one Secondary Capture that tells the whole result, for viewers that show no SR."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from pydicom.uid import SecondaryCaptureImageStorage

from workers.answer import counted, study_answer
from workers.findings import (
    EXPLANATION,
    Abstention,
    HeatmapFinding,
    LesionFinding,
    OutlinedLesion,
    PromptedLesion,
    StudyFindings,
)
from workers.results.capture import (
    INVESTIGATIONAL,
    WARNING,
    describe_capture,
    numbers_of,
    place_of,
    point_at,
)
from workers.results.envelope import contributing_equipment, envelope, set_series
from workers.results.identity import object_uid, series_uid
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.picture import (
    Banner,
    Block,
    Rulers,
    Scale,
    Table,
    Thumbnail,
    Thumbnails,
    Words,
    draw_sheet,
)
from workers.results.values import plain
from workers.rounding import beside_threshold

KIND = "summary"
TITLE = "Liver ultrasound, AI summary"
THUMBNAILS = 6
ROWS = 8
"""Lesions in the table; a reader who needs more opens the report."""

LINES = 6
"""Of what was not answered, and of what was not analysed."""

_LESION_MAPS = ("lesion attention", "prompted lesion")
_SUBJECTS = {"lesion": "lesions", "fat": "liver fat", "study": "the study"}
_MALIGNANT = "malignant"


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One page; also when nothing could be analysed, for then it says so."""
    uid = object_uid(context.result_key, KIND, 1)
    dataset = envelope(context, inputs.source)
    dataset.SOPInstanceUID = uid
    set_series(
        dataset,
        context,
        uid=series_uid(uid),
        offset=6,
        modality="US",
        description="AI liver ultrasound summary, not reviewed",
    )
    dataset.InstanceNumber = 1
    findings = inputs.findings
    picture = draw_sheet(blocks(context, inputs))
    describe_capture(dataset, picture)
    point_at(dataset, findings.frames, inputs.headers)
    dataset.ImageComments = plain("; ".join((WARNING, *_answer(inputs))), 10240)
    dataset.DerivationDescription = "Page drawn from the results of this run; the report has all"
    if findings.models:
        dataset.ContributingEquipmentSequence = contributing_equipment(findings.models)
    yield ResultObject(
        KIND, SecondaryCaptureImageStorage, uid, dataset.SeriesInstanceUID, dataset, picture
    )


def blocks(context: ResultContext, inputs: ResultInputs) -> Iterator[Block]:
    """What the page holds, from top to bottom."""
    findings = inputs.findings
    yield Banner(WARNING.upper(), TITLE)
    answer, *further = _answer(inputs)
    yield Words((answer,), large=True)
    yield Words(tuple(further))
    if shown := tuple(_thumbnails(inputs)):
        yield Thumbnails(shown)
    if lesions := (*findings.prompted, *findings.lesions):
        yield _table(inputs, lesions)
        if len(lesions) > ROWS:
            yield Words((f"and {len(lesions) - ROWS} more, see the report",))
    yield from _nomogram(findings)
    yield from _fat(findings)
    if not_answered := _shortened(_not_answered(findings.abstentions)):
        yield Words(not_answered, heading="Not answered")
    if left_out := _shortened(_left_out(findings)):
        yield Words(left_out, heading="Not analysed")
    yield Words(tuple(_standing(context, findings)), heading="About this result")


def _answer(inputs: ResultInputs) -> tuple[str, ...]:
    """The answer, and how the frames came to it."""
    findings = inputs.findings
    answer = study_answer(findings)
    if answer is None:
        return ("Lesions: not answered." if findings.frames else "Nothing could be analysed.",)
    lines = [answer.sentences[0]]
    if answer.divided:
        lines.append("The frames disagree: one that reaches the threshold decides.")
    beside = beside_threshold(answer.highest, answer.threshold)
    lines.append(f"Highest probability {beside}, in {place_of(answer.frame, inputs.headers)}.")
    return tuple(map(plain, lines))


def _name(lesion: LesionFinding) -> str:
    """Short, for the corner of a picture and for the table: '1', or 'P5' of prompt 5."""
    number = (lesion.tracking_id.split() or ["-"])[-1]
    return plain(f"P{number}" if isinstance(lesion, PromptedLesion) else number)


def _thumbnails(inputs: ResultInputs) -> Iterator[Thumbnail]:
    """Of what an operator pointed at and of suspected lesions; without any, of the frame that came
    nearest to one."""
    findings = inputs.findings
    maps = [one for one in findings.heatmaps if one.kind in _LESION_MAPS]
    maps.sort(key=lambda one: -_LESION_MAPS.index(one.kind))
    for one in maps[:THUMBNAILS]:
        lesion = _lesion_of(one, findings)
        x0, y0, x1, y1 = one.window
        place = place_of(one.frame, inputs.headers).capitalize()
        yield Thumbnail(
            tissue=inputs.source_of(one.frame)[y0:y1, x0:x1],
            outline=[(x - x0, y - y0) for x, y in one.outline],
            dashed=not isinstance(lesion, OutlinedLesion),
            name=_name(lesion) if lesion else "",
            caption=plain(place if lesion else f"Nearest to a lesion: {place.lower()}"),
        )


def _lesion_of(shown: HeatmapFinding, findings: StudyFindings) -> LesionFinding | None:
    if shown.outlined is not None:
        return shown.outlined
    return next(
        (
            one
            for one in findings.lesions
            if (one.frame, one.outline) == (shown.frame, shown.outline)
        ),
        None,
    )


def _table(inputs: ResultInputs, lesions: Sequence[LesionFinding]) -> Block:
    """One row a lesion: where, how large, and what each model says."""
    readers = dict.fromkeys(name for one in lesions for name in _malignancies(one))
    heads = ("", "image", "size", "lesion", *(f"malignant,\n{_short(name)}" for name in readers))
    rows = []
    for one in lesions[:ROWS]:
        said = _malignancies(one)
        rows.append(
            (
                _name(one),
                plain(_place(inputs, one)),
                one.diameters.words if one.diameters else "not measured",
                _share(one.probabilities["lesion"]) if "lesion" in one.probabilities else "given",
                *(_share(said.get(name, math.nan)) for name in readers),
            )
        )
    return Table(heads, tuple(rows))


def _place(inputs: ResultInputs, lesion: LesionFinding) -> str:
    """Series and image, and the frame of a loop: '2/7 f12'."""
    frame = lesion.frame
    image = "/".join(number or "-" for number in numbers_of(frame, inputs.headers))
    return f"{image} f{frame.number}" if frame.number_of_frames > 1 else image


def _short(name: str) -> str:
    return plain(name.removeprefix("lesion-"), 12)


def _malignancies(lesion: LesionFinding) -> dict[str, float]:
    """By model, of those that give one."""
    said = {lesion.model.name: lesion.probabilities}
    said |= {one.model.name: one.probabilities for one in lesion.readings}
    return {name: row[_MALIGNANT] for name, row in said.items() if _MALIGNANT in row}


def _share(p: float) -> str:
    """A dash for what is not there, or no number."""
    return f"{p:.0%}" if math.isfinite(p) else "-"


def _nomogram(findings: StudyFindings) -> Iterator[Block]:
    """Of the first lesion that clinical factors were counted for; the table has the others."""
    for lesion in findings.outlined:
        for reading in lesion.readings:
            if reading.nomogram:
                place = reading.conditions.get(_MALIGNANT, "")
                lines = (
                    f"Lesion {_name(lesion)}, {reading.model.name}: read the points of each line, "
                    "add them up, read the probability below their sum.",
                    f"Malignant {_share(reading.probabilities[_MALIGNANT])}: {place}.",
                )
                yield Words(tuple(map(plain, lines)), heading="Image and clinical factors")
                yield Rulers(reading.nomogram)
                return


def _fat(findings: StudyFindings) -> Iterator[Block]:
    """Each estimate on its own scale: they are not of the same kind, and never averaged."""
    if (renal := findings.hepatorenal) is not None:
        lines = [f"Index {renal.index:.2f}, liver over kidney, where an operator pointed."]
        if renal.fat is None or renal.p_5 is None or renal.p_10 is None:
            yield Words(tuple(lines), heading="Hepatorenal index")
        else:
            fat, low, high = renal.fat
            lines += [
                f"{fat:.0f}% of liver cells with fat, in 4 of 5 patients {low:.0f} to {high:.0f}%.",
                _at_least(renal.p_5.value, renal.p_10.value),
            ]
            yield Words(tuple(lines), heading="Hepatorenal index")
            yield _percent(fat, (low, high))
    several = findings.fat
    if several is not None and math.isfinite(several.fat_percent):
        views = ", ".join(several.views) or "no known view"
        lines = [
            f"Fat fraction {several.fat_percent:.0f}%, from {views}.",
            _at_least(several.p_5, several.p_10),
            f"{several.model.name}: {several.model.validation_status}.",
        ]
        yield Words(tuple(map(plain, lines)), heading="Liver fat from several views")
        yield _percent(several.fat_percent, None)


def _at_least(p_5: float, p_10: float) -> str:
    return f"Probability of 5% or more: {_share(p_5)}, of 10% or more: {_share(p_10)}."


def _percent(value: float, interval: tuple[float, float] | None) -> Scale:
    """To 40 %, or as far as needed."""
    end = max(40.0, 10.0 * math.ceil(max(value, *(interval or (value,))) / 10))
    return Scale((0.0, end), (0, 5, 10, 20, 30, end), value, interval, "%")


def _not_answered(abstentions: Sequence[Abstention]) -> Iterator[str]:
    """Each subject and reason once, with how often where that is more than once."""
    ordered = sorted(abstentions, key=lambda one: (one.subject, one.reason))
    for (subject, reason), own in groupby(ordered, key=lambda one: (one.subject, one.reason)):
        often = len(list(own))
        times = f" ({often} times)" if often > 1 else ""
        name = _SUBJECTS.get(subject, subject)
        yield plain(f"{name[:1].upper()}{name[1:]}: {EXPLANATION[reason]}{times}.")


def _left_out(findings: StudyFindings) -> Iterator[str]:
    """Reasons, the most frequent first, with the number of objects and frames."""
    reasons = {
        reason: [one for one in findings.dropped if one.reason is reason]
        for reason in dict.fromkeys(one.reason for one in findings.dropped)
    }
    for reason, own in sorted(reasons.items(), key=lambda row: -len(row[1])):
        frames = sum(one.number is not None for one in own)
        of_frames = f"{counted(frames, 'frame')} of " if frames else ""
        objects = counted(len({one.sop_instance_uid for one in own}), "object")
        yield plain(f"{of_frames}{objects}: {EXPLANATION[reason]}.")


def _shortened(lines: Iterable[str]) -> tuple[str, ...]:
    every = tuple(lines)
    if len(every) <= LINES:
        return every
    return (*every[: LINES - 1], f"and {len(every) - LINES + 1} more, see the report")


def _standing(context: ResultContext, findings: StudyFindings) -> Iterator[str]:
    for model in findings.models:
        yield plain(f"{model.name} {model.version}: {model.validation_status}.")
    if findings.lesions or findings.prompted:
        yield plain(f"Malignant: {findings.conditions.get(_MALIGNANT, 'if it is a lesion')}.")
    yield INVESTIGATIONAL
    version = f"Version {context.version}"
    if context.version > 1:
        version += "; it replaces earlier results"
    yield plain(f"{version}. Run {context.run_id} of {context.node_name}.")
