"""Result objects as files in a folder: all of them or none, and never over something else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from node.cli.output import as_text
from node.cli.provenance import Provenance, StoredObject, as_json, repair, trace
from node.errors import NotFound, StorageError

if TYPE_CHECKING:
    from node.storage import InstanceStore
    from node.tracking import Database, Result

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Exported:
    """``file``: relative to the folder, with forward slashes."""

    file: str
    sop_instance_uid: str
    version: int


def chosen(
    db: Database, store: InstanceStore, uid: str, version: int | None
) -> tuple[Provenance, ...]:
    """What a study or a result holds, version by version; raises NotFound when that is nothing."""
    found = _named(db, uid)
    known = [number for number, _ in groupby(found, key=lambda one: one.version)]
    if version is not None and version not in known:
        have = ", ".join(map(str, known))
        raise NotFound(f"{uid} has no version {version}; what is known of it is of version {have}")
    return tuple(
        trace(db, store, list(of_version))
        for number, of_version in groupby(found, key=lambda one: one.version)
        if version in (None, number)
    )


def _named(db: Database, uid: str) -> tuple[Result, ...]:
    """Of one study, the oldest version first."""
    from node import tracking

    try:
        return tracking.lookup.results_named(db, uid)
    except NotFound as no_result:
        try:
            study = tracking.studies.resolve(db, uid)
        except NotFound:
            raise no_result from None
    if made := tracking.results.of_study(db, study):
        return made
    raise NotFound(f"study {study} has no results yet: see `hepanode runs list --study {study}`")


def write(store: InstanceStore, found: Sequence[Provenance], out: Path) -> tuple[Exported, ...]:
    """Write every object, and at last a manifest with their digests and where they come from.

    Raises StorageError, before anything is written, when a file of the store is not as it was made,
    or when one in ``out`` has another content; also when ``out`` cannot be written.
    """
    _refuse_faults(found)
    named = _names([one for version in found for one in version.objects])
    manifest = as_text(
        {
            "study_instance_uid": found[0].run.study_instance_uid,
            "objects": [{"file": name, **vars(one)} for name, one in named.items()],
            "versions": [
                {name: part for name, part in as_json(version).items() if name != "objects"}
                for version in found
            ],
        }
    ).encode()
    try:
        _refuse_others(named, manifest, out)
        for name, one in named.items():
            _place(out / name, store.read_result(one.path, one.size, one.sha256))
        _place(out / MANIFEST, manifest)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error}") from error
    return tuple(Exported(name, one.sop_instance_uid, one.version) for name, one in named.items())


def _refuse_faults(found: Sequence[Provenance]) -> None:
    faults = [
        f"{one.kind} {one.sop_instance_uid} of version {one.version}: {one.fault}: "
        f"{repair(one, version)}"
        for version in found
        for one in version.objects
        if one.fault
    ]
    if faults:
        raise StorageError("nothing was written\n" + "\n".join(faults))


def _names(objects: Sequence[StoredObject]) -> dict[str, StoredObject]:
    """``version-1/9101-ai-lesion-heatmap-not-reviewed/heatmap-1.dcm``: a folder per series, named
    as PACS show it."""
    named: dict[str, StoredObject] = {}
    for one in objects:
        series = f"{one.series_number}-{_slug(one.series_description)}"
        if one.older_form_for:
            series += f"-as-{_slug(one.sop_class)}"
        name = f"version-{one.version}/{series}/{one.kind}-{one.instance_number}.dcm"
        if name in named:
            name = f"{name.removesuffix('.dcm')}-{one.sop_instance_uid}.dcm"
        named[name] = one
    return named


def _slug(text: str) -> str:
    words = re.sub(r"\(version \d+\)", "", text).lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")


def _refuse_others(named: Mapping[str, StoredObject], manifest: bytes, out: Path) -> None:
    wanted = {name: one.sha256 for name, one in named.items()}
    for name, digest in (wanted | {MANIFEST: hashlib.sha256(manifest).hexdigest()}).items():
        path = out / name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise StorageError(
                f"{path} is there with another content, so nothing was written: name a new folder"
            )


def _place(path: Path, content: bytes) -> None:
    """Whole or not at all: what breaks off leaves a ``.part``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
