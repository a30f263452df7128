"""What a destination takes is learned once, remembered, and made up for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    SegmentationStorage,
)

from node.dispatch import dialect
from node.tracking import Database, deliveries, dialects
from tests.dispatch.sets import waiting_set
from tests.dispatch.test_delivery import deliver_all, of, states
from tests.scp import CAPTURES, REPORTS, scp

KINDS = ("heatmap", "segmentation", "summary", "report")


def test_what_was_refused_is_not_offered_again_and_its_older_form_goes_at_once(
    db: Database, tmp_path: Path
) -> None:
    with scp((*CAPTURES, EnhancedSRStorage)) as pacs:
        waiting_set(db, tmp_path)
        deliver_all(db, tmp_path, pacs.port)
        learned = {one.sop_class_uid: one.taken for one in dialects.known(db, "pacs")}
        assert learned[Comprehensive3DSRStorage] is False
        assert learned[EnhancedSRStorage] is True
        again = waiting_set(db, tmp_path, captures=0)
        deliver_all(db, tmp_path, pacs.port)
    (sent,) = [one for one in deliveries.list_deliveries(db) if one.attempts == 2][:1]
    assert (sent.state, sent.sop_class_uid) == ("sent", EnhancedSRStorage)
    assert sent.sop_instance_uid not in again


def takes_no_report(db: Database, destination: str) -> None:
    for sop_class in (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage):
        dialects.learn(db, destination, sop_class, False)


def test_the_memory_fades(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    takes_no_report(db, "pacs")
    uids = waiting_set(db, tmp_path, captures=0)
    with scp(REPORTS) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert states(db, uids) == ["refused"]
        monkeypatch.setattr(dialect, "REMEMBERED", timedelta(0))
        later = waiting_set(db, tmp_path, captures=0)
        deliver_all(db, tmp_path, pacs.port)
        assert pacs.stored() == later


def test_a_retry_forgets_what_was_refused(db: Database, tmp_path: Path) -> None:
    takes_no_report(db, "pacs")
    takes_no_report(db, "archive")
    uids = waiting_set(db, tmp_path)
    with scp() as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert states(db, uids) == ["sent", "sent", "refused"]
        deliveries.retry(db)
        deliver_all(db, tmp_path, pacs.port)
        assert states(db, uids) == ["sent"] * 3
    assert {one.destination for one in dialects.known(db) if not one.taken} == {"archive"}


@pytest.mark.parametrize(
    ("wanted", "taken", "get"),
    [
        (("segmentation", "report"), REPORTS + CAPTURES, ["heatmap", "report"]),
        (("report",), CAPTURES, ["summary"]),
        (("summary", "report"), REPORTS, ["report"]),
        (("heatmap", "report"), (SegmentationStorage,), []),
    ],
)
def test_what_tells_the_same_goes_instead(
    db: Database, tmp_path: Path, wanted: tuple[str, ...], taken: tuple[str, ...], get: list[str]
) -> None:
    waiting_set(db, tmp_path, kinds=KINDS, wanted=wanted)
    with scp(taken) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        found = {one.sop_instance_uid: one for one in deliveries.list_deliveries(db)}
        assert sorted(found[uid].kind for uid in pacs.stored()) == get
    assert {one.state for one in found.values()} <= {"sent", "refused"}
    for one in found.values():
        assert (one.state == "refused") == ("does not take" in one.last_error)


def test_a_refused_object_is_said_once_and_its_set_is_not_tried_again(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    with scp(REPORTS) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        deliver_all(db, tmp_path, pacs.port)
        assert pacs.asked == [(uids[-1], 0)]
    assert [one.attempts for one in of(db, uids)] == [1, 1, 1]
