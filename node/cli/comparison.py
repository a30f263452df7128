"""What differs between two versions of a study's results, by their runs' records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from node.cli.explanation import because
from node.cli.numbers import FORMS, Number, Pair, numbers, paired
from node.cli.output import place
from node.cli.provenance import recorded
from node.cli.runs import maker_of
from node.errors import TrackingError

if TYPE_CHECKING:
    from node.tracking import Database, Result, Run

_LONGEST_RUN = 9  # digits of a run's number; what is longer is the end of a UID
NOT_THERE = "not there"


@dataclass(frozen=True)
class Side:
    """One of two versions. ``maker``: the run whose record says what ``results`` rest on."""

    maker: Run
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Version:
    version: int
    run: int
    result_key: str | None
    made_at: datetime | None
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Change:
    """``was`` or ``now`` None: there was, or is, none."""

    what: str
    was: Any
    now: Any


@dataclass(frozen=True)
class FrameChange:
    """frames : from 1; empty: the whole instance, or what the others leave of it"""

    sop_instance_uid: str
    frames: tuple[int, ...]
    was: str
    now: str


@dataclass(frozen=True)
class NumberChange:
    """``difference``: None where one side has no number; in percentage points of what is in per
    cent. ``form`` names how it is printed: ``node.cli.numbers``."""

    what: str
    was: float | None
    now: float | None
    difference: float | None
    form: str


@dataclass(frozen=True)
class Sentences:
    """What the one says and the other does not."""

    no_longer: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """sources : SOP Instance UIDs of what either version read or left out"""

    study_instance_uid: str
    first: Version
    second: Version
    same: bool
    frames: tuple[FrameChange, ...]
    asked: tuple[Change, ...]
    models: tuple[Change, ...]
    settings: tuple[Change, ...]
    code: tuple[Change, ...]
    findings: tuple[NumberChange, ...]
    sentences: Sentences
    objects: tuple[Change, ...]
    sources: tuple[str, ...]


def side(db: Database, named: str) -> Side:
    """The version of a result's UID or of a run's number.

    Raises NotFound for an unknown one, TrackingError for a run that left no results.
    """
    from node import tracking

    if named.isdecimal() and len(named) <= _LONGEST_RUN:
        run = tracking.runs.get(db, int(named))
    else:
        run = tracking.runs.get(db, tracking.lookup.results_named(db, named)[0].run_id)
    results = tracking.results.of_key(db, run.result_key) if run.result_key else ()
    maker = maker_of(db, run, results)
    if "frames" not in (maker.snapshot or {}):
        raise TrackingError(
            f"run {run.id} of study {run.study_instance_uid} is {run.state} and left no results to "
            f"compare: `hepanode runs show {run.id}` says how it went"
        )
    return Side(maker, results)


def compare(first: Side, second: Side) -> Difference:
    """Raises TrackingError for two studies."""
    studies = (first.maker.study_instance_uid, second.maker.study_instance_uid)
    if studies[0] != studies[1]:
        raise TrackingError(
            "only versions of one study are compared: the first is of study "
            f"{studies[0]}, the second of study {studies[1]}"
        )
    was, now = recorded(first.maker.snapshot), recorded(second.maker.snapshot)
    lesions = paired(was["findings"].get("lesions") or [], now["findings"].get("lesions") or [])
    return Difference(
        study_instance_uid=studies[0],
        first=_version(first, was),
        second=_version(second, now),
        same=first.maker.id == second.maker.id,
        frames=tuple(_frame_changes(was, now)),
        asked=_changes(_asked(was), _asked(now)),
        models=_changes(_models(was), _models(now)),
        settings=_changes(was["settings"], now["settings"]),
        code=_changes(_code(was), _code(now)),
        findings=tuple(_number_changes(was["findings"], now["findings"], lesions)),
        sentences=_sentences(was, now, lesions),
        objects=_changes(kinds(first.results), kinds(second.results)),
        sources=tuple(sorted({*_fates(was), *_fates(now)})),
    )


def _version(one: Side, record: Mapping[str, Any]) -> Version:
    run = one.maker
    return Version(record["version"], run.id, run.result_key, run.finished_at, one.results)


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(
        Change(name, was.get(name), now.get(name))
        for name in dict.fromkeys((*was, *now))
        if was.get(name) != now.get(name)
    )


def _frame_changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[FrameChange]:
    before, after = _fates(was), _fates(now)
    groups: dict[tuple[str, str, str], list[int]] = {}
    for uid in sorted({*before, *after}):
        one, other = before.get(uid, {}), after.get(uid, {})
        numbered = sorted({n for n in (*one, *other) if n is not None})
        rest = [None] if (None in one and None in other) or not numbered else []
        for number in (*numbered, *rest):
            fates = _fate(one, number), _fate(other, number)
            if fates[0] != fates[1]:
                frames = groups.setdefault((uid, *fates), [])
                frames += [number] if number is not None else []
    for (uid, then, since), frames in groups.items():
        yield FrameChange(uid, tuple(frames), then, since)


def _fates(record: Mapping[str, Any]) -> dict[str, dict[int | None, str]]:
    """What became of each frame of each instance; None stands for those without a number."""
    fates: dict[str, dict[int | None, str]] = {}
    for frame in record["frames"]:
        fates.setdefault(frame["sop_instance_uid"], {})[frame["number"]] = "used"
    for drop in record["dropped"]:
        why = f"left out, {because(drop['reason'], drop.get('detail') or '')}"
        fates.setdefault(drop["sop_instance_uid"], {})[drop["number"]] = why
    return fates


def _fate(of_instance: Mapping[int | None, str], number: int | None) -> str:
    return of_instance.get(number) or of_instance.get(None) or NOT_THERE


def _asked(record: Mapping[str, Any]) -> dict[str, str]:
    """What operators gave beside frames."""
    given = {
        f"prompt {one['id']}": f"{place(one['kind'], one['coordinates'])}, frame {one['frame']} of "
        f"{one['sop_instance_uid']}" + ("" if one["stands"] else ", taken back")
        for one in record["prompts"]
    }
    return given | {name: f"{value:g}" for name, value in record["factors"].items()}


def _code(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record from before has none."""
    return record["code"] or dict.fromkeys(("hepanode", "format"), "not on record")


def _models(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        role: f"{one['name']} {one['version']}, {one['validation_status']}, sha256 {one['digest']}"
        for role, one in record["models"].items()
    }


def _number_changes(
    was: Mapping[str, Any], now: Mapping[str, Any], lesions: Sequence[Pair]
) -> Iterator[NumberChange]:
    before = numbers(was, [(name, one) for name, one, _ in lesions])
    after = numbers(now, [(name, other) for name, _, other in lesions])
    for what in dict.fromkeys((*before, *after)):
        one, other = before.get(what), after.get(what)
        if one != other:
            yield _number_change(what, one, other)


def _number_change(what: str, one: Number | None, other: Number | None) -> NumberChange:
    was, now = (known.value if known else None for known in (one, other))
    form = next(known.form for known in (one, other) if known)
    gap = None if was is None or now is None else FORMS[form].scale * (now - was)
    return NumberChange(what, was, now, gap, form)


def _said(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The study's answer, what was not answered and why, and the notes, as sentences."""
    findings = record["findings"]
    return (
        *((findings.get("answer") or {}).get("sentences") or ()),
        *(
            f"not answered, {one['subject']}: {because(one['reason'], one.get('detail') or '')}"
            for one in findings.get("abstentions") or ()
        ),
        *record["notes"],
    )


def _sentences(
    was: Mapping[str, Any], now: Mapping[str, Any], lesions: Sequence[Pair]
) -> Sentences:
    before, after = _said(was), _said(now)
    gone = [f"suspected: {name}" for name, _, other in lesions if other is None]
    come = [f"suspected: {name}" for name, one, _ in lesions if one is None]
    return Sentences(
        no_longer=(*gone, *(one for one in before if one not in after)),
        new=(*come, *(one for one in after if one not in before)),
    )


def kinds(results: Sequence[Result]) -> dict[str, int]:
    """How many objects there are of each."""
    return dict(Counter(one.kind for one in results))
