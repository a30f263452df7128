"""``hepanode studies``: what arrived, what became of it, and analyse it again.

``studies segment`` and ``studies hepatorenal`` are in files of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import (
    ago,
    class_name,
    fields,
    heading,
    moment,
    place,
    plural,
    print_json,
    say,
    size,
    table,
)
from node.cli.session import Json, Session, command, noun

if TYPE_CHECKING:
    from node.tracking import Instance, Prompt, Study

app = noun("studies", "The studies that arrived.")

UID = Annotated[
    str, typer.Argument(metavar="UID", help="Study Instance UID, or how it begins or ends.")
]


@command(app, "list")
def list_(
    session: Session,
    state: Annotated[str | None, typer.Option(help="receiving, complete or held.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """List studies, the one that arrived last first."""
    from node import tracking

    with session.database() as db:
        found = tracking.studies.list_studies(db, state=state, limit=limit)
    if json:
        print_json(found)
        return
    if not found:
        say(f"no study {f'is {state}' if state else 'has arrived yet'}")
        return
    table(
        ("LAST OBJECT", "STATE", "OBJECTS", "RUNS", "LAST RUN", "STUDY INSTANCE UID"),
        [
            (
                ago(study.last_instance_at),
                study.state,
                str(study.instances) + (f" +{study.conflicts}!" if study.conflicts else ""),
                str(study.runs),
                study.last_run_state or "-",
                study.study_instance_uid + (" (urgent)" if study.urgent else ""),
            )
            for study in found
        ],
    )
    _warn(found)
    if len(found) == limit:
        say(f"only the last {limit}: --limit shows more", style="dim")


def _warn(found: tuple[Study, ...]) -> None:
    if held := sum(study.state == "held" for study in found):
        say(f"{plural(held, 'study is', 'studies are')} held: `hepanode studies show UID` says why")
    if conflicts := sum(study.conflicts for study in found):
        say(f"!: {plural(conflicts, 'object')} came again with other content, kept aside")


@command(app)
def show(session: Session, uid: UID, json: Json = False) -> None:
    """Show one study: objects, runs, results, deliveries, clinical factors, who did what."""
    from node import tracking

    with session.database() as db:
        uid = tracking.studies.resolve(db, uid)
        study = tracking.studies.get(db, uid)
        instances = tracking.instances.list_of(db, uid)
        conflicts = tracking.instances.conflicts_of(db, uid)
        prompts = tracking.prompts.list_of(db, uid)
        runs = tracking.runs.list_runs(db, study_instance_uid=uid)
        results = tracking.results.of_study(db, uid)
        deliveries = tracking.deliveries.list_deliveries(db, study_instance_uid=uid)
        entered = tracking.clinical.list_of(db, uid)
        audit = tracking.audit.of_study(db, uid)
    if json:
        print_json(
            {
                "study": study,
                "instances": instances,
                "conflicts": conflicts,
                "prompts": prompts,
                "runs": [{**vars(run), "snapshot": None} for run in runs],
                "results": results,
                "deliveries": deliveries,
                "clinical": {factor.name: factor.answer for factor in entered},
                "audit": audit,
            }
        )
        return
    from node.cli.deliveries import print_deliveries
    from node.cli.results import print_results
    from node.cli.runs import print_runs

    fields(
        (
            ("study", study.study_instance_uid),
            ("state", study.state),
            ("why held" if study.state == "held" else "reason", study.reason),
            ("urgent", "yes" if study.urgent else ""),
            ("first object", moment(study.first_instance_at)),
            ("last object", moment(study.last_instance_at)),
        )
    )
    heading(plural(len(instances), "object"))
    _print_instances(instances)
    if conflicts:
        heading(f"{plural(len(conflicts), 'conflict')}: the first to come is analysed")
        table(
            ("CAME", "FROM", "SOP INSTANCE UID, WHERE IT IS KEPT, WHY"),
            [
                (ago(c.received_at), c.calling_ae, f"{c.sop_instance_uid} {c.path}: {c.reason}")
                for c in conflicts
            ],
        )
    if prompts:
        heading(f"{plural(len(prompts), 'prompt')}: what an operator pointed at")
        _print_prompts(prompts)
    heading(plural(len(runs), "run"))
    print_runs(runs, study_column=False)
    heading(plural(len(results), "result"))
    print_results(results)
    heading(plural(len(deliveries), "delivery", "deliveries"))
    print_deliveries(deliveries, study_column=False)
    if entered:
        heading("clinical factors that were entered")
        fields((factor.name.replace("_", " "), factor.answer) for factor in entered)
    if audit:
        heading("what was done by hand")
        table(
            ("WHEN", "WHO", "WHAT"),
            [(ago(a.at), a.actor, f"{a.action} {a.detail}".strip()) for a in audit],
        )


def _print_instances(instances: tuple[Instance, ...]) -> None:
    if instances:
        table(
            ("FROM", "SIZE", "CLASS", "SOP INSTANCE UID"),
            [
                (
                    instance.calling_ae,
                    size(instance.size),
                    class_name(instance.sop_class_uid)
                    + (" (own result)" if instance.own_result else ""),
                    instance.sop_instance_uid,
                )
                for instance in instances
            ],
        )


def _print_prompts(prompts: tuple[Prompt, ...]) -> None:
    table(
        ("PROMPT", "GIVEN", "STATE", "FRAME", "WHERE", "SOP INSTANCE UID"),
        [
            (
                str(one.id),
                ago(one.created_at),
                f"taken back {ago(one.taken_back_at)}" if one.taken_back_at else "stands",
                str(one.frame),
                place(one.kind, one.coordinates),
                one.sop_instance_uid,
            )
            for one in prompts
        ],
    )


@command(app)
def reprocess(session: Session, uid: UID, json: Json = False) -> None:
    """Queue a new run for a study. The dispatcher takes it up; no broker is needed here."""
    from node import tracking

    with session.database() as db:
        uid = tracking.studies.resolve(db, uid)
        run = tracking.studies.reprocess(db, uid)
        tracking.audit.record(db, "reprocess", uid, f"run {run}")
    if json:
        print_json({"study": uid, "run": run})
    else:
        say(f"run {run} of study {uid} is queued: `hepanode runs show {run}` follows it")
