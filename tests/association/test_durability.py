"""An object is on the disk, and so is its name, before its row says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from node.association.archive import Archive
from node.association.services import Caller
from node.storage import InstanceStore, file_meta
from node.tracking import Database
from tests.association.receiving import image
from tests.association.test_receiver_refuses import encoded

SYNTAX = "1.2.840.10008.1.2.1"


def test_file_name_and_folder_are_synced_in_this_order_before_the_commit(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = image()
    data = encoded(dataset, tmp_path)
    store = InstanceStore(tmp_path / "data")
    store.prepare()
    archive = Archive(store, db)
    meta = file_meta.encode(
        sop_class_uid=dataset.SOPClassUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        transfer_syntax_uid=SYNTAX,
        calling_ae="US1",
    )
    incoming = archive.incoming()
    incoming.write(meta)
    incoming.write(data)
    steps = _watched(db, monkeypatch)
    archive.keep(
        incoming,
        len(meta),
        sop_class_uid=dataset.SOPClassUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        transfer_syntax_uid=SYNTAX,
        caller=Caller("US1", "127.0.0.1", False, lambda: None),
    )
    study = f"instances/{dataset.StudyInstanceUID}"
    assert steps == [
        f"sync incoming/{incoming.path.name}",
        "sync instances",  # the study's folder is new
        f"link {study}/{dataset.SOPInstanceUID}.dcm",
        f"sync {study}",
        "commit",
    ]
    incoming.discard()


def _watched(db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every fsync, link and commit from now on, in order, as they are done."""
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def named(path: str) -> str:
        return path.partition("/data/")[2]

    def watched_fsync(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(f"sync {named(str(path))}")

    def watched_link(source: Any, target: Any) -> None:
        link(source, target)
        steps.append(f"link {named(str(target))}")

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "link", watched_link)
    sa.event.listen(db.engine, "commit", lambda connection: steps.append("commit"))
    return steps
