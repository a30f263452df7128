"""Deliveries to a real peer, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from node.dispatch import Deliverer
from node.dispatch.delivery import MAX_FAILURES
from node.dispatch.older_form import form_uid
from node.settings import Destination, Settings
from node.tracking import Database, Delivery, deliveries
from node.tracking.database import utcnow
from tests.dcmrecv import dcmrecv
from tests.dispatch.sets import waiting_set
from tests.peers import free_port
from tests.scp import ABORT, CAPTURES, REPORTS, Scp, at_first, scp

OUT_OF_RESOURCES, PROCESSING_FAILURE, CANNOT_UNDERSTAND = 0xA700, 0x0110, 0xC000


def deliverer(db: Database, data: Path, port: int) -> Deliverer:
    destination = Destination(
        name="pacs",
        ae_title="ORTHANC",
        host="127.0.0.1",
        port=port,
        timeout=10,
        retry_first=1,
        retry_cap=5,
    )
    return Deliverer(Settings(data=data, destinations=(destination,)), destination, db)


def of(db: Database, uids: Sequence[str]) -> list[Delivery]:
    """The deliveries of these objects, in the order of the objects."""
    by_uid = {one.sop_instance_uid: one for one in deliveries.list_deliveries(db)}
    return [by_uid[uid] for uid in uids]


def states(db: Database, uids: Sequence[str]) -> list[str]:
    return [one.state for one in of(db, uids)]


def test_a_set_goes_in_order_and_the_report_last(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    with scp() as pacs:
        assert deliverer(db, tmp_path, pacs.port).deliver_due() == 0
        assert pacs.stored() == uids
    assert states(db, uids) == ["sent"] * 3
    assert [one.last_status for one in of(db, uids)] == [0, 0, 0]


def test_nothing_due_leaves_the_peer_alone(db: Database, tmp_path: Path) -> None:
    assert deliverer(db, tmp_path, free_port()).deliver_due() > 0


def test_the_delay_of_an_outage_grows_up_to_its_cap_and_starts_anew_after_it(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    pacs = Scp()
    sender = deliverer(db, tmp_path, pacs.port)
    delays = []
    for _ in range(5):
        delays.append(sender.deliver_due())
        deliveries.retry(db)  # an administrator's word: due now
    assert delays == [1, 2, 4, 5, 5]
    assert {one.attempts for one in of(db, uids)} == {5}
    assert all("cannot be reached" in one.last_error for one in of(db, uids)), of(db, uids)
    pacs.start()
    assert sender.deliver_due() == 0
    pacs.stop()
    assert pacs.stored() == uids
    waiting_set(db, tmp_path)
    assert sender.deliver_due() == 1


def test_an_outage_is_met_once_and_not_once_for_each_waiting_set(
    db: Database, tmp_path: Path
) -> None:
    first = waiting_set(db, tmp_path)
    second = waiting_set(db, tmp_path)
    pause = deliverer(db, tmp_path, free_port()).deliver_due()
    assert pause > 0
    tried = [one.attempts for one in of(db, [*first, *second])]
    assert sorted(tried) == [0, 0, 0, 1, 1, 1]


def test_the_report_waits_for_a_heatmap_that_must_be_tried_again(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    with scp(answer=at_first(OUT_OF_RESOURCES)) as pacs:
        sender = deliverer(db, tmp_path, pacs.port)
        sender.deliver_due()
        assert pacs.stored() == []
        assert states(db, uids) == ["pending"] * 3
        assert of(db, uids)[0].last_status == OUT_OF_RESOURCES
        deliveries.retry(db)
        sender.deliver_due()
        assert pacs.stored() == uids
    assert states(db, uids) == ["sent"] * 3


def test_a_set_that_must_wait_does_not_hold_up_the_next(db: Database, tmp_path: Path) -> None:
    first = waiting_set(db, tmp_path)
    second = waiting_set(db, tmp_path)
    with scp(answer=at_first(OUT_OF_RESOURCES)) as pacs:
        sender = deliverer(db, tmp_path, pacs.port)
        assert sender.deliver_due() == 0
        assert sender.deliver_due() == 0
        assert pacs.stored() == second
    assert states(db, first) == ["pending"] * 3


@pytest.mark.parametrize("refused", [1, 2])
def test_an_object_that_is_refused_for_good_does_not_stop_the_rest(
    db: Database, tmp_path: Path, refused: int
) -> None:
    uids = waiting_set(db, tmp_path)
    with scp(answer=at_first(CANNOT_UNDERSTAND, times=refused)) as pacs:
        deliverer(db, tmp_path, pacs.port).deliver_due()
        assert pacs.stored() == uids[refused:]
    assert states(db, uids) == ["failed"] * refused + ["sent"] * (3 - refused)
    assert of(db, uids)[0].last_error.startswith("status C000")


def deliver_all(db: Database, data: Path, port: int) -> None:
    sender = deliverer(db, data, port)
    while sender.deliver_due() == 0:
        pass


@pytest.mark.parametrize("taken", [ComprehensiveSRStorage, EnhancedSRStorage])
def test_a_pacs_of_old_gets_the_report_in_the_class_that_it_takes(
    db: Database, tmp_path: Path, taken: UID
) -> None:
    uids = waiting_set(db, tmp_path)
    with scp((*CAPTURES, taken)) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        *captures, report = pacs.stored()
    assert captures == uids[:2]
    (sent,) = [one for one in deliveries.list_deliveries(db) if one.kind == "report"]
    assert (sent.state, sent.sop_class_uid, sent.sop_instance_uid) == ("sent", taken, report)
    assert sent.made_as == Comprehensive3DSRStorage
    assert (dcmread(tmp_path / sent.path).SOPClassUID, report in uids) == (taken, False)
    assert report == form_uid(uids[-1], taken)


@pytest.mark.parametrize("taken", ["", "EnhancedSRStorage"])
def test_a_pacs_that_rejects_what_it_takes_nothing_of_holds_nothing_up(
    db: Database, tmp_path: Path, taken: str
) -> None:
    """DCMTK's dcmrecv: an association of which it accepts no context is rejected for good."""
    first = waiting_set(db, tmp_path)
    with dcmrecv(tmp_path, "SecondaryCaptureImageStorage", *filter(None, [taken])) as port:
        deliver_all(db, tmp_path, port)
        assert states(db, first[:2]) == ["sent"] * 2
        (report,) = [one for one in deliveries.list_deliveries(db) if one.kind == "report"]
        assert report.state == ("sent" if taken else "refused")
        alone = waiting_set(db, tmp_path, captures=0)
        second = waiting_set(db, tmp_path, captures=1)
        deliver_all(db, tmp_path, port)
        assert states(db, second[:1]) == ["sent"]
    if not taken:  # it is remembered: nothing is offered that would be rejected
        assert states(db, alone) == ["refused"]


def test_a_rejection_before_anything_is_known_is_no_refusal(db: Database, tmp_path: Path) -> None:
    """One that takes no C-ECHO may have any reason, so the report waits for another try, alone."""
    alone = waiting_set(db, tmp_path, captures=0)
    with dcmrecv(tmp_path, "SecondaryCaptureImageStorage") as port:
        deliver_all(db, tmp_path, port)
    assert states(db, alone) == ["pending"]
    assert of(db, alone)[0].failures == 1


def test_a_damaged_report_is_given_up_and_stops_nobody(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path, captures=0)
    (waiting,) = of(db, uids)
    file = tmp_path / waiting.path
    dataset = dcmread(file)
    dataset.PredecessorDocumentsSequence = [Dataset()]  # without the series that it must have
    dataset.save_as(file)
    with scp((*CAPTURES, ComprehensiveSRStorage)) as pacs:
        deliver_all(db, tmp_path, pacs.port)
    assert states(db, uids) == ["failed"]
    assert "cannot be made" in of(db, uids)[0].last_error


def test_the_oldest_form_is_the_same_by_whatever_way_it_came_to_it(
    db: Database, tmp_path: Path
) -> None:
    (uid,) = waiting_set(db, tmp_path, captures=0)
    refused = {uid, form_uid(uid, ComprehensiveSRStorage)}
    classes = (*REPORTS, ComprehensiveSRStorage, EnhancedSRStorage)
    with scp(classes, answer=lambda asked: 0x0122 if asked in refused else 0) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert pacs.stored() == [form_uid(uid, EnhancedSRStorage)]


def test_the_class_may_be_refused_by_a_status(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path, captures=0)
    refused = set(uids)
    with scp(
        (*REPORTS, ComprehensiveSRStorage), answer=lambda uid: 0x0122 if uid in refused else 0
    ) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert [status for _, status in pacs.asked] == [0x0122, 0]


def test_a_class_that_is_not_taken_is_recorded_by_name_and_offered_again_by_retry(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path)
    with scp(CAPTURES) as pacs:
        deliver_all(db, tmp_path, pacs.port)
    (failed,) = deliveries.list_deliveries(db, state="refused")
    for name in ("Comprehensive 3D SR", "Comprehensive SR", "Enhanced SR"):
        assert f"{name} Storage" in failed.last_error
    deliveries.retry(db)
    with scp(REPORTS) as pacs:
        deliver_all(db, tmp_path, pacs.port)
        assert pacs.stored() == uids[-1:]


def test_no_room_for_the_older_form_is_no_refusal(db: Database, tmp_path: Path) -> None:
    waiting_set(db, tmp_path, captures=0)
    (tmp_path / "results").rmdir()
    (tmp_path / "results").write_text("in the way of the folder")
    with scp((*CAPTURES, ComprehensiveSRStorage)) as pacs:
        deliverer(db, tmp_path, pacs.port).deliver_due()
        (waiting,) = deliveries.list_deliveries(db, state="pending")
        assert "cannot be made" in waiting.last_error
        (tmp_path / "results").unlink()
        (tmp_path / "results").mkdir()
        deliveries.retry(db)
        deliver_all(db, tmp_path, pacs.port)
        assert len(pacs.stored()) == 1


def test_a_processing_failure_that_stays_is_given_up_and_the_report_goes(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path, captures=1)
    with scp(answer=at_first(PROCESSING_FAILURE, times=MAX_FAILURES)) as pacs:
        sender = deliverer(db, tmp_path, pacs.port)
        for _ in range(MAX_FAILURES - 1):
            sender.deliver_due()
            assert states(db, uids) == ["pending", "pending"]
            deliveries.retry(db)
        sender.deliver_due()
        assert pacs.stored() == uids[1:]
    assert states(db, uids) == ["failed", "sent"]


def test_an_outage_does_not_count_against_what_waits(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path, captures=1)
    pacs = Scp(answer=at_first(PROCESSING_FAILURE, times=2))
    sender = deliverer(db, tmp_path, pacs.port)
    for _ in range(12):
        sender.deliver_due()
        deliveries.retry(db)
    pacs.start()  # and it is not ready yet
    for _ in range(2):
        assert sender.deliver_due() == 0
        assert states(db, uids) == ["pending", "pending"]
        deliveries.retry(db)
    sender.deliver_due()
    pacs.stop()
    assert states(db, uids) == ["sent", "sent"]
    assert [one.failures for one in of(db, uids)] == [2, 0]


def test_failures_are_counted_for_each_object_by_itself(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path, captures=1)
    left = dict.fromkeys(uids, 6)

    def six_times_each(uid: str) -> int:
        left[uid] -= 1
        return PROCESSING_FAILURE if left[uid] >= 0 else 0x0000

    with scp(answer=six_times_each) as pacs:
        sender = deliverer(db, tmp_path, pacs.port)
        for _ in range(13):
            sender.deliver_due()
            assert "failed" not in states(db, uids)
            deliveries.retry(db)
    assert states(db, uids) == ["sent", "sent"]


def test_an_object_that_breaks_the_association_holds_up_no_other_study_and_is_given_up(
    db: Database, tmp_path: Path
) -> None:
    poison, *report = bad = waiting_set(db, tmp_path, captures=1)
    with scp(answer=lambda uid: ABORT if uid == poison else 0x0000) as pacs:
        sender = deliverer(db, tmp_path, pacs.port)
        for left in reversed(range(MAX_FAILURES)):
            good = waiting_set(db, tmp_path, captures=1)
            assert [sender.deliver_due() for _ in range(2)] == [0, 0]
            assert states(db, good) == ["sent", "sent"]
            assert states(db, bad) == [
                "pending" if left else "failed",
                "pending",
            ]
            deliveries.retry(db, tuple(d.id for d in of(db, bad) if d.state == "pending"))
        sender.deliver_due()
        assert pacs.stored()[-1:] == report
    assert states(db, bad) == ["failed", "sent"]


def test_an_object_that_breaks_the_association_waits_longer_each_time(
    db: Database, tmp_path: Path
) -> None:
    uids = waiting_set(db, tmp_path, captures=1)
    delays = []
    with scp(answer=lambda uid: ABORT) as pacs:
        sender = deliverer(db, tmp_path, pacs.port)
        for _ in range(4):
            sender.deliver_due()
            waits = of(db, uids)[0].next_attempt_at - utcnow()
            delays.append(round(waits.total_seconds()))
            deliveries.retry(db)
    assert delays == [1, 2, 4, 5]


def test_a_file_that_cannot_be_read_for_now_is_tried_again(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path, captures=1)
    file = tmp_path / f"{uids[0]}.dcm"
    content = file.read_bytes()
    file.unlink()
    file.mkdir()  # reading it is an OSError, as it is on a mount that is away
    with scp() as pacs:
        sender = deliverer(db, tmp_path, pacs.port)
        assert sender.deliver_due() == 0
        assert states(db, uids) == ["pending", "pending"]
        file.rmdir()
        file.write_bytes(content)
        deliveries.retry(db)
        sender.deliver_due()
    assert states(db, uids) == ["sent", "sent"]


def test_a_result_file_that_is_gone_fails_alone(db: Database, tmp_path: Path) -> None:
    uids = waiting_set(db, tmp_path)
    (tmp_path / f"{uids[0]}.dcm").unlink()
    with scp() as pacs:
        deliverer(db, tmp_path, pacs.port).deliver_due()
        assert pacs.stored() == uids[1:]
    assert states(db, uids) == ["failed", "sent", "sent"]
    assert "cannot be read" in of(db, uids)[0].last_error


def test_two_deliverers_send_every_object_once(db: Database, tmp_path: Path) -> None:
    sets = [waiting_set(db, tmp_path) for _ in range(4)]
    with scp() as pacs:
        pair = [deliverer(db, tmp_path, pacs.port) for _ in range(2)]
        while [one.deliver_due() for one in pair] != [0.25, 0.25]:
            pass
        asked = [uid for uid, _ in pacs.asked]
    assert sorted(asked) == sorted(uid for uids in sets for uid in uids)
