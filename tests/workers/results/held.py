"""What a report has to say of findings, number by number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pytest

from workers.findings import (
    Bounded,
    FatFinding,
    FrameRef,
    HepatorenalFinding,
    LesionFinding,
    ModelIdentity,
    OutlinedLesion,
    PromptedLesion,
    StudyFindings,
)
from workers.results import codes
from workers.results.identity import weights_uid

NAMES = {
    "lesion": "Certainty of Finding",
    "malignant": "Probability of cancer",
    "benign": "Probability of benign lesion",
}
TERMS = (codes.CONDITION, codes.THRESHOLD, codes.UPPER_UNCERTAINTY, codes.LOWER_UNCERTAINTY)
CONDITION, THRESHOLD, ABOVE, BELOW = (term.meaning for term in TERMS)


@dataclass(frozen=True)
class Number:
    """One measurement. name : of the class, where it has no code. model : where it is not the
    group's. terms : what stands under it.
    """

    name: str
    value: Any
    unit: str = "%"
    model: str = ""
    derivation: str = ""
    site: str = ""
    corners: tuple[tuple[float, float], ...] = ()
    terms: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """One measurement group. images : the instance and the frames of it; of a lesion its region's.
    outline : of a lesion."""

    tracking_id: str
    finding: str
    model: tuple[str, ...]
    images: list[tuple[str, list[int]]]
    numbers: list[Number]
    outline: tuple[tuple[float, float], ...] = ()


def near(value: float, by: float = 0.0501) -> Any:
    """As it is written, to the tenth."""
    return pytest.approx(value, abs=by)


def percent(p: float) -> Any:
    return near(100 * p)


def of(model: ModelIdentity) -> tuple[str, ...]:
    return model.name, model.version, f"Device UID {weights_uid(model.digest)}"


def images_of(*frames: FrameRef) -> list[tuple[str, list[int]]]:
    numbers: dict[str, list[int]] = {}
    for frame in frames:
        held = numbers.setdefault(frame.sop_instance_uid, [])
        held += [frame.number] if frame.number_of_frames > 1 else []
    return list(numbers.items())


def lesion_of(findings: StudyFindings, lesion: LesionFinding) -> Group:
    own = Said(
        lesion.probabilities,
        "",
        {} if isinstance(lesion, PromptedLesion) else findings.thresholds,
        lesion.conditions if isinstance(lesion, OutlinedLesion) else findings.conditions,
        lesion.bounds,
    )
    further = [
        Said(one.probabilities, named(one.model), {}, one.conditions, one.bounds)
        for one in lesion.readings
    ]
    coded, classes = zip(*(said.numbers() for said in (own, *further)), strict=True)
    return Group(
        lesion.tracking_id,
        "Lesion",
        of(lesion.model),
        images_of(lesion.frame),
        [*size_of(lesion), *chain(*coded), *chain(*classes)],
        tuple((near(x, 1e-3), near(y, 1e-3)) for x, y in lesion.outline),
    )


def named(model: ModelIdentity) -> str:
    return f"{model.name} {model.version}"


@dataclass(frozen=True)
class Said:
    """What one model says of a lesion."""

    probabilities: Mapping[str, float]
    model: str
    thresholds: Mapping[str, float]
    conditions: Mapping[str, str]
    bounds: Mapping[str, Bounded]

    def numbers(self) -> tuple[list[Number], list[Number]]:
        """The probabilities that have a code, and those of other classes."""
        every = self.probabilities.items()
        coded = [self._number(label, p, NAMES[label]) for label, p in every if label in NAMES]
        others = [self._number(label, p, label) for label, p in every if label not in NAMES]
        return coded, others

    def _number(self, label: str, p: float, name: str) -> Number:
        terms: dict[str, Any] = {}
        if label in self.conditions:
            terms[CONDITION] = self.conditions[label]
        if label in self.thresholds:
            terms[THRESHOLD] = percent(self.thresholds[label])
        if label in self.bounds:
            terms |= interval_of(self.bounds[label], 100)
        return Number(name, percent(p), model=self.model, terms=terms)


def interval_of(value: Bounded, scale: float) -> dict[str, Any]:
    return {
        ABOVE: near(scale * (value.high - value.value)),
        BELOW: near(scale * (value.value - value.low)),
    }


def size_of(lesion: LesionFinding) -> Iterator[Number]:
    """In mm where the image has a calibration; nothing where no model drew a border."""
    if not isinstance(lesion, OutlinedLesion) or lesion.diameters is None:
        return
    size, model = lesion.diameters, ""
    if lesion.outlined_by != lesion.model:
        model = named(lesion.outlined_by)
    long, short, area = size.long_mm, size.short_mm, lesion.area_mm2
    if long is None or short is None or area is None:
        yield Number("Long axis", near(math.dist(*size.long_axis)), "{pixels}", model)
        yield Number("Short axis", near(math.dist(*size.short_axis)), "{pixels}", model)
        yield Number("Area", lesion.area_pixels, "{pixels}", model)
    else:
        yield Number("Long axis", near(long), "mm", model)
        yield Number("Short axis", near(short), "mm", model)
        yield Number("Area", near(area, 0.5), "mm2", model)


def others_of(findings: StudyFindings) -> Iterator[Group]:
    """What holds for the study, in the report's order."""
    yield search_of(findings)
    if findings.hepatorenal is not None:
        yield from hepatorenal_of(findings.hepatorenal)
    assert findings.fat is not None
    yield fat_of(findings.fat)


def search_of(findings: StudyFindings) -> Group:
    assert findings.lesion_model is not None
    highest = max(findings.readings, key=lambda one: one.probabilities["lesion"])
    threshold = findings.thresholds["lesion"]
    suspecting = [one for one in findings.readings if one.probabilities["lesion"] >= threshold]
    searched = [one.frame for one in findings.readings]
    maximum = Number(
        "Certainty of Finding",
        percent(highest.probabilities["lesion"]),
        derivation="Maximum",
        terms={THRESHOLD: percent(threshold)},
    )
    return Group(
        "Lesion search",
        "Search for liver lesions",
        of(findings.lesion_model),
        images_of(highest.frame),
        [
            maximum,
            Number("Number of frames examined", len(searched), "{frames}"),
            Number("Number of frames with a suspected lesion", len(suspecting), "{frames}"),
            Number("Number of images examined", len(images_of(*searched)), "{images}"),
            Number(
                "Number of images with a suspected lesion",
                len(images_of(*(one.frame for one in suspecting))),
                "{images}",
            ),
        ],
    )


def hepatorenal_of(finding: HepatorenalFinding) -> Iterator[Group]:
    frames = [pair.frame for pair in finding.pairs]
    several = "Median" if len(frames) > 1 else ""
    numbers = [
        Number("Hepatorenal index", near(finding.index, 5.1e-4), "1", derivation=several),
        Number("Number of pairs measured", len(frames), "{pairs}"),
    ]
    if finding.fat is not None:
        terms = interval_of(finding.fat, 1)
        name = "Share of liver cells with fat, on the scale of biopsies"
        numbers.append(Number(name, near(finding.fat.value), terms=terms))
    for share, p in ((5, finding.p_5), (10, finding.p_10)):
        if p is not None:
            condition = "calibrated as if both answers were equally frequent"
            terms = {CONDITION: condition, **interval_of(p, 100)}
            name = f"Probability of fat in {share} % of liver cells or more"
            numbers.append(Number(name, percent(p.value), terms=terms))
    yield Group(
        "Hepatorenal index",
        "Diffuse liver disease: fat",
        of(finding.model),
        images_of(*frames),
        numbers,
    )
    for pair in finding.pairs:
        gap = Number("Difference in depth, kidney below liver", pair.depth_gap, "{pixels}")
        if pair.depth_gap_mm is not None:
            gap = replace(gap, value=pair.depth_gap_mm, unit="mm")
        yield Group(
            f"prompt {pair.prompt.id}",
            "Pair of a liver and a kidney region",
            of(finding.model),
            images_of(pair.frame),
            [
                Number("Hepatorenal index", near(pair.index, 5.1e-4), "1"),
                level_of(pair.liver_level, "Liver", *pair.liver),
                level_of(pair.kidney_level, "Cortex of kidney", *pair.kidney),
                gap,
            ],
        )


def level_of(level: float, site: str, low: tuple[float, ...], high: tuple[float, ...]) -> Number:
    (x0, y0), (x1, y1) = low, high
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return Number("Mean echo level, 0 to 255", level, "1", "", "Mean", site, corners)


def fat_of(fat: FatFinding) -> Group:
    unknown = "Frames of unknown view"
    return Group(
        "Liver fat",
        "Diffuse liver disease: fat",
        of(fat.model),
        images_of(*fat.frames),
        [
            Number("Fat fraction", near(fat.fat_percent)),
            Number("Probability of liver fat fraction of 5 % or more", percent(fat.p_5)),
            Number("Probability of liver fat fraction of 10 % or more", percent(fat.p_10)),
            Number("Number of frames examined", len(fat.frames), "{frames}"),
            Number(unknown, fat.frames_of_unknown_view, "{frames}"),
            Number(f"{unknown} that did not count", fat.frames_not_counted, "{frames}"),
        ],
    )
