"""What became of each study: followed while it is worked on, and told at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node import tracking
from node.cli.demonstration.pacs import Pacs
from node.tracking import Database, Delivery, Result, Run

_ENDED = ("done", "failed", "quarantined")
_PICTURES = {"heatmap", "summary"}


@dataclass(frozen=True)
class StudyState:
    """Where a study stands: ``reason`` says why it is held or what failed."""

    study_instance_uid: str
    state: str
    reason: str
    run: Run | None
    results: tuple[Result, ...] = ()
    deliveries: tuple[Delivery, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen by itself."""
        if self.state == "held":
            return True
        if self.state != "complete" or self.run is None or self.run.state not in _ENDED:
            return False
        return all(delivery.state != "pending" for delivery in self.deliveries)

    @property
    def word(self) -> str:
        """One word for the state of the whole."""
        if self.state != "complete" or self.run is None:
            return self.state
        if self.run.state == "done" and not self.settled:
            return "delivering"
        return self.run.state


def look(db: Database, study_instance_uid: str) -> StudyState:
    """The study's state now; raises NotFound when nothing of it is recorded."""
    study = tracking.studies.get(db, study_instance_uid)
    runs = tracking.runs.list_runs(db, study_instance_uid=study_instance_uid, limit=1)
    run = runs[0] if runs else None
    if run is None or run.state != "done" or run.result_key is None:
        return StudyState(study_instance_uid, study.state, _reason(study.reason, run), run)
    return StudyState(
        study_instance_uid,
        study.state,
        study.reason,
        run,
        tracking.results.of_key(db, run.result_key),
        tracking.deliveries.list_deliveries(db, study_instance_uid=study_instance_uid, limit=10000),
    )


def _reason(held: str, run: Run | None) -> str:
    return held or (run.error if run else "")


@dataclass(frozen=True)
class Arrived:
    """A result object that the PACS has; ``preview`` is the picture that it holds, if it does."""

    kind: str
    sop_class: str
    sop_instance_uid: str
    path: Path
    preview: Path | None = None


@dataclass(frozen=True)
class StudyAccount:
    """A settled study, its results at the PACS, and what is missing there."""

    state: StudyState
    arrived: tuple[Arrived, ...]
    problems: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        run = self.state.run
        return {
            "study": self.state.study_instance_uid,
            "run": run.id if run else None,
            "state": self.state.word,
            "results": [
                {
                    "kind": result.kind,
                    "sop_class": result.sop_class,
                    "sop_instance_uid": result.sop_instance_uid,
                    "path": str(result.path),
                    "preview": str(result.preview) if result.preview else None,
                }
                for result in self.arrived
            ],
            "seconds": self.seconds,
            "problems": list(self.problems),
        }


def account_for(state: StudyState, pacs: Pacs, previews: Path) -> StudyAccount:
    """Ask the PACS for every result object of a settled study."""
    uid = state.study_instance_uid
    arrived, problems = [], []
    for result in state.results:
        path = pacs.fetch(result.sop_instance_uid)
        if path is None or not _is(path, result):
            problems.append(f"{result.kind} {result.sop_instance_uid} is not at the PACS")
            problems += _answers(state.deliveries, result.sop_instance_uid)
            continue
        picture = _preview(path, previews, result.kind) if result.kind in _PICTURES else None
        arrived.append(
            Arrived(result.kind, result.sop_class_uid, result.sop_instance_uid, path, picture)
        )
    if state.reason or state.word != "done":
        problems.insert(0, f"study {uid} is {state.word}: {state.reason or 'not finished in time'}")
    elif not any(result.kind == "report" for result in arrived):
        problems.append(f"study {uid} has no report at the PACS")
    return StudyAccount(state, tuple(arrived), tuple(problems), _seconds(state))


def _is(path: Path, result: Result) -> bool:
    from pydicom import dcmread

    header = dcmread(path, stop_before_pixels=True)
    return bool(
        header.SOPInstanceUID == result.sop_instance_uid
        and header.SOPClassUID == result.sop_class_uid
        and header.StudyInstanceUID == result.study_instance_uid
    )


def _answers(deliveries: Sequence[Delivery], sop_instance_uid: str) -> list[str]:
    return [d.last_error for d in deliveries if d.sop_instance_uid == sop_instance_uid]


def _preview(path: Path, folder: Path, kind: str) -> Path:
    """The capture's pixels as a PNG picture."""
    from PIL import Image
    from pydicom import dcmread

    capture = dcmread(path)
    number = len(list(folder.glob(f"{kind}-*.png"))) + 1
    target = folder / f"{kind}-{number:02}.png"
    Image.fromarray(capture.pixel_array).save(target)
    return target


def _seconds(state: StudyState) -> dict[str, float]:
    """The run's stages, and from its end until the last object was delivered."""
    if state.run is None:
        return {}
    seconds = dict(state.run.timings or {})
    sent = [delivery.sent_at for delivery in state.deliveries if delivery.sent_at]
    if sent and state.run.finished_at:
        seconds["delivery"] = round((max(sent) - state.run.finished_at).total_seconds(), 3)
    return seconds
