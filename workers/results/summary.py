"""The summary: one Secondary Capture that tells the whole result, for viewers that show no SR."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from pydicom.uid import SecondaryCaptureImageStorage
from pydicom.valuerep import PersonName

from workers.answer import study_answer
from workers.findings import (
    Abstention,
    HeatmapFinding,
    LesionFinding,
    OutlinedLesion,
    PromptedLesion,
    StudyFindings,
    explained,
)
from workers.messages import counted, marked, say
from workers.results.capture import (
    INVESTIGATIONAL,
    WARNING,
    describe_capture,
    numbers_of,
    place_of,
    point_at,
)
from workers.results.envelope import contributing_equipment, envelope, set_series
from workers.results.header import SourceHeader
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
from workers.results.picture.lettering import lacks
from workers.results.values import plain
from workers.rounding import beside_threshold

KIND = "summary"
TITLE = marked("Liver ultrasound, AI summary")
THUMBNAILS = 6
ROWS = 8
"""Lesions in the table; a reader who needs more opens the report."""

LINES = 6
"""Of what was not answered, and of what was not analysed."""

_LESION_MAPS = ("lesion attention", "prompted lesion")
_SUBJECTS = {
    "lesion": marked("Lesions"),
    "fat": marked("Liver fat"),
    "lesion size": marked("Lesion size"),
    "lesion type": marked("Lesion type"),
    "study": marked("The study"),
    "prompted lesion": marked("Prompted lesion"),
    "malignancy": marked("Malignancy"),
    "found malignancy": marked("Found malignancy"),
    "liver check": marked("Liver check"),
    "liver view": marked("Liver view"),
    "hepatorenal index": marked("Hepatorenal index"),
    "fat from the hepatorenal index": marked("Fat from the hepatorenal index"),
}
"""As a line begins with them; any other is named as it is."""

_MALIGNANT = "malignant"
_NAME = "%(family_name)s, %(given_name)s %(middle_name)s"


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
        description=say("AI liver ultrasound summary"),
    )
    dataset.InstanceNumber = 1
    findings = inputs.findings
    picture = draw_sheet(blocks(context, inputs))
    describe_capture(dataset, picture)
    point_at(dataset, findings.frames, inputs.headers)
    dataset.ImageComments = plain("; ".join((say(WARNING), *_answer(inputs))), 10240)
    derived = say("Page drawn from the results of this run; the report has all")
    dataset.DerivationDescription = plain(derived, 1024)
    if findings.models:
        dataset.ContributingEquipmentSequence = contributing_equipment(findings.models)
    yield ResultObject(
        KIND, SecondaryCaptureImageStorage, uid, dataset.SeriesInstanceUID, dataset, picture
    )


def blocks(context: ResultContext, inputs: ResultInputs) -> Iterator[Block]:
    """What the page holds, from top to bottom."""
    findings = inputs.findings
    yield Banner(say(WARNING).upper(), say(TITLE))
    if context.patient_name:
        yield Words((_patient(inputs.source),))
    answer, *further = _answer(inputs)
    yield Words((answer,), large=True)
    yield Words(tuple(further))
    if shown := tuple(_thumbnails(inputs)):
        yield Thumbnails(shown)
    if lesions := (*findings.prompted, *findings.lesions):
        yield _table(inputs, lesions)
        if len(lesions) > ROWS:
            yield Words((_and_more(len(lesions) - ROWS),))
    yield from _nomogram(findings)
    yield from _fat(findings)
    if not_answered := _shortened(_not_answered(findings.abstentions)):
        yield Words(not_answered, heading=say("Not answered"))
    if left_out := _shortened(_left_out(findings)):
        yield Words(left_out, heading=say("Not analysed"))
    yield Words(tuple(_standing(context, findings)), heading=say("About this result"))


def _patient(source: SourceHeader) -> str:
    """Who every object of this run says it is of."""
    name = PersonName(str(source.attributes.get("PatientName", "")))
    born = str(source.attributes.get("PatientBirthDate", ""))
    return say(
        "Patient: {name}; ID {id}; born {date}",
        name=_shown(name.formatted(_NAME).strip(", ")),
        id=_shown(str(source.attributes.get("PatientID", ""))),
        date="-".join((born[:4], born[4:6], born[6:])).strip("-") or say("not known"),
    )


def _shown(value: str) -> str:
    """A name that the page would show in part might be another one's."""
    if lacks(value):
        return say("(in letters that this page cannot show)")
    return value or say("not known")


def _answer(inputs: ResultInputs) -> tuple[str, ...]:
    """The answer, and how the frames came to it."""
    findings = inputs.findings
    answer = study_answer(findings)
    if answer is None:
        nothing = say("Nothing could be analysed.")
        return (say("Lesions: not answered.") if findings.frames else nothing,)
    lines = [answer.sentences[0], *filter(None, [answer.untested])]
    if answer.divided:
        lines.append(say("The frames disagree: one that reaches the threshold decides."))
    beside = beside_threshold(answer.highest, answer.threshold)
    place = place_of(answer.frame, inputs.headers)
    lines.append(
        say("Highest probability {probability}, in {place}.", probability=beside, place=place)
    )
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
        place = place_of(one.frame, inputs.headers, begins=lesion is not None)
        yield Thumbnail(
            tissue=inputs.source_of(one.frame)[y0:y1, x0:x1],
            outline=[(x - x0, y - y0) for x, y in one.outline],
            dashed=not isinstance(lesion, OutlinedLesion),
            name=_name(lesion) if lesion else "",
            caption=plain(place if lesion else say("Nearest to a lesion: {place}", place=place)),
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
    heads = (
        # Translators: the heads of the table of lesions; short words.
        *("", say("image"), say("size"), say("lesion")),
        *(say("malignant,\n{model}", model=_short(name)) for name in readers),
    )
    rows = []
    for one in lesions[:ROWS]:
        said, suspected = _malignancies(one), one.probabilities.get("lesion")
        rows.append(
            (
                _name(one),
                plain(_place(inputs, one)),
                one.diameters.words if one.diameters else say("not measured"),
                # Translators: instead of a probability: an operator gave the place of the lesion.
                _share(suspected) if suspected is not None else say("given"),
                *(_share(said.get(name, math.nan)) for name in readers),
            )
        )
    return Table(heads, tuple(rows))


def _place(inputs: ResultInputs, lesion: LesionFinding) -> str:
    """Series and image, and the frame of a loop: '2/7 f12'."""
    frame = lesion.frame
    image = "/".join(number or "-" for number in numbers_of(frame, inputs.headers))
    if frame.number_of_frames > 1:
        # Translators: f is short for frame, in a narrow column.
        return say("{image} f{frame}", image=image, frame=frame.number)
    return image


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
                p = _share(reading.probabilities[_MALIGNANT])
                given = reading.conditions.get(_MALIGNANT, "")
                lines = (
                    say(
                        "Lesion {lesion}, {model}: read the points of each line, add them up, read "
                        "the probability below their sum.",
                        lesion=_name(lesion),
                        model=reading.model.name,
                    ),
                    say("Malignant {probability}: {condition}.", probability=p, condition=given),
                )
                yield Words(tuple(map(plain, lines)), heading=say("Image and clinical factors"))
                yield Rulers(reading.nomogram)
                return


def _fat(findings: StudyFindings) -> Iterator[Block]:
    """Each estimate on its own scale: they are not of the same kind, and never averaged."""
    if (renal := findings.hepatorenal) is not None:
        heading = say("Hepatorenal index")
        index = say(
            "Index {index:.2f}, liver over kidney, where an operator pointed.", index=renal.index
        )
        if renal.fat is None or renal.p_5 is None or renal.p_10 is None:
            yield Words((index,), heading=heading)
        else:
            fat, low, high = renal.fat
            cells = say(
                "{fat:.0f}% of liver cells with fat, in 4 of 5 patients {low:.0f} to {high:.0f}%.",
                fat=fat,
                low=low,
                high=high,
            )
            likely = _at_least(renal.p_5.value, renal.p_10.value)
            yield Words((index, cells, likely), heading=heading)
            yield _percent(fat, (low, high))
    several = findings.fat
    if several is not None and math.isfinite(several.fat_percent):
        views = ", ".join(map(say, several.views)) or say("no known view")
        name, standing = several.model.name, say(several.model.validation_status)
        lines = [
            say("Fat fraction {fat:.0f}%, from {views}.", fat=several.fat_percent, views=views),
            _at_least(several.p_5, several.p_10),
            say("{model}: {standing}.", model=name, standing=standing),
        ]
        yield Words(tuple(map(plain, lines)), heading=say("Liver fat from several views"))
        yield _percent(several.fat_percent, None)


def _at_least(p_5: float, p_10: float) -> str:
    return say(
        "Probability of 5% or more: {p_5}, of 10% or more: {p_10}.",
        p_5=_share(p_5),
        p_10=_share(p_10),
    )


def _percent(value: float, interval: tuple[float, float] | None) -> Scale:
    """To 40 %, or as far as needed."""
    end = max(40.0, 10.0 * math.ceil(max(value, *(interval or (value,))) / 10))
    return Scale((0.0, end), (0, 5, 10, 20, 30, end), value, interval, "%")


def _not_answered(abstentions: Sequence[Abstention]) -> Iterator[str]:
    """Each subject and reason once, with how often where that is more than once."""
    ordered = sorted(abstentions, key=lambda one: (one.subject, one.reason))
    for (subject, reason), own in groupby(ordered, key=lambda one: (one.subject, one.reason)):
        often = len(list(own))
        why = {"subject": _subject(subject), "reason": explained(reason)}
        yield plain(
            say("{subject}: {reason}.", **why)
            if often == 1
            else counted(
                "{subject}: {reason} ({n} time).",
                "{subject}: {reason} ({n} times).",
                often,
                **why,
            )
        )


def _subject(name: str) -> str:
    return say(_SUBJECTS[name]) if name in _SUBJECTS else f"{name[:1].upper()}{name[1:]}"


def _left_out(findings: StudyFindings) -> Iterator[str]:
    """Reasons, the most frequent first, with the number of objects and frames."""
    reasons = {
        reason: [one for one in findings.dropped if one.reason is reason]
        for reason in dict.fromkeys(one.reason for one in findings.dropped)
    }
    for reason, own in sorted(reasons.items(), key=lambda row: -len(row[1])):
        frames = sum(one.number is not None for one in own)
        of = counted("{n} frame", "{n} frames", frames)
        objects = len({one.sop_instance_uid for one in own})
        counts = (
            counted("{frames} of {n} object", "{frames} of {n} objects", objects, frames=of)
            if frames
            else counted("{n} object", "{n} objects", objects)
        )
        yield plain(say("{counts}: {reason}.", counts=counts, reason=explained(reason)))


def _shortened(lines: Iterable[str]) -> tuple[str, ...]:
    every = tuple(lines)
    if len(every) <= LINES:
        return every
    return (*every[: LINES - 1], _and_more(len(every) - LINES + 1))


def _and_more(number: int) -> str:
    return counted("and {n} more, see the report", "and {n} more, see the report", number)


def _standing(context: ResultContext, findings: StudyFindings) -> Iterator[str]:
    for model in findings.models:
        named, standing = f"{model.name} {model.version}", say(model.validation_status)
        yield plain(say("{model}: {standing}.", model=named, standing=standing))
    if findings.lesions or findings.prompted:
        given = findings.conditions.get(_MALIGNANT, say("if it is a lesion"))
        yield plain(say("Malignant: {condition}.", condition=given))
    yield say(INVESTIGATIONAL)
    if context.version > 1:
        version = say("Version {version}; it replaces earlier results.", version=context.version)
    else:
        version = say("Version {version}.", version=context.version)
    run = say("Run {run} of {node}.", run=context.run_id, node=context.node_name)
    yield plain(f"{version} {run}")
