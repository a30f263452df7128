"""Runs: published, claimed by lease, taken back, ended once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from node.errors import NotFound
from node.tracking import Database, instances, runs, studies
from tests.tracking.arrivals import (
    STUDY,
    arrive,
    at,
    claim,
    complete_run,
    finish,
    instance,
    publish,
)


def _complete(db: Database, *uids: str, urgent: tuple[str, ...] = ()) -> dict[str, int]:
    return {
        uid: complete_run(db, uid, seconds=index, urgent=uid in urgent)
        for index, uid in enumerate(uids)
    }


def test_a_window_of_runs_is_published_oldest_first_and_not_again_at_once(db: Database) -> None:
    ids = list(_complete(db, "1.1", "1.2", "1.3").values())
    assert publish(db, 20, window=2) == ids[:2]
    assert publish(db, 21, window=2) == []
    assert publish(db, 51, window=2) == ids[:2]  # nobody claimed them: the messages may be lost


def test_an_urgent_run_is_published_over_a_full_window(db: Database) -> None:
    _complete(db, "1.1", "1.2")
    assert len(publish(db, 20, window=2)) == 2
    urgent = _complete(db, "1.9", urgent=("1.9",))["1.9"]
    assert publish(db, 21, window=2) == [urgent]


def test_an_urgent_run_takes_the_next_turn_and_no_turn_is_lost(db: Database) -> None:
    ids = _complete(db, "1.1", "1.2", urgent=("1.2",))
    publish(db, 20)
    first = claim(db, ids["1.1"], 21)
    assert first is not None
    assert first.run_id == ids["1.2"]
    second = claim(db, ids["1.2"], 22)  # its message finds it taken, and the other has no other
    assert second is not None
    assert second.run_id == ids["1.1"]
    assert publish(db, 60) == []


def test_a_turn_goes_to_the_oldest_run_that_was_published_when_the_one_named_is_over(
    db: Database,
) -> None:
    ids = _complete(db, "1.1", "1.2", "1.3", "1.4")
    assert len(publish(db, 20, window=3)) == 3
    named = claim(db, ids["1.2"], 21)
    assert named is not None
    assert named.run_id == ids["1.2"]
    turns = [claim(db, ids["1.2"], 22) for _ in range(3)]  # the message came again and again
    assert [turn.run_id if turn else None for turn in turns] == [ids["1.1"], ids["1.3"], None]


def test_a_run_is_claimed_once_however_many_try(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: claim(db, run_id, 13, f"w{n}"), range(16)))
    assert sum(one is not None for one in claims) == 1
    assert runs.get(db, run_id).attempts == 1


def test_a_claim_brings_the_studys_objects(db: Database) -> None:
    arrive(db, instance(2), instance(1))
    (closed,) = studies.close_quiet(db, 10, at(11))
    assert closed.run_id is not None
    publish(db, 12)
    claimed = claim(db, closed.run_id, 12)
    assert claimed is not None
    assert claimed.instances == instances.list_of(db, STUDY)
    assert [one.sop_instance_uid for one in claimed.instances] == [f"{STUDY}.1.1", f"{STUDY}.1.2"]


def test_a_second_run_of_a_study_waits_for_the_first(db: Database) -> None:
    first = complete_run(db)
    publish(db, 12)
    held = claim(db, first, 12)
    assert held is not None
    second = studies.reprocess(db, STUDY, at(13))
    assert publish(db, 14) == []
    assert finish(db, held)
    assert publish(db, 15) == [second]


def test_a_dead_workers_run_is_taken_back_and_the_third_death_quarantines(db: Database) -> None:
    run_id = complete_run(db)
    for attempt, seconds in enumerate((100, 300, 500), start=1):
        assert publish(db, seconds) == [run_id]
        assert claim(db, run_id, seconds) is not None
        assert runs.take_back_dead(db, 3, at(seconds + 59)) == []
        (taken,) = runs.take_back_dead(db, 3, at(seconds + 61))
        assert taken.state == ("queued" if attempt < 3 else "quarantined")
    run = runs.get(db, run_id)
    assert "attempt 3" in run.error
    assert publish(db, 900) == []


def test_a_renewed_lease_keeps_the_run(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    claimed = claim(db, run_id, 12)
    assert claimed is not None
    assert runs.renew(db, claimed, 60, at(60))
    assert runs.take_back_dead(db, 3, at(100)) == []


def test_a_worker_that_lost_its_lease_cannot_commit(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    slow = claim(db, run_id, 12)
    assert slow is not None
    runs.take_back_dead(db, 3, at(100))
    publish(db, 110)
    quick = claim(db, run_id, 110, "w1")  # the very same worker name, a later attempt
    assert quick is not None
    assert not finish(db, slow)
    assert not runs.renew(db, slow, 60, at(111))
    assert runs.failed(db, slow, "late", max_attempts=3) is None
    assert finish(db, quick)


def test_a_dead_run_that_a_newer_one_overtook_is_superseded(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    assert claim(db, run_id, 12) is not None
    newer = studies.reprocess(db, STUDY, at(20))
    (taken,) = runs.take_back_dead(db, 3, at(100))
    assert taken.state == "superseded"
    assert publish(db, 101) == [newer]


def test_an_error_queues_the_run_again_later_until_its_attempts_are_spent(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    claimed = claim(db, run_id, 12)
    assert claimed is not None
    assert runs.failed(db, claimed, "boom", max_attempts=2, now=at(13)) == "queued"
    assert publish(db, 14) == []
    assert publish(db, 40) == [run_id]
    claimed = claim(db, run_id, 40)
    assert claimed is not None
    assert runs.failed(db, claimed, "boom", max_attempts=2, now=at(41)) == "quarantined"
    assert runs.get(db, run_id).error == "boom"


def test_a_final_error_fails_the_run_at_once(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    claimed = claim(db, run_id, 12)
    assert claimed is not None
    assert runs.failed(db, claimed, "never", max_attempts=3, final=True) == "failed"


def test_waiting_for_room_does_not_spend_an_attempt(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    claimed = claim(db, run_id, 12)
    assert claimed is not None
    state = runs.failed(db, claimed, "disk full", max_attempts=1, spent=False, now=at(13))
    assert state == "queued"
    assert runs.get(db, run_id).attempts == 0


def test_the_age_of_the_oldest_queued_run_shows_deaf_workers(db: Database) -> None:
    assert runs.oldest_queued_age(db, at(0)) == 0
    complete_run(db)
    assert runs.oldest_queued_age(db, at(41)) == 30


def test_an_unknown_run_is_said_so(db: Database) -> None:
    with pytest.raises(NotFound, match="runs list"):
        runs.get(db, 99)
