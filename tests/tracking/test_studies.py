"""When a study is complete, late, held."""

import pytest

from node.errors import NotFound, TrackingError
from node.tracking import Database, associations, instances, runs, studies
from tests.tracking.arrivals import STUDY, arrive, at, complete_run, instance


def test_a_quiet_study_is_closed_once_and_gets_one_run(db: Database) -> None:
    arrive(db)
    assert studies.close_quiet(db, 10, at(9)) == []
    (closed,) = studies.close_quiet(db, 10, at(10))
    assert closed.run_id is not None
    assert studies.close_quiet(db, 10, at(60)) == []
    assert studies.get(db, STUDY).state == "complete"
    assert [run.cause for run in runs.list_runs(db)] == ["received"]


def test_a_study_stays_open_while_a_sending_association_is_open(db: Database) -> None:
    sender = associations.opened(db, "US1", "127.0.0.1", at(0))
    other = associations.opened(db, "US2", "127.0.0.1", at(0))
    arrive(db, instance(association_id=sender))
    for seconds in (10, 20):
        associations.seen(db, [sender, other], at(seconds))
        assert studies.close_quiet(db, 10, at(seconds)) == []
    associations.closed(db, sender, at(21))
    assert len(studies.close_quiet(db, 10, at(22))) == 1


def test_an_association_whose_receiver_was_killed_does_not_hold_a_study_open(db: Database) -> None:
    arrive(db, instance(association_id=associations.opened(db, "US1", "127.0.0.1", at(0))))
    assert studies.close_quiet(db, 10, at(20)) == []
    assert len(studies.close_quiet(db, 10, at(31))) == 1


def test_late_instance_reopens_the_study_and_the_next_run_covers_it(db: Database) -> None:
    first = complete_run(db)
    arrive(db, instance(2), seconds=100)
    assert studies.get(db, STUDY).state == "receiving"
    (closed,) = studies.close_quiet(db, 10, at(111))
    newer, older = runs.list_runs(db)
    assert (newer.id, newer.cause, newer.state) == (closed.run_id, "late-instance", "queued")
    assert (older.id, older.state) == (first, "superseded")


def test_the_same_instance_again_changes_nothing(db: Database) -> None:
    complete_run(db)
    assert instances.record(db, instance(), at(500)) == instance().path
    assert studies.get(db, STUDY).state == "complete"
    assert len(instances.list_of(db, STUDY)) == 1


def test_another_object_under_a_known_uid_is_told_the_path_on_record(db: Database) -> None:
    arrive(db)
    other = instance(path="instances/elsewhere.dcm")
    assert instances.record(db, other, at(1)) == instance().path
    instances.record_conflict(db, other, "other content", at(1))
    instances.record_conflict(db, other, "other content", at(2))
    assert studies.get(db, STUDY).conflicts == 1
    assert instances.conflicts_of(db, STUDY)[0].path == other.path


def test_two_patient_ids_hold_the_study_and_it_is_never_analysed(db: Database) -> None:
    arrive(db, instance(1), instance(2, patient_id="PID-2"))
    (closed,) = studies.close_quiet(db, 10, at(11))
    assert closed.run_id is None
    study = studies.get(db, STUDY)
    assert study.state == "held"
    assert "2 different Patient IDs" in study.reason
    assert "PID" not in study.reason
    assert runs.list_runs(db) == ()
    with pytest.raises(TrackingError, match="held"):
        studies.reprocess(db, STUDY)


def test_a_second_patient_that_comes_late_takes_the_queued_run_back(db: Database) -> None:
    complete_run(db)
    arrive(db, instance(2, patient_id="PID-2"), seconds=20)
    studies.close_quiet(db, 10, at(31))
    assert [run.state for run in runs.list_runs(db)] == ["superseded"]


def test_an_object_without_patient_id_disagrees_with_nobody(db: Database) -> None:
    arrive(db, instance(1), instance(2, patient_id=""))
    (closed,) = studies.close_quiet(db, 10, at(11))
    assert closed.run_id is not None


def test_own_results_that_come_back_do_not_reopen_the_study(db: Database) -> None:
    complete_run(db)
    arrive(db, instance(9, own_result=True), seconds=100)
    assert studies.get(db, STUDY).state == "complete"


def test_one_urgent_object_makes_the_study_urgent(db: Database) -> None:
    arrive(db, instance(1), instance(2, urgent=True), instance(3))
    studies.close_quiet(db, 10, at(11))
    assert runs.list_runs(db)[0].urgent


def test_reprocess_opens_a_run_and_unknown_studies_are_said_so(db: Database) -> None:
    with pytest.raises(NotFound, match="studies list"):
        studies.reprocess(db, STUDY)
    arrive(db)
    with pytest.raises(TrackingError, match="still arriving"):
        studies.reprocess(db, STUDY)
    studies.close_quiet(db, 10, at(11))
    run = runs.get(db, studies.reprocess(db, STUDY, at(50)))
    assert (run.cause, run.state) == ("reprocess", "queued")


def test_text_that_postgresql_refuses_is_cleaned(db: Database) -> None:
    arrive(db, instance(patient_id="A\x00B", modality="U\x00S" + "x" * 99))
    (one,) = instances.list_of(db, STUDY)
    assert one.modality == "US" + "x" * 14
