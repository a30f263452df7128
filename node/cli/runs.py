"""``hepanode runs``: the analyses of studies, how they went and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import (
    ago,
    duration,
    fields,
    heading,
    moment,
    plural,
    print_json,
    say,
    table,
)
from node.cli.session import Json, Session, command, noun

if TYPE_CHECKING:
    from node.tracking import Database, Result, Run

app = noun("runs", "The runs: one analysis of one study each.")

RunId = Annotated[int, typer.Argument(metavar="ID", help="The number of a run.")]


@command(app, "list")
def list_(
    session: Session,
    state: Annotated[
        str | None,
        typer.Option(help="queued, running, done, failed, quarantined or superseded."),
    ] = None,
    study: Annotated[
        str | None, typer.Option(metavar="UID", help="Only of this study (UID or its beginning).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """List runs, the newest first."""
    from node import tracking

    with session.database() as db:
        uid = tracking.studies.resolve(db, study) if study else None
        found = tracking.runs.list_runs(db, study_instance_uid=uid, state=state, limit=limit)
    if json:
        print_json([{**vars(run), "snapshot": None} for run in found])
        return
    if not found:
        say(f"no run {f'is {state}' if state else 'was made yet'}")
        return
    print_runs(found)
    if len(found) == limit:
        say(f"only the last {limit}: --limit shows more", style="dim")


def print_runs(found: Sequence[Run], *, study_column: bool = True) -> None:
    """A table of runs, and beneath it why those that did not end well did not."""
    if not found:
        return
    table(
        (
            "RUN",
            "STATE",
            "CAUSE",
            "QUEUED",
            "TOOK",
            "TRIES",
            *["STUDY INSTANCE UID"] * study_column,
        ),
        [
            (
                str(run.id),
                run.state,
                run.cause + (", urgent" if run.urgent else ""),
                ago(run.created_at),
                took(run),
                str(run.attempts),
                *[run.study_instance_uid] * study_column,
            )
            for run in found
        ],
    )
    for run in found:
        if run.error and run.state != "superseded":
            say(f"run {run.id}: {run.error}")


def took(run: Run) -> str:
    """How long the last attempt took, or takes already."""
    if run.started_at is None or run.state == "queued":
        return "-"
    if run.finished_at is None:
        return f"since {ago(run.started_at)}".removesuffix(" ago")
    return duration((run.finished_at - run.started_at).total_seconds())


@command(app)
def show(session: Session, id: RunId, json: Json = False) -> None:
    """Show how one run went; `explain` says what it rests on."""
    from node import tracking
    from node.cli.deliveries import print_deliveries
    from node.cli.results import print_results

    with session.database() as db:
        run = tracking.runs.get(db, id)
        key = run.result_key
        results = tracking.results.of_key(db, key) if key else ()
        deliveries = tracking.deliveries.list_deliveries(db, run_id=id)
    if json:
        print_json({**vars(run), "results": results, "deliveries": deliveries})
        return
    fields(run_fields(run))
    heading(plural(len(results), "result"))
    print_results(results)
    heading(plural(len(deliveries), "delivery", "deliveries"))
    print_deliveries(deliveries, study_column=False)


def run_fields(run: Run) -> list[tuple[str, str]]:
    waited = run.published_at is None and run.state == "queued"
    timings = run.timings or {}
    return [
        ("run", str(run.id)),
        ("study", run.study_instance_uid),
        ("state", run.state),
        ("error", run.error),
        ("cause", run.cause + (", urgent" if run.urgent else "")),
        ("tries", str(run.attempts)),
        ("queued", moment(run.created_at)),
        ("published", "not yet: is a dispatcher running?" if waited else moment(run.published_at)),
        ("worker", run.worker or ""),
        ("started", moment(run.started_at)),
        ("finished", moment(run.finished_at)),
        ("took", took(run) if run.finished_at else ""),
        ("stages", ", ".join(f"{name} {duration(s)}" for name, s in timings.items())),
        ("result key", run.result_key or ""),
    ]


@command(app)
def explain(session: Session, id: RunId, json: Json = False) -> None:
    """Explain a run: every frame used or not and why, models, findings, times and results."""
    from node import tracking
    from node.cli.explanation import print_explanation
    from node.cli.provenance import recorded

    with session.database() as db:
        run = tracking.runs.get(db, id)
        results = tracking.results.of_key(db, run.result_key) if run.result_key else ()
        maker = maker_of(db, run, results)
    if json:
        print_json(
            {
                "run": run.id,
                "study": run.study_instance_uid,
                "state": run.state,
                "cause": run.cause,
                "error": run.error,
                "attempts": run.attempts,
                "made_by_run": maker.id,
                "result_key": run.result_key,
                "timings": run.timings or {},
                **recorded(maker.snapshot),
                "results": results,
            }
        )
        return
    print_explanation(run, maker, results)


def maker_of(db: Database, run: Run, results: Sequence[Result]) -> Run:
    """The run whose snapshot explains ``results``, those of ``run``: one over what was analysed
    before has none of its own."""
    from node import tracking

    if "frames" not in (run.snapshot or {}) and results and results[0].run_id != run.id:
        return tracking.runs.get(db, results[0].run_id)
    return run
