"""Where operators point: on record, in every later claim, never twice, taken back and not lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.errors import NotFound, TrackingError
from node.tracking import Database, NewPrompt, prompts, runs, studies
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

BOX = NewPrompt(f"{STUDY}.1.1", 1, "box", ((10.0, 20.5), (90.0, 80.0)))
PAIR = NewPrompt(f"{STUDY}.1.1", 7, "hepatorenal", ((30.0, 40.0), (35.0, 42.0)))
CLICKS = NewPrompt(f"{STUDY}.1.1", 7, "point", ((30.0, 40.0), (35.0, 42.0)))


def test_a_prompt_opens_a_run_and_stands_in_its_claim(db: Database) -> None:
    complete_run(db)
    prompt, run_id = studies.point_at(db, STUDY, BOX, at(20))
    assert run_id is not None
    newest, received = runs.list_runs(db)
    assert (newest.id, newest.cause, newest.state) == (run_id, "segment", "queued")
    assert received.state == "superseded"
    publish(db, 21)
    claimed = claim(db, run_id, 22)
    assert claimed is not None
    assert claimed.prompts == (prompt,) == prompts.list_of(db, STUDY)
    assert replace(BOX, frame=prompt.frame) == NewPrompt(
        prompt.sop_instance_uid, prompt.frame, prompt.kind, prompt.coordinates
    )
    assert (prompt.created_at, prompt.taken_back_at) == (at(20), None)


def test_earlier_prompts_take_part_in_every_later_run(db: Database) -> None:
    complete_run(db)
    first, _ = studies.point_at(db, STUDY, BOX, at(20))
    second, _ = studies.point_at(db, STUDY, CLICKS, at(30))
    arrive(db, instance(2), seconds=40)
    (closed,) = studies.close_quiet(db, 10, at(51))
    assert closed.run_id is not None
    publish(db, 52)
    late = claim(db, closed.run_id, 52)
    assert late is not None
    assert late.prompts == (first, second)
    assert finish(db, late)
    publish(db, 60)
    again = studies.reprocess(db, STUDY, at(61))
    publish(db, 62)
    reprocessed = claim(db, again, 62)
    assert reprocessed is not None
    assert reprocessed.prompts == (first, second)


def test_the_same_prompt_again_is_no_second_one_and_opens_no_run(db: Database) -> None:
    complete_run(db)
    prompt, _ = studies.point_at(db, STUDY, BOX, at(20))
    assert studies.point_at(db, STUDY, BOX, at(30)) == (prompt, None)
    for other in (
        replace(BOX, frame=2),
        replace(BOX, kind="point"),
        replace(BOX, sop_instance_uid=f"{STUDY}.1.2"),
        replace(BOX, coordinates=((10.0, 20.5), (90.0, 80.5))),
    ):
        assert studies.point_at(db, STUDY, other, at(40))[1] is not None
    assert len(prompts.list_of(db, STUDY)) == 5


def test_a_prompt_that_is_taken_back_stays_on_record_and_may_come_again(db: Database) -> None:
    complete_run(db)
    first, _ = studies.point_at(db, STUDY, BOX, at(20))
    run_id = studies.take_back(db, STUDY, first.id, at(30))
    assert runs.get(db, run_id).cause == "segment"
    assert prompts.list_of(db, STUDY) == (replace(first, taken_back_at=at(30)),)
    with pytest.raises(NotFound, match="stands none"):
        studies.take_back(db, STUDY, first.id, at(31))
    again, run = studies.point_at(db, STUDY, BOX, at(40))
    assert again.id != first.id
    assert run is not None
    with pytest.raises(NotFound, match=f"there stand {again.id}"):
        studies.take_back(db, STUDY, first.id, at(41))


def test_a_pair_of_regions_is_a_prompt_whose_runs_say_what_they_are_for(db: Database) -> None:
    complete_run(db)
    clicks, _ = studies.point_at(db, STUDY, CLICKS, at(20))
    pair, run_id = studies.point_at(db, STUDY, PAIR, at(30))
    assert run_id is not None
    assert runs.get(db, run_id).cause == "hepatorenal"
    assert prompts.list_of(db, STUDY) == (clicks, pair)
    assert studies.point_at(db, STUDY, PAIR, at(40)) == (pair, None)
    assert runs.get(db, studies.take_back(db, STUDY, pair.id, at(50))).cause == "hepatorenal"
    assert runs.get(db, studies.take_back(db, STUDY, clicks.id, at(60))).cause == "segment"


def test_a_study_that_may_not_be_analysed_gets_no_prompt(db: Database) -> None:
    with pytest.raises(NotFound, match="studies list"):
        studies.point_at(db, STUDY, BOX)
    arrive(db, instance(1), instance(2, patient_id="PID-2"))
    with pytest.raises(TrackingError, match="still arriving"):
        studies.point_at(db, STUDY, BOX)
    studies.close_quiet(db, 10, at(11))
    with pytest.raises(TrackingError, match="held"):
        studies.point_at(db, STUDY, BOX)
    with pytest.raises(TrackingError, match="held"):
        studies.take_back(db, STUDY, 1)
    assert prompts.list_of(db, STUDY) == ()
    assert runs.list_runs(db) == ()


def test_prompts_of_another_study_are_not_claimed(db: Database) -> None:
    complete_run(db, "1.1")
    complete_run(db, "1.2")
    studies.point_at(db, "1.1", BOX, at(30))
    other = studies.reprocess(db, "1.2", at(31))
    publish(db, 32)
    claimed = claim(db, other, 33)
    assert claimed is not None
    assert claimed.prompts == ()
