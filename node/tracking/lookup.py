"""Which result is meant by a UID that somebody read in the PACS."""

from __future__ import annotations

import sqlalchemy as sa

from node.errors import NotFound
from node.tracking.database import Database
from node.tracking.records import Result
from node.tracking.results import COLUMNS
from node.tracking.schema import deliveries, instances, results, studies


def results_named(db: Database, part: str) -> tuple[Result, ...]:
    """The result object of a SOP Instance UID, or of how it begins or ends, whether it was made
    under it or sent under it in an older form; the objects of a Series Instance UID, in the order
    of delivery.

    Raises NotFound, which says what the UID is instead, when it is of no result, or of several.
    """
    forms = sa.select(deliveries.c.result_id)
    form = deliveries.c.form_instance_uid
    own = results.c.sop_instance_uid
    whole = sa.or_(
        own == part,
        results.c.series_instance_uid == part,
        results.c.id.in_(forms.where(sa.or_(form == part, deliveries.c.form_series_uid == part))),
    )
    partly = sa.or_(
        _fits(own, part),
        results.c.id.in_(forms.where(_fits(form, part))),
    )
    with db.reading() as connection:
        for condition, most in ((whole, None), (partly, 1)):
            rows = connection.execute(
                sa.select(*COLUMNS)
                .join(studies)
                .where(condition)
                .order_by(results.c.version, results.c.position)
                .limit(most and most + 1)
            ).all()
            if most and len(rows) > most:
                first, second = (row.sop_instance_uid for row in rows)
                raise NotFound(f"more than one result is meant by {part}, as {first} and {second}")
            if rows:
                return tuple(Result(**row._mapping) for row in rows)
        raise NotFound(_instead(connection, part))


def _fits(column: sa.ColumnElement[str], part: str) -> sa.ColumnElement[bool]:
    return sa.or_(column.startswith(part, autoescape=True), column.endswith(part, autoescape=True))


def _instead(connection: sa.Connection, part: str) -> str:
    """What a UID is that is no result's, and where the results are."""
    received = connection.execute(
        sa.select(instances.c.own_result, studies.c.study_instance_uid, studies.c.id)
        .join(studies)
        .where(
            sa.or_(instances.c.sop_instance_uid == part, instances.c.series_instance_uid == part)
        )
        .limit(1)
    ).first()
    study = (
        received
        or connection.execute(
            sa.select(studies.c.study_instance_uid, studies.c.id).where(
                studies.c.study_instance_uid == part
            )
        ).first()
    )
    if study is None:
        return (
            f"no result {part} on this node: `hepanode studies list` names its studies, `hepanode "
            "results list UID` the results of one"
        )
    uid = study.study_instance_uid
    what = f"{part} is a study"
    if received:
        what = f"{part} is no result but a source, received in study {uid}"
        if received.own_result:
            what = f"{part} is a result that another node or database made, received in study {uid}"
    made = connection.execute(
        sa.select(results.c.version, results.c.sop_instance_uid)
        .where(results.c.study_id == study.id, results.c.kind == "report")
        .order_by(results.c.version)
    ).all()
    if not made:
        return f"{what}, which has no results yet: see `hepanode runs list --study {uid}`"
    named = ", ".join(f"version {one.version} {one.sop_instance_uid}" for one in made)
    return f"{what}, whose reports are {named}: see `hepanode results list {uid}`"
