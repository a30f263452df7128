"""The numbers among findings, each under a name that it has in every version of a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Lesion = Mapping[str, Any]
Pair = tuple[str, Lesion | None, Lesion | None]
"""A name, and the lesion of either version."""


@dataclass(frozen=True)
class Form:
    """How a number is printed. scale, unit, decimals : of the difference of two."""

    text: str
    scale: float = 1.0
    unit: str = ""
    decimals: int = 1


FORMS = {
    "probability": Form("{:.0%}", 100.0, " points"),
    "percent": Form("{:.1f} %", 1.0, " points"),
    "mm": Form("{:.1f} mm", 1.0, " mm"),
    "mm2": Form("{:.0f} mm2", 1.0, " mm2", 0),
    "pixels": Form("{:.0f} pixels", 1.0, " pixels", 0),
    "count": Form("{:.0f}", decimals=0),
    "index": Form("{:.3f}", decimals=3),
    "level": Form("{:.1f}"),
}
"""As ``hepanode runs explain`` has them."""


@dataclass(frozen=True)
class Number:
    """``value`` None: a model's answer was no number."""

    value: float | None
    form: str


def shown(value: float | None, form: str) -> str:
    return "-" if value is None else FORMS[form].text.format(value)


def shown_difference(value: float | None, form: str) -> str:
    """With as many digits as show that there is one."""
    if value is None:
        return "-"
    how = FORMS[form]
    digits = f".{how.decimals}f" if round(value, how.decimals) else ".1g"
    return f"{value:+{digits}}{how.unit}"


def paired(was: Sequence[Lesion], now: Sequence[Lesion]) -> list[Pair]:
    """The lesions of two versions, side by side, with a name for both.

    Tracking identifiers count in the order of suspicion and may go to another lesion: those of one
    frame belong together, then those of one image, in their order.
    """
    rest = list(now)
    partners: dict[int, Lesion] = {}
    for same in (("sop_instance_uid", "frame"), ("sop_instance_uid",)):
        for index, one in enumerate(was):
            place = [one[key] for key in same]
            fits = (other for other in rest if [other[key] for key in same] == place)
            if index not in partners and (other := next(fits, None)) is not None:
                partners[index] = other
                rest.remove(other)
    known = [(one, partners.get(index)) for index, one in enumerate(was)]
    return [
        *((_name(one, other), one, other) for one, other in known),
        *((_name(None, other), None, other) for other in rest),
    ]


def _name(was: Lesion | None, now: Lesion | None) -> str:
    known = [one for one in (was, now) if one is not None]
    names = " now ".join(dict.fromkeys(one["tracking_id"] for one in known))
    frames = " now ".join(dict.fromkeys(f"frame {one['frame']}" for one in known))
    return f"{names}, {frames} of {known[0]['sop_instance_uid']}"


def numbers(
    findings: Mapping[str, Any], lesions: Sequence[tuple[str, Lesion | None]]
) -> dict[str, Number]:
    """Every number of a record's findings; ``lesions`` with the names that ``paired`` gave.

    What a lesion has of its frame's reading is told once, with the frame.
    """
    return dict(
        (
            *_of_fat(findings.get("fat")),
            *_of_index(findings.get("hepatorenal")),
            *_of_lesions(findings, lesions),
            *_of_readings(findings),
        )
    )


def _of_fat(fat: Mapping[str, Any] | None) -> Iterator[tuple[str, Number]]:
    if fat:
        yield "liver fat", Number(fat["fat_percent"], "percent")
        yield "liver fat 5 % or more", Number(fat["p_5"], "probability")
        yield "liver fat 10 % or more", Number(fat["p_10"], "probability")
        for name in ("frames_of_unknown_view", "frames_not_counted", "frames_of_named_view"):
            yield f"liver fat, {name.replace('_', ' ')}", Number(fat.get(name, 0), "count")


def _of_index(found: Mapping[str, Any] | None) -> Iterator[tuple[str, Number]]:
    if not found:
        return
    yield "hepatorenal index", Number(found["index"], "index")
    for name, key, form in (
        ("liver cells with fat", "fat", "percent"),
        ("liver cells with fat 5 % or more", "p_5", "probability"),
        ("liver cells with fat 10 % or more", "p_10", "probability"),
    ):
        if found[key] is not None:
            yield name, Number(found[key][0], form)
    for pair in found["pairs"]:
        prompt = f"prompt {pair['prompt']['id']}"
        yield f"index at {prompt}", Number(pair["index"], "index")
        yield f"liver at {prompt}", Number(pair["liver_level"], "level")
        yield f"kidney at {prompt}", Number(pair["kidney_level"], "level")


def _of_lesions(
    findings: Mapping[str, Any], lesions: Sequence[tuple[str, Lesion | None]]
) -> Iterator[tuple[str, Number]]:
    if findings.get("readings"):
        count = len(findings.get("lesions") or ())
        yield "suspected lesions", Number(count, "count")
    for name, lesion in lesions:
        if lesion is not None:
            yield from _of_outlined(name, lesion)
    for lesion in findings.get("prompted") or ():
        name = f"prompt {lesion['prompt']['id']}"
        for label, value in lesion["probabilities"].items():
            yield f"{label}, {name}", Number(value, "probability")
        yield from _of_outlined(name, lesion)
    for label, value in (findings.get("thresholds") or {}).items():
        yield f"threshold of {label}", Number(value, "probability")


def _of_outlined(name: str, lesion: Lesion) -> Iterator[tuple[str, Number]]:
    for reading in lesion.get("readings") or ():
        for label, value in reading["probabilities"].items():
            yield f"{label} by {reading['model']}, {name}", Number(value, "probability")
    measured = lesion.get("diameters") or {}
    for what, value, form in (
        ("long diameter", measured.get("long_mm"), "mm"),
        ("short diameter", measured.get("short_mm"), "mm"),
        ("area", lesion.get("area_mm2"), "mm2"),
        ("area in pixels", lesion.get("area_pixels"), "pixels"),
    ):
        if value is not None:
            yield f"{what}, {name}", Number(value, form)


def _of_readings(findings: Mapping[str, Any]) -> Iterator[tuple[str, Number]]:
    for reading in findings.get("readings") or ():
        for label, value in reading["probabilities"].items():
            where = f"frame {reading['frame']} of {reading['sop_instance_uid']}"
            yield f"{label}, {where}", Number(value, "probability")
