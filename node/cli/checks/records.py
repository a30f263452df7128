"""The database, and what it says of the work: is anything stuck."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from node import tracking
from node.cli.checks.finding import Finding
from node.cli.output import ago, class_name, duration, plural
from node.cli.session import refuse_missing_file
from node.errors import TrackingError
from node.settings import Settings
from node.tracking import Database, Delivery
from node.tracking.confirmations import NO_PROOF

_IMPATIENT = 60.0  # seconds that a run may wait before someone should look
_MANY = 10_000


@contextmanager
def _open(settings: Settings) -> Iterator[Database]:
    """The database; raises TrackingError."""
    refuse_missing_file(settings)
    db = Database(settings.database_url)
    try:
        db.check_revision()
        yield db
    finally:
        db.dispose()


def database(settings: Settings) -> Iterator[Finding]:
    try:
        with _open(settings) as db:
            where = db.url.render_as_string()
    except TrackingError as error:
        what, _, advice = str(error).rpartition(": ")
        yield Finding("wrong", "database", what, advice)
    else:
        yield Finding("ok", "database", f"{where}, schema {tracking.schema.REVISION}")


def queue(settings: Settings) -> Iterator[Finding]:
    try:
        with _open(settings) as db:
            age = tracking.runs.oldest_queued_age(db)
            waiting = len(tracking.runs.list_runs(db, state="queued", limit=_MANY))
            running = len(tracking.runs.list_runs(db, state="running", limit=_MANY))
    except TrackingError:
        return  # the database's own line says it
    text = f"{plural(waiting, 'run waits', 'runs wait')}, {running} in progress"
    if waiting:
        text += f", the oldest waits for {duration(age)}"
    if age < _IMPATIENT:
        yield Finding("ok", "queue", text)
    elif running:
        yield Finding("warning", "queue", text, "if this goes on, add workers")
    else:
        yield Finding(
            "wrong", "queue", text, "nobody works: start `hepanode up`, or dispatcher and worker"
        )


def runs(settings: Settings) -> Iterator[Finding]:
    """Studies whose last word is a run that did not end well."""
    try:
        with _open(settings) as db:
            bad = [
                run
                for state in ("failed", "quarantined")
                for run in tracking.runs.list_runs(db, state=state)
                if tracking.studies.get(db, run.study_instance_uid).last_run_state == state
            ]
    except TrackingError:
        return
    if not bad:
        yield Finding("ok", "runs", "no study's last run failed")
        return
    last = max(bad, key=lambda run: run.id)
    yield Finding(
        "warning",
        "runs",
        f"{plural(len(bad), 'run')} failed or quarantined, last run {last.id}, "
        f"{ago(last.finished_at)}: {last.error}",
        f"see `hepanode runs show {last.id}`; `hepanode studies reprocess UID` tries again",
    )


def held(settings: Settings) -> Iterator[Finding]:
    try:
        with _open(settings) as db:
            found = tracking.studies.list_studies(db, state="held", limit=_MANY)
    except TrackingError:
        return
    if found:
        yield Finding(
            "warning",
            "held",
            f"{plural(len(found), 'study is', 'studies are')} held and not analysed",
            "see `hepanode studies list --state held`, and `studies show UID` for the reason",
        )
    else:
        yield Finding("ok", "held", "no study is held")


def deliveries(settings: Settings) -> Iterator[Finding]:
    try:
        with _open(settings) as db:
            failed = tracking.deliveries.list_deliveries(db, state="failed", limit=_MANY)
            pending = tracking.deliveries.list_deliveries(db, state="pending", limit=_MANY)
            unproven = tracking.deliveries.list_deliveries(db, state="sent", limit=_MANY)
            made_up_for = tracking.deliveries.list_deliveries(db, state="refused", limit=_MANY)
            refused = [one for one in tracking.dialects.known(db) if not one.taken]
    except TrackingError:
        return
    if failed:
        yield Finding(
            "warning",
            "deliveries",
            f"{len(failed)} failed, last to {failed[0].destination}: {failed[0].last_error}",
            "see `hepanode deliveries list --state failed`; `deliveries retry` tries again",
        )
    names = {d.destination for d in pending}
    for name in sorted(names):
        count = sum(d.destination == name for d in pending)
        tried = [d for d in pending if d.destination == name and d.last_error]
        if settings.destination(name) is None:
            yield Finding(
                "warning",
                "deliveries",
                f"{count} wait for {name}, which is not configured any more",
                f"configure a destination {name} again, or leave them",
            )
        elif tried:
            yield Finding(
                "warning",
                "deliveries",
                f"{count} wait for {name}: {tried[0].last_error}",
                "they go by themselves when it takes them; `deliveries retry --all` tries now",
            )
    yield from _unproven(unproven)
    yield from _refused(made_up_for)
    for one in refused:
        if settings.destination(one.destination) is not None:
            what = class_name(one.sop_class_uid)
            text = f"{one.destination} does not take {what}, as it said {ago(one.learned_at)}"
            yield Finding("ok", "deliveries", text)
    if not failed and not names:
        yield Finding("ok", "deliveries", "none failed, none waits")


def _unproven(sent: Sequence[Delivery]) -> Iterator[Finding]:
    """What a destination took and then could not show."""
    doubtful = [one for one in sent if one.last_error and one.last_error != NO_PROOF]
    for name in sorted({one.destination for one in doubtful}):
        own = [one for one in doubtful if one.destination == name]
        yield Finding(
            "warning",
            "deliveries",
            f"{plural(len(own), 'object')} sent to {name} not confirmed: {own[0].last_error}",
            "look for them there; `hepanode deliveries retry --again ID` sends them once more",
        )


def _refused(found: Sequence[Delivery]) -> Iterator[Finding]:
    """Which kinds a destination never takes, and what it gets instead, as it last was."""
    last = {(one.destination, one.kind): one.last_error for one in reversed(found)}
    for (name, kind), error in sorted(last.items()):
        yield Finding("ok", "deliveries", f"{name} refused the {kind}: {error}")
