"""``hepanode doctor``: what is wrong, and what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from node.cli.output import STATE_STYLES, plural, print_json, say
from node.cli.session import Json, Session

if TYPE_CHECKING:
    from node.cli.checks import Finding


def doctor(session: Session, json: Json = False) -> None:
    """Check the whole node: what is wrong, and what to do. Exit 1 when something is wrong."""
    from node.cli.checks import CHECKS

    settings = session.settings
    found: list[Finding] = []
    for check in CHECKS:
        for finding in check(settings):
            found.append(finding)
            if not json:
                _print(finding)
                sys.stdout.flush()
    wrong = sum(finding.level == "wrong" for finding in found)
    if json:
        print_json(found)
    else:
        warnings = sum(finding.level == "warning" for finding in found)
        counts = [f"{wrong} wrong"] * bool(wrong) + [plural(warnings, "warning")] * bool(warnings)
        say(", ".join(counts) or "all is well", style="bold")
    raise typer.Exit(1 if wrong else 0)


def _print(finding: Finding) -> None:
    line = Text(finding.level.ljust(9), STATE_STYLES[finding.level])
    line.append(finding.check.ljust(14), style="")
    line.append(finding.text, style="")
    say(line)
    if finding.advice:
        say(f"{'':23}-> {finding.advice}")
