"""``hepanode results diff`` in words."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from node.cli.comparison import NOT_THERE, Change, Difference, Version, kinds
from node.cli.explanation import ranges
from node.cli.numbers import shown, shown_difference
from node.cli.output import fields, heading, moment, plural, say, table

_UID = re.compile(r"[0-9]+(?:\.[0-9]+){3,}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHORT = 16


class _Footnotes:
    """Numbers that stand for source instances, whose UIDs are listed once, at the end."""

    def __init__(self, sources: Collection[str]) -> None:
        self._sources = sources
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> str:
        return _UID.sub(self._number, text)

    def _number(self, found: re.Match[str]) -> str:
        uid = found.group()
        if uid not in self._sources:
            return uid
        return f"[{self.numbers.setdefault(uid, len(self.numbers) + 1)}]"


def print_difference(found: Difference) -> None:
    brief = _Footnotes(frozenset(found.sources))
    fields(
        (
            ("study", found.study_instance_uid),
            ("first", _title(found.first)),
            ("second", _title(found.second)),
        )
    )
    if found.same:
        say("Both are of the same version: nothing differs.")
        return
    _heading("input", found.frames, found.asked)
    for one in found.frames:
        which = f"frame{'s' * (len(one.frames) > 1)} {ranges(one.frames)} of " * bool(one.frames)
        say(f"  {which}{brief(one.sop_instance_uid)}")
        _print_change(one.was, one.now)
    _print_changes(found.asked, brief)
    for name in ("models", "settings", "code"):
        changes = getattr(found, name)
        _heading(name, changes)
        _print_changes(changes, brief)
    _print_findings(found, brief)
    _heading("objects", found.objects)
    _print_changes(found.objects, brief)
    if brief.numbers:
        heading("source instances")
    for uid, number in brief.numbers.items():
        say(f"  [{number}] {uid}")


def _title(one: Version) -> str:
    held = ", ".join(plural(count, kind) for kind, count in kinds(one.results).items())
    return f"version {one.version}, run {one.run}: {held}, {moment(one.made_at)}"


def _heading(name: str, *changes: Sequence[object]) -> None:
    heading(name if any(changes) else f"{name}: the same")


def _print_changes(changes: Sequence[Change], brief: _Footnotes) -> None:
    for one in changes:
        say(f"  {one.what}")
        _print_change(*(brief(str(v)) if v is not None else None for v in (one.was, one.now)))


def _print_change(was: Any, now: Any) -> None:
    """Of a digest only as much as tells two apart; ``--json`` has it whole."""
    for name, value in (("was", was), ("is ", now)):
        text = NOT_THERE if value is None else value
        say(f"    {name}  {_SHA256.sub(lambda found: found.group()[:_SHORT] + '…', text)}")


def _print_findings(found: Difference, brief: _Footnotes) -> None:
    said = found.sentences
    _heading("findings", found.findings, said.no_longer, said.new)
    if found.findings:
        table(
            ("WAS", "IS", "DIFFERENCE", "WHAT"),
            [
                (
                    shown(one.was, one.form),
                    shown(one.now, one.form),
                    shown_difference(one.difference, one.form),
                    brief(one.what),
                )
                for one in found.findings
            ],
        )
    for title, sentences in (("no longer said", said.no_longer), ("now said", said.new)):
        if sentences:
            say(f"{title}")
        for sentence in sentences:
            say(f"  {brief(sentence)}")
