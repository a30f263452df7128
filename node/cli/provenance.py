"""Where a result comes from: its file, its versions, its run, what the run read and with what."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

from node.cli.output import class_name, fields, heading, plural, size
from node.errors import StorageError

if TYPE_CHECKING:
    from node.storage import InstanceStore
    from node.tracking import Database, Delivery, Result, Run

RECORD: Mapping[str, Any] = {
    "version": None,
    "frames": [],
    "dropped": [],
    "prompts": [],
    "factors": {},
    "models": {},
    "settings": {},
    "code": {},
    "findings": {},
    "notes": [],
}
"""What ``workers.snapshot`` keeps of a run, and what stands for it in a run without."""


@dataclass(frozen=True)
class StoredObject:
    """A result object and its file, or the older form that destinations got in its stead.

    older_form_for : those destinations; empty for the result as it was made
    size, sha256 : of the file as it was made, where that is on record, else as it lies
    fault : what is wrong with the file; empty when it is as it was made
    """

    kind: str
    version: int
    run_id: int
    sop_class: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    series_number: int | None
    series_description: str
    instance_number: int | None
    path: str
    size: int | None
    sha256: str
    older_form_for: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Provenance:
    """Result objects of one version and all that stands behind them.

    objects : those asked for, each followed by its older forms; results : the whole version
    before, after : the reports that it names as predecessors, and those that name its own
    run : the one that made them, whose snapshot says from what
    deliveries : of the objects
    """

    objects: tuple[StoredObject, ...]
    results: tuple[Result, ...]
    before: tuple[Result, ...]
    after: tuple[Result, ...]
    newest: int
    run: Run
    deliveries: tuple[Delivery, ...]


def trace(db: Database, store: InstanceStore, asked: Sequence[Result]) -> Provenance:
    """``asked``: objects of one version. A file that is missing or changed is a ``fault``."""
    from node import tracking

    first = asked[0]
    ids = {one.id for one in asked}
    known = tracking.results.of_study(db, first.study_instance_uid)
    deliveries = tuple(
        one
        for one in tracking.deliveries.list_deliveries(db, run_id=first.run_id, limit=_EVERY)
        if one.result_id in ids
    )

    def reports(version: int) -> tuple[Result, ...]:
        return tuple(one for one in known if (one.kind, one.version) == ("report", version))

    return Provenance(
        objects=tuple(lying for one in asked for lying in _examine(store, one, deliveries)),
        results=tuple(one for one in known if one.result_key == first.result_key),
        before=reports(first.version - 1),
        after=reports(first.version + 1),
        newest=known[-1].version,
        run=tracking.runs.get(db, first.run_id),
        deliveries=deliveries,
    )


_EVERY = 1_000_000


def _examine(
    store: InstanceStore, result: Result, deliveries: Sequence[Delivery]
) -> list[StoredObject]:
    """The result as it was made, and then each older form that was made of it."""
    made = StoredObject(
        kind=result.kind,
        version=result.version,
        run_id=result.run_id,
        sop_class=class_name(result.sop_class_uid),
        sop_class_uid=result.sop_class_uid,
        sop_instance_uid=result.sop_instance_uid,
        series_instance_uid=result.series_instance_uid,
        series_number=None,
        series_description="",
        instance_number=None,
        path=result.path,
        size=result.size,
        sha256=result.sha256,
    )
    forms: dict[str, StoredObject] = {}
    for one in deliveries:
        if one.result_id == result.id and one.sop_instance_uid != result.sop_instance_uid:
            form = forms.get(one.sop_instance_uid, made)
            forms[one.sop_instance_uid] = replace(
                made,
                sop_class=class_name(one.sop_class_uid),
                sop_class_uid=one.sop_class_uid,
                sop_instance_uid=one.sop_instance_uid,
                series_instance_uid="",
                path=one.path,
                size=None,
                sha256="",
                older_form_for=(*form.older_form_for, one.destination),
            )
    return [_read(store, one) for one in (made, *forms.values())]


def _read(store: InstanceStore, found: StoredObject) -> StoredObject:
    """With what only the file says, or what is wrong with it."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        content = store.read_result(found.path, found.size, found.sha256)
    except StorageError as error:
        return replace(found, fault=str(error))
    try:
        header = dcmread(BytesIO(content), stop_before_pixels=True, specific_tags=list(_TAGS))
        named, series, number, description, instance = (header.get(one) for one in _TAGS)
    except (InvalidDicomError, EOFError, TypeError, ValueError):
        return replace(found, fault=f"the file {found.path} is no DICOM file any more")
    if named != found.sop_instance_uid:
        return replace(found, fault=f"the file {found.path} holds another object, {named}")
    return replace(
        found,
        series_instance_uid=str(series),
        series_number=int(number),
        series_description=str(description),
        instance_number=int(instance),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


_TAGS = (
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "InstanceNumber",
)


def recorded(snapshot: Mapping[str, Any] | None) -> dict[str, Any]:
    """Every part of a run's record, those that it has not as empty."""
    return {name: (snapshot or {}).get(name, empty) for name, empty in RECORD.items()}


def as_json(found: Provenance) -> dict[str, Any]:
    return {
        "study_instance_uid": found.run.study_instance_uid,
        "newest_version": found.newest,
        "predecessors": found.before,
        "successors": found.after,
        "objects": found.objects,
        "run": {name: value for name, value in vars(found.run).items() if name != "snapshot"},
        **recorded(found.run.snapshot),
        "results": found.results,
        "deliveries": found.deliveries,
    }


def print_provenance(found: Provenance) -> None:
    from node.cli.deliveries import print_deliveries
    from node.cli.explanation import print_explanation

    for number, one in enumerate(found.objects):
        if number:
            heading("and" if not one.older_form_for else "and in an older form")
        fields(_object_fields(one, found))
    heading("the run that made it" if len(found.objects) == 1 else "the run that made them")
    print_explanation(found.run, found.run, found.results)
    heading(plural(len(found.deliveries), "delivery", "deliveries"))
    print_deliveries(found.deliveries, study_column=False)


def _object_fields(one: StoredObject, found: Provenance) -> list[tuple[str, str]]:
    return [
        (one.kind, one.sop_instance_uid),
        ("class", one.sop_class),
        ("sent to", ", ".join(one.older_form_for)),
        ("series", one.series_description),
        ("series UID", one.series_instance_uid),
        (
            "version",
            f"{one.version} of {found.newest}" + (", the newest" if not found.after else ""),
        ),
        ("before it", _named(found.before)),
        ("after it", _named(found.after)),
        ("file", one.path + (f", {size(one.size)}" if one.size is not None else "")),
        ("fault", one.fault and f"{one.fault}: {repair(one, found)}"),
        ("sha256", one.sha256),
    ]


def _named(reports: Sequence[Result]) -> str:
    return ", ".join(f"version {one.version}, report {one.sop_instance_uid}" for one in reports)


def repair(one: StoredObject, found: Provenance) -> str:
    """What brings back a file that is not as it was made."""
    have = {
        delivery.destination
        for delivery in found.deliveries
        if delivery.sop_instance_uid == one.sop_instance_uid
        and delivery.state in ("sent", "confirmed")
    }
    has_it = f" or from {' or '.join(sorted(have))}, which got it" if have else ""
    elsewhere = f"bring it back from a backup of the data folder{has_it}"
    if found.after or one.older_form_for:
        return elsewhere
    return (
        f"`hepanode studies reprocess {found.run.study_instance_uid}` makes it again, where input, "
        f"models, settings and program are what they were; else {elsewhere}"
    )
