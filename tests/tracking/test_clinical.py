"""Factors that somebody entered for a study: what holds, and who changed it when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import sqlalchemy as sa

from node.errors import NotFound, TrackingError
from node.tracking import ClinicalFactor, Database, audit, clinical, runs, studies
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
from tests.tracking.test_prompts import BOX, CLICKS


def details(db: Database) -> list[str]:
    return [entry.detail for entry in audit.of_study(db, STUDY)]


def test_what_was_entered_is_there_by_name_and_nothing_else_is(db: Database) -> None:
    arrive(db, instance(), instance(study="1.2.826.0.1.2"))
    assert clinical.list_of(db, STUDY) == ()
    studies.enter(db, STUDY, {"hepatitis": "B", "halo": "no"})
    assert clinical.list_of(db, STUDY) == (
        ClinicalFactor("halo", "no"),
        ClinicalFactor("hepatitis", "B"),
    )
    assert clinical.list_of(db, "1.2.826.0.1.2") == ()


def test_a_change_of_mind_replaces_the_answer_and_the_audit_has_both(db: Database) -> None:
    arrive(db)
    studies.enter(db, STUDY, {"hepatitis": "none"}, at(1))
    studies.enter(db, STUDY, {"hepatitis": "B", "halo": "yes"}, at(2))
    studies.enter(db, STUDY, {"hepatitis": "B"}, at(3))  # the same again is no change
    assert clinical.list_of(db, STUDY) == (
        ClinicalFactor("halo", "yes"),
        ClinicalFactor("hepatitis", "B"),
    )
    entries = audit.of_study(db, STUDY)
    assert [(entry.at, entry.action, entry.detail) for entry in entries] == [
        (at(1), "clinical", "hepatitis: not known -> none"),
        (at(2), "clinical", "hepatitis: none -> B"),
        (at(2), "clinical", "halo: not known -> yes"),
    ]
    assert {entry.actor for entry in entries} == {audit.actor()}


def test_an_answer_is_taken_back_and_what_was_never_entered_needs_no_taking(db: Database) -> None:
    arrive(db)
    studies.enter(db, STUDY, {"hepatitis": "B", "halo": "yes"})
    studies.enter(db, STUDY, {"halo": None, "vascularity": None})
    assert clinical.list_of(db, STUDY) == (ClinicalFactor("hepatitis", "B"),)
    assert details(db)[2:] == ["halo: yes -> not known"]


def test_a_change_opens_a_run_only_where_something_is_outlined_in_a_box(db: Database) -> None:
    complete_run(db)
    assert studies.enter(db, STUDY, {"halo": "yes"}, at(20)) is None
    studies.point_at(db, STUDY, CLICKS, at(21))
    assert studies.enter(db, STUDY, {"halo": "no"}, at(22)) is None
    box, before = studies.point_at(db, STUDY, BOX, at(23))
    run = studies.enter(db, STUDY, {"halo": "yes"}, at(24))
    newest, superseded = runs.list_runs(db)[:2]
    assert (newest.id, newest.cause, newest.state) == (run, "clinical", "queued")
    assert (superseded.id, superseded.state) == (before, "superseded")
    assert studies.enter(db, STUDY, {"halo": "yes"}, at(25)) is None
    publish(db, 26)
    assert run is not None
    claimed = claim(db, run, 27)
    assert claimed is not None
    assert claimed.clinical == (ClinicalFactor("halo", "yes"),)
    assert finish(db, claimed)
    studies.take_back(db, STUDY, box.id, at(40))
    assert studies.enter(db, STUDY, {"halo": None}, at(41)) is None


def test_a_study_that_arrives_reads_what_was_entered_when_it_is_complete(db: Database) -> None:
    complete_run(db)
    studies.point_at(db, STUDY, BOX, at(20))
    arrive(db, instance(2), seconds=21)
    assert studies.enter(db, STUDY, {"halo": "yes"}, at(22)) is None


def test_an_unknown_study_has_no_factors(db: Database) -> None:
    with pytest.raises(NotFound, match="studies list"):
        studies.enter(db, STUDY, {"hepatitis": "B"})
    assert clinical.list_of(db, STUDY) == ()
    assert details(db) == []


def test_a_held_study_takes_none_but_gives_back_what_it_had(db: Database) -> None:
    arrive(db)
    studies.enter(db, STUDY, {"halo": "yes"})
    arrive(db, instance(2, patient_id="PID-2"), seconds=1)
    studies.close_quiet(db, 10, at(20))
    with pytest.raises(TrackingError, match="is held: 2 different Patient IDs") as caught:
        studies.enter(db, STUDY, {"hepatitis": "B", "halo": None})
    assert "PID" not in str(caught.value)
    assert clinical.list_of(db, STUDY) == (ClinicalFactor("halo", "yes"),)
    studies.enter(db, STUDY, {"halo": None})
    assert clinical.list_of(db, STUDY) == ()


def test_entering_neither_opens_a_run_nor_reopens_the_study(db: Database) -> None:
    complete_run(db)
    studies.enter(db, STUDY, {"hepatitis": "B"})
    assert studies.get(db, STUDY).state == "complete"
    assert len(runs.list_runs(db)) == 1


def test_what_cannot_be_audited_is_not_changed(db: Database) -> None:
    arrive(db)
    with db.writing() as connection:
        connection.execute(sa.text("ALTER TABLE audit RENAME TO audit_away"))
    try:
        with pytest.raises(TrackingError):
            studies.enter(db, STUDY, {"hepatitis": "B"})
    finally:
        with db.writing() as connection:
            connection.execute(sa.text("ALTER TABLE audit_away RENAME TO audit"))
    assert clinical.list_of(db, STUDY) == ()


def test_several_who_answer_at_once_leave_one_answer_and_a_gapless_story(db: Database) -> None:
    arrive(db)
    answers = ["none", "B", "C", "B+C"] * 3
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda answer: studies.enter(db, STUDY, {"hepatitis": answer}), answers))
    (last,) = clinical.list_of(db, STUDY)
    story = [detail.removeprefix("hepatitis: ").split(" -> ") for detail in details(db)]
    assert story[0][0] == "not known"
    assert all(one[1] == after[0] for one, after in pairwise(story))
    assert story[-1][1] == last.answer
