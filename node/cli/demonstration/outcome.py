"""What a demonstration tells at its end, to people and to programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.association.sender import Sent
from node.cli.demonstration.account import StudyAccount
from node.cli.explanation import print_findings
from node.cli.output import class_name, duration, heading, say, table


@dataclass(frozen=True)
class Outcome:
    """``seconds``: per stage of the demonstration itself."""

    folder: Path
    sent: Sequence[Sent]
    skipped: Sequence[tuple[Path, str]]
    accounts: Sequence[StudyAccount]
    seconds: dict[str, float]

    @property
    def problems(self) -> list[str]:
        """Why the demonstration did not succeed; empty when it did."""
        refused = [f"{s.path} was not stored: {s.error}" for s in self.sent if not s.accepted]
        nothing = [] if self.sent else ["there was nothing to send"]
        return nothing + refused + [p for account in self.accounts for p in account.problems]

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        studies = [account.as_json() for account in self.accounts]
        told = next((s for s in studies if s["problems"]), studies[0] if studies else _NOTHING)
        return {
            **told,
            "seconds": self.seconds | told["seconds"],
            "ok": self.ok,
            "problems": self.problems,
            "folder": str(self.folder),
            "studies": studies,
            "files": {
                "stored": sum(outcome.accepted for outcome in self.sent),
                "refused": [
                    {"path": str(s.path), "error": s.error} for s in self.sent if not s.accepted
                ],
                "skipped": [{"path": str(path), "why": why} for path, why in self.skipped],
            },
        }

    def print(self) -> None:
        for account in self.accounts:
            run = account.state.run
            heading(f"study {account.state.study_instance_uid}")
            say(f"  {account.state.word}" + (f", run {run.id}" if run else ""))
            print_findings((run.snapshot or {}).get("findings", {}) if run else {})
            if account.arrived:
                say("  at the PACS, read back and compared:")
                table(
                    ("  KIND", "CLASS", "FILE"),
                    [
                        (f"  {result.kind}", class_name(result.sop_class), str(result.path))
                        for result in account.arrived
                    ],
                )
            for result in account.arrived:
                if result.preview:
                    say(f"  {result.kind} as a picture: {result.preview}")
            if account.seconds:
                stages = (f"{name} {duration(s)}" for name, s in account.seconds.items())
                say(f"  {', '.join(stages)}")
        say()
        say(", ".join(f"{name} {duration(s)}" for name, s in self.seconds.items()))
        say(f"everything is kept in {self.folder}")
        for problem in self.problems:
            say(problem, style="bold red")


_NOTHING: dict[str, Any] = {
    "study": None,
    "run": None,
    "state": "nothing-sent",
    "results": [],
    "seconds": {},
    "problems": [],
}
