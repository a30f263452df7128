"""``hepanode runs explain`` in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from node.cli.output import fields, heading, place, plural, say, table
from node.cli.results import print_results
from node.cli.runs import run_fields

if TYPE_CHECKING:
    from node.tracking import Result, Run


def print_explanation(run: Run, maker: Run, results: Sequence[Result]) -> None:
    """``maker``: the run whose snapshot explains the results; often ``run`` itself."""
    fields(run_fields(run))
    if maker.id != run.id:
        say(f"Same frames, models and settings as run {maker.id}, so its results stand; it used:")
    snapshot = maker.snapshot or {}
    if not snapshot:
        say("There is no snapshot: it is written when a run is done.")
        return
    frames = snapshot.get("frames", [])
    _frames_used(frames)
    _frames_dropped(snapshot.get("dropped", []), {f["sop_instance_uid"] for f in frames})
    _asked(snapshot.get("prompts", []), snapshot.get("factors", {}))
    _models(snapshot.get("models", {}))
    heading("findings")
    print_findings(snapshot.get("findings", {}), readings=True)
    if notes := snapshot.get("notes", []):
        heading("notes")
        for note in notes:
            say(f"  {note}")
    heading("settings and code")
    fields(
        (f"  {name}", str(value))
        for part in ("settings", "code")
        for name, value in snapshot.get(part, {}).items()
    )
    heading(f"{plural(len(results), 'result')}, version {snapshot.get('version', '?')}")
    print_results(results)


def _frames_used(frames: Sequence[Mapping[str, Any]]) -> None:
    by_instance = groupby(frames, key=lambda frame: frame["sop_instance_uid"])
    groups = [(uid, list(of_instance)) for uid, of_instance in by_instance]
    heading(f"{plural(len(frames), 'frame')} used, of {plural(len(groups), 'object')}")
    if groups:
        table(
            ("FRAMES", "OF", "SOP INSTANCE UID"),
            [
                (ranges(f["number"] for f in of), str(of[0].get("number_of_frames", "?")), uid)
                for uid, of in groups
            ],
        )


def _frames_dropped(dropped: Sequence[Mapping[str, Any]], used: Collection[str]) -> None:
    """``used``: the objects of which other frames were used."""

    def same(drop: Mapping[str, Any]) -> tuple[str, str, str]:
        return drop["sop_instance_uid"], drop["reason"], drop.get("detail") or ""

    rows = []
    for (uid, reason, detail), group in groupby(sorted(dropped, key=same), key=same):
        numbers = [drop["number"] for drop in group]
        whole = "the rest" if uid in used else "all"
        rows.append((whole if None in numbers else ranges(numbers), uid, because(reason, detail)))
    heading("not used" if rows else "nothing was left out")
    if rows:
        table(("FRAMES", "SOP INSTANCE UID", "WHY"), rows)


def _asked(prompts: Sequence[Mapping[str, Any]], factors: Mapping[str, float]) -> None:
    """What the run read beside frames."""
    if prompts:
        heading(f"{plural(len(prompts), 'prompt')} of an operator")
    for one in prompts:
        say(
            f"  prompt {one['id']}: {place(one['kind'], one['coordinates'])}, "
            f"frame {one['frame']} of {one['sop_instance_uid']}"
            + ("" if one["stands"] else ", taken back")
        )
    if factors:
        heading("clinical factors, as numbers")
        fields((f"  {name}", f"{value:g}") for name, value in factors.items())


def because(reason: str, detail: str = "") -> str:
    """The sentence for a reason of ``workers.findings.Reason``."""
    from workers.findings import EXPLANATION

    sentences = {known.value: sentence for known, sentence in EXPLANATION.items()}
    sentence = sentences.get(reason, reason)
    return f"{sentence} ({detail})" if detail else sentence


def _models(models: Mapping[str, Mapping[str, Any]]) -> None:
    heading(plural(len(models), "model"))
    for role, model in models.items():
        say(
            f"  {role}: {model['name']} {model['version']}, {model['validation_status']}, "
            f"sha256 {model['digest']}"
        )
        if figures := model.get("figures"):
            say(f"    {figures}", style="dim")


def print_findings(findings: Mapping[str, Any], *, readings: bool = False) -> None:
    """What was found and what was not answered; with ``readings`` also frame by frame."""
    thresholds = findings.get("thresholds") or {}
    lesions = findings.get("lesions") or []
    if findings.get("readings"):
        say(f"  {plural(len(lesions), 'suspected lesion')}")
    for lesion in lesions:
        say(
            f"    {lesion['tracking_id']}: {_percentages(lesion['probabilities'])}, "
            f"frame {lesion['frame']} of {lesion['sop_instance_uid']}, "
            f"outline by {lesion['outline_kind']}"
        )
        _print_outlined(lesion)
    for sentence in (findings.get("answer") or {}).get("sentences", []):
        say(f"    {sentence}")
    if prompted := findings.get("prompted") or []:
        say(f"  {plural(len(prompted), 'outline')} where an operator pointed")
    for lesion in prompted:
        said = _percentages(lesion["probabilities"]) or "malignancy not answered"
        say(
            f"    {lesion['tracking_id']}: {_size(lesion)}, {said}, "
            f"frame {lesion['frame']} of {lesion['sop_instance_uid']}, "
            f"{place(lesion['prompt']['kind'], lesion['prompt']['points'])}"
        )
        _print_readings(lesion)
    if readings and findings.get("readings"):
        say("  per frame")
        for reading in findings["readings"]:
            say(
                f"    {_percentages(reading['probabilities'])}, "
                f"frame {reading['frame']} of {reading['sop_instance_uid']}"
            )
    if index := findings.get("hepatorenal"):
        _print_hepatorenal(index)
    if fat := findings.get("fat"):
        percent = "no number" if fat["fat_percent"] is None else f"{fat['fat_percent']:.1f} %"
        say(
            f"  liver fat {percent}; "
            f"{_percentages({'5 % or more:': fat['p_5'], '10 % or more:': fat['p_10']})}; "
            f"views: {', '.join(fat['views']) or 'none known'}; "
            f"{plural(fat['frames_of_unknown_view'], 'frame')} of unknown view"
            + _named(fat.get("frames_of_named_view", 0))  # records from before have no such count
        )
    if thresholds:
        say("  thresholds: " + ", ".join(f"{name} {value:g}" for name, value in thresholds.items()))
    for abstention in findings.get("abstentions") or []:
        why = because(abstention["reason"], abstention.get("detail") or "")
        say(f"  not answered, {abstention['subject']}: {why}")


def _print_outlined(lesion: Mapping[str, Any]) -> None:
    """The size of a found lesion and where it was seen; one that was not outlined has none."""
    if lesion.get("diameters") is None:
        return
    seen = lesion["seen_in"]
    frames = f"outlined in {plural(len(seen), 'frame')}: {ranges(seen)}"
    say(f"      {_size(lesion)}; {frames}")
    _print_readings(lesion)


def _print_readings(lesion: Mapping[str, Any]) -> None:
    for reading in lesion.get("readings") or []:
        say(f"      {reading['model']}: {_percentages(reading['probabilities'])}")


def _named(frames: int) -> str:
    return f", {plural(frames, 'frame')} whose view a model named" if frames else ""


def _print_hepatorenal(found: Mapping[str, Any]) -> None:
    pairs = found["pairs"]
    median = f", the median of {len(pairs)} pairs" if len(pairs) > 1 else ""
    said = "fat not answered"
    if found["fat"] is not None:
        fat, low, high = found["fat"]
        (p_5, *_), (p_10, *_) = found["p_5"], found["p_10"]
        said = (
            f"liver cells with fat {fat:.1f} % ({low:.0f} to {high:.0f}), "
            f"{_percentages({'5 % or more:': p_5, '10 % or more:': p_10})}"
        )
    say(f"  hepatorenal index {found['index']:.3f}{median}; {said}")
    for pair in pairs:
        prompt = pair["prompt"]
        say(
            f"    prompt {prompt['id']}: index {pair['index']:.3f}, "
            f"liver {pair['liver_level']:.1f} over kidney {pair['kidney_level']:.1f}, "
            f"frame {pair['frame']['number']} of {pair['frame']['sop_instance_uid']}, "
            f"{place(prompt['kind'], prompt['points'])}"
        )


def _size(lesion: Mapping[str, Any]) -> str:
    measured = lesion["diameters"]
    if measured["long_mm"] is None or lesion["area_mm2"] is None:
        return f"{lesion['area_pixels']} pixels, not calibrated"
    return (
        f"{measured['long_mm']:.1f} x {measured['short_mm']:.1f} mm, {lesion['area_mm2']:.0f} mm2"
    )


def _percentages(probabilities: Mapping[str, float | None]) -> str:
    """A record keeps null for what was no number."""
    return ", ".join(
        f"{label} {'no number' if value is None else f'{value:.0%}'}"
        for label, value in probabilities.items()
    )


def ranges(numbers: Iterable[int]) -> str:
    """``1-4, 7, 9-12``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
