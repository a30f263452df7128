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
from tests.dcmrecv import dcmrecv
from tests.dispatch.sets import waiting_set
from tests.dispatch.test_delivery import deliver_all, of, states
from tests.scp import CAPTURES, REPORTS, scp

SR_CLASSES = (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage)
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
    for sop_class in SR_CLASSES:
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


@pytest.mark.parametrize("nothing", ["accepted", "rejected", "aborted"])
def test_a_class_that_is_offered_alone_is_refused_in_whatever_way_the_peer_says_so(
    db: Database, tmp_path: Path, nothing: str
) -> None:
    waiting_set(db, tmp_path, kinds=KINDS, wanted=("report",))
    with scp(CAPTURES, nothing=nothing) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        found = {one.kind: one for one in deliveries.list_deliveries(db)}
        assert {kind: one.state for kind, one in found.items()} == {
            "report": "refused",
            "summary": "sent",
        }
        assert pacs.stored() == [found["summary"].sop_instance_uid]
    assert set(SR_CLASSES) == refused(db)
    assert found["report"].last_error.endswith("the summary goes instead")


@pytest.mark.parametrize("nothing", ["rejected", "aborted"])
def test_an_older_class_that_is_offered_with_it_is_taken_all_the_same(
    db: Database, tmp_path: Path, nothing: str
) -> None:
    waiting_set(db, tmp_path, captures=0)
    with scp((EnhancedSRStorage,), nothing=nothing) as pacs:
        deliver_all(db, tmp_path, pacs.port)
    (sent,) = deliveries.list_deliveries(db)
    assert (sent.state, sent.sop_class_uid) == ("sent", EnhancedSRStorage)


def refused(db: Database) -> set[str]:
    """The classes that any destination is remembered to refuse."""
    return {one.sop_class_uid for one in dialects.known(db) if not one.taken}


@pytest.mark.parametrize("nothing", ["rejected", "aborted"])
def test_a_peer_that_turns_everything_away_has_refused_no_class(
    db: Database, tmp_path: Path, nothing: str
) -> None:
    uids = waiting_set(db, tmp_path, captures=0)
    with scp((), verifies=False, nothing=nothing) as pacs:
        deliver_all(db, tmp_path, pacs.port)
    assert states(db, uids) == ["pending"]
    assert refused(db) == set()
    deliveries.retry(db)
    with scp() as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert pacs.stored() == uids


def test_what_it_has_taken_tells_a_refusal_from_a_rejection_where_it_takes_no_c_echo(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path, captures=0)
    with scp(CAPTURES, verifies=False, nothing="rejected") as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert states(db, uids) == ["pending"]
        waiting_set(db, tmp_path, captures=1, wanted=("heatmap",))
        deliver_all(db, tmp_path, pacs.port)
        deliveries.retry(db)
        deliver_all(db, tmp_path, pacs.port)
    assert states(db, uids) == ["refused"]


def test_dcmtk_s_dcmrecv_has_refused_a_class_when_it_rejects_it_and_answers_a_c_echo(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path, captures=0)
    with dcmrecv(tmp_path, "SecondaryCaptureImageStorage", "VerificationSOPClass") as port:
        deliver_all(db, tmp_path, port)
    assert states(db, uids) == ["refused"]
    assert set(SR_CLASSES) == refused(db)
