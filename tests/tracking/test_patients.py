"""Objects of two patients under one study are never analysed, whenever the second one comes."""

import pytest

from node.tracking import Claim, Database, instances, results, runs, studies
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

OTHER = instance(2, patient_id="PID-2")
PUT_ASIDE = instance(path="conflicts/other.dcm", patient_id="PID-2")


def _running(db: Database) -> Claim:
    run_id = complete_run(db)
    publish(db, 12)
    claimed = claim(db, run_id, 12)
    assert claimed is not None
    return claimed


def _hold(db: Database, seconds: float) -> None:
    """The second patient comes and the quiet period after it passes."""
    arrive(db, OTHER, seconds=seconds)
    (closed,) = studies.close_quiet(db, 10, at(seconds + 11))
    assert closed.run_id is None
    assert studies.get(db, STUDY).state == "held"


def test_a_run_whose_worker_dies_while_its_study_is_held_is_not_queued_again(db: Database) -> None:
    claimed = _running(db)
    _hold(db, 20)
    (taken,) = runs.take_back_dead(db, 3, at(100))
    assert taken.state == "superseded"
    assert publish(db, 110) == []
    assert claim(db, claimed.run_id, 110) is None


def test_a_run_that_fails_while_its_study_is_held_is_not_queued_again(db: Database) -> None:
    claimed = _running(db)
    _hold(db, 20)
    assert runs.failed(db, claimed, "boom", max_attempts=3, now=at(32)) == "superseded"
    assert publish(db, 60) == []
    assert claim(db, claimed.run_id, 60) is None


def test_a_published_run_is_not_to_be_had_once_a_second_patient_came(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    arrive(db, OTHER, seconds=20)
    assert claim(db, run_id, 21) is None  # the quiet period has not passed yet
    studies.close_quiet(db, 10, at(31))
    assert claim(db, run_id, 32) is None
    assert runs.get(db, run_id).attempts == 0


@pytest.mark.parametrize("closed", [False, True])
def test_the_results_of_a_run_in_progress_are_not_committed(db: Database, closed: bool) -> None:
    claimed = _running(db)
    if closed:
        _hold(db, 20)
    else:
        arrive(db, OTHER, seconds=20)
    assert not finish(db, claimed)
    assert results.of_study(db, STUDY) == ()
    run = runs.get(db, claimed.run_id)
    assert (run.state, run.lease_until) == ("superseded", None)
    assert "2 different Patient IDs" in run.error


def test_what_was_put_aside_with_another_patient_id_holds_the_study(db: Database) -> None:
    arrive(db)
    instances.record_conflict(db, PUT_ASIDE, "other content", at(1))
    (closed,) = studies.close_quiet(db, 10, at(20))
    assert closed.run_id is None
    assert studies.get(db, STUDY).state == "held"


def test_what_is_put_aside_late_stops_the_run_and_holds_the_study(db: Database) -> None:
    run_id = complete_run(db)
    publish(db, 12)
    instances.record_conflict(db, PUT_ASIDE, "other content", at(20))
    assert claim(db, run_id, 21) is None
    assert len(studies.close_quiet(db, 10, at(31))) == 1
    assert studies.get(db, STUDY).state == "held"
    assert runs.get(db, run_id).state == "superseded"
    instances.record_conflict(db, PUT_ASIDE, "other content", at(40))
    assert studies.get(db, STUDY).state == "held"  # the same again changes nothing


def test_other_content_of_the_same_patient_leaves_a_complete_study_alone(db: Database) -> None:
    complete_run(db)
    aside = instance(path="conflicts/other.dcm")
    instances.record_conflict(db, aside, "other content", at(20))
    assert studies.get(db, STUDY).state == "complete"
    assert len(instances.conflicts_of(db, STUDY)) == 1


def test_an_own_result_whose_patient_id_was_coerced_is_no_second_patient(db: Database) -> None:
    complete_run(db)
    coerced = instance(9, own_result=True, patient_id="HOSPITAL-1")
    arrive(db, coerced, seconds=20)
    again = instance(9, own_result=True, patient_id="HOSPITAL-2", path="conflicts/9.dcm")
    instances.record_conflict(db, again, "other content", at(21))
    arrive(db, instance(2), seconds=30)
    (closed,) = studies.close_quiet(db, 10, at(50))
    assert closed.run_id is not None
