"""Deliveries: each destination by itself, heatmaps first, growing delays, no double sender."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from node.errors import NotFound
from node.tracking import Database, Delivery, deliveries
from tests.tracking.arrivals import at, finish, finished_run, reprocessed


def _claim(db: Database, seconds: float, destination: str = "pacs") -> tuple[Delivery, ...]:
    return deliveries.claim_set(db, destination, lease_seconds=60, now=at(seconds))


def test_a_set_is_taken_in_order_by_one_sender_and_per_destination(db: Database) -> None:
    finished_run(db)
    assert [one.kind for one in _claim(db, 20)] == ["heatmap", "report"]
    assert _claim(db, 21) == ()
    assert [one.kind for one in _claim(db, 21, "archive")] == ["report"]
    assert [one.attempts for one in _claim(db, 100)] == [2, 2]  # the first sender died


def test_of_many_senders_one_gets_the_set(db: Database) -> None:
    finished_run(db)
    with ThreadPoolExecutor(8) as pool:
        sets = list(pool.map(lambda _: _claim(db, 20), range(16)))
    assert sorted(len(one) for one in sets) == [0] * 15 + [2]


def test_a_postponed_object_comes_again_after_its_delay_and_sent_ones_do_not(db: Database) -> None:
    finished_run(db)
    heatmap, report = _claim(db, 20)
    deliveries.sent(db, heatmap.id, 0x0000, at(20))
    deliveries.postponed(db, report.id, "connection refused", 5, now=at(20))
    assert _claim(db, 24) == ()
    assert [one.kind for one in _claim(db, 25)] == ["report"]


def test_a_refused_object_is_recorded_and_only_a_person_tries_it_again(db: Database) -> None:
    finished_run(db)
    heatmap, report = _claim(db, 20)
    deliveries.failed(db, heatmap.id, "class refused")
    deliveries.sent(db, report.id, 0)
    assert _claim(db, 10_000) == ()
    (shown,) = deliveries.list_deliveries(db, state="failed")
    assert shown.last_error == "class refused"
    assert deliveries.retry(db, (heatmap.id, report.id), at(200)) == 1
    assert [one.kind for one in _claim(db, 200)] == ["heatmap"]


def test_retry_of_an_unknown_delivery_is_said_so(db: Database) -> None:
    with pytest.raises(NotFound, match="delivery 7"):
        deliveries.retry(db, (7,))


def test_a_version_waits_for_the_versions_before_it_on_the_same_way(db: Database) -> None:
    finished_run(db)
    for delivery in _claim(db, 20):
        deliveries.postponed(db, delivery.id, "connection refused", 100, now=at(20))
    claimed = reprocessed(db, 30)
    assert finish(db, claimed, "k2", 2, seconds=40)
    assert _claim(db, 50) == ()
    first = _claim(db, 121)
    assert len({one.run_id for one in first}) == 1
    assert first[0].run_id != claimed.run_id
    for delivery in first:
        deliveries.sent(db, delivery.id, 0)
    assert {one.run_id for one in _claim(db, 122)} == {claimed.run_id}


def test_a_version_waits_for_no_rejection_note_which_waits_for_all_before_it(db: Database) -> None:
    finished_run(db)
    first = _claim(db, 20)
    assert finish(db, reprocessed(db, 30), "k2", 2, seconds=40, note=True)
    for delivery in first:
        deliveries.postponed(db, delivery.id, "connection refused", 100, now=at(20))
    assert _claim(db, 50) == ()
    for kinds in (["heatmap", "report"], ["heatmap", "report"], ["rejection"]):
        taken = _claim(db, 130)
        assert [one.kind for one in taken] == kinds
        for delivery in taken:
            if delivery.kind == "rejection":
                deliveries.postponed(db, delivery.id, "connection refused", 100, now=at(130))
            else:
                deliveries.sent(db, delivery.id, 0)
    assert finish(db, reprocessed(db, 140), "k3", 3, seconds=150, note=True)
    assert [(one.kind, one.run_id) for one in _claim(db, 160)] == [("heatmap", 3), ("report", 3)]


def test_what_failed_and_is_retried_is_counted_anew(db: Database) -> None:
    finished_run(db)
    heatmap, report = _claim(db, 20)
    deliveries.postponed(db, heatmap.id, "aborted", 1, own_failure=True, now=at(20))
    deliveries.postponed(db, report.id, "aborted", 1, now=at(20))
    assert [one.failures for one in _claim(db, 30)] == [1, 0]
    deliveries.failed(db, heatmap.id, "aborted")
    deliveries.retry(db, now=at(40))
    assert [one.failures for one in _claim(db, 100)] == [0, 0]
