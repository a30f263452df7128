"""The rejection note: it goes when all else of its set has gone, and nothing waits for it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pydicom.uid import EnhancedSRStorage, KeyObjectSelectionDocumentStorage

from node.tracking import Database, deliveries
from tests.dicomweb import Answer, failed, stored, stow
from tests.dispatch import test_stow_deliveries as by_stow
from tests.dispatch.sets import waiting_set
from tests.dispatch.test_delivery import deliver_all, deliverer, of, states
from tests.scp import CAPTURES, at_first, scp

KINDS = ("heatmap", "report", "rejection")
AS_BEFORE = ("heatmap", "rejection", "report")  # of sets made when the note went before the report
ALREADY_RECEIVED, NO_SUCH_INSTANCE, OUT_OF_RESOURCES = 0xA770, 0xA772, 0xA700


def with_note(db: Database, folder: Path, kinds: tuple[str, ...] = KINDS) -> list[str]:
    """The SOP Instance UIDs of a set that waits: heatmap, report and note."""
    uids = waiting_set(db, folder, kinds=kinds, wanted=kinds)
    return [uids[kinds.index(kind)] for kind in KINDS]


@pytest.mark.parametrize("kinds", [KINDS, AS_BEFORE])
def test_the_note_goes_after_the_report(
    db: Database, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    uids = with_note(db, tmp_path, kinds)
    with scp() as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert pacs.stored() == uids
    assert states(db, uids) == ["sent"] * 3


@pytest.mark.parametrize("classes", [(*CAPTURES, EnhancedSRStorage), CAPTURES])
def test_the_note_goes_after_what_goes_in_the_report_s_stead(
    db: Database, tmp_path: Path, classes: tuple[str, ...]
) -> None:
    kinds = ("heatmap", "summary", "report", "rejection")
    uids = waiting_set(db, tmp_path, kinds=kinds, wanted=KINDS)
    with scp((*classes, KeyObjectSelectionDocumentStorage)) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        heatmap, instead, note = pacs.stored()
    assert (heatmap, note) == (uids[0], uids[3])
    assert (instead == uids[1]) == (classes == CAPTURES)


@pytest.mark.parametrize("kinds", [KINDS, AS_BEFORE])
def test_the_report_waits_for_no_note(db: Database, tmp_path: Path, kinds: tuple[str, ...]) -> None:
    uids = with_note(db, tmp_path, kinds)
    *rest, note = uids
    with scp(answer=lambda uid: OUT_OF_RESOURCES if uid == note else 0) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert pacs.stored() == rest
    assert states(db, uids) == ["sent", "sent", "pending"]


def test_the_note_waits_for_a_report_that_must_be_tried_again(db: Database, tmp_path: Path) -> None:
    uids = with_note(db, tmp_path)
    with scp(answer=at_first(OUT_OF_RESOURCES, times=2)) as pacs:
        for _ in range(2):
            deliver_all(db, tmp_path, pacs.port)
            assert pacs.stored() == []
            deliveries.retry(db)
        deliver_all(db, tmp_path, pacs.port)
        assert pacs.stored() == uids


def test_a_note_that_the_pacs_does_not_act_on_is_given_up_and_shown(
    db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As by dcm4chee-arc, where it was never sent one of the objects that the note names."""
    caplog.set_level(logging.ERROR)
    uids = with_note(db, tmp_path)
    with scp(answer=lambda uid: NO_SUCH_INSTANCE if uid == uids[2] else 0) as pacs:
        deliver_all(db, tmp_path, pacs.port)
    assert states(db, uids) == ["sent", "sent", "failed"]
    note = of(db, uids)[2]
    assert (note.last_status, note.attempts) == (NO_SUCH_INSTANCE, 1)
    assert "earlier versions stay in sight there: put them away by hand" in note.last_error
    assert note.last_error in caplog.text
    assert f"study {note.study_instance_uid}" in caplog.text


def test_by_stow_too(db: Database, tmp_path: Path) -> None:
    uids = with_note(db, tmp_path)

    def answer(uid: str) -> Answer:
        return failed(uid, NO_SUCH_INSTANCE) if uid == uids[2] else stored(uid)

    with stow(answer) as pacs:
        by_stow.deliver_all(by_stow.deliverer(db, tmp_path, pacs.url))
    assert states(db, uids) == ["sent", "sent", "failed"]


def test_a_note_that_the_pacs_has_already_is_sent(db: Database, tmp_path: Path) -> None:
    """The association broke before it could say so."""
    uids = with_note(db, tmp_path)
    with scp(answer=lambda uid: ALREADY_RECEIVED if uid == uids[2] else 0) as pacs:
        deliver_all(db, tmp_path, pacs.port)
    assert states(db, uids) == ["sent"] * 3


def test_for_any_other_object_the_pacs_is_out_of_resources(db: Database, tmp_path: Path) -> None:
    uids = with_note(db, tmp_path)
    with scp(answer=lambda uid: NO_SUCH_INSTANCE if uid == uids[0] else 0) as pacs:
        deliverer(db, tmp_path, pacs.port).deliver_due()
    assert states(db, uids) == ["pending"] * 3
