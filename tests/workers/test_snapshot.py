"""What a run keeps of itself is JSON that every database takes."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata

from node.settings import Analysis
from node.tracking import Database, Prompt, results, runs
from tests.dispatch.sets import claimed_run
from tests.workers.results.studies import blank_header, findings_of, frame_of
from workers.key import FORMAT
from workers.snapshot import snapshot


def test_an_answer_that_is_no_number_is_kept_as_none(db: Database) -> None:
    found = findings_of([frame_of(blank_header())], (0, 0, 640, 480))
    assert found.fat is not None
    fat = replace(found.fat, fat_percent=math.nan, p_10=-math.inf)
    lesion = replace(found.lesions[0], outline=((1.5, math.nan), (2.0, 3.0)))
    thresholds = {"lesion": math.inf}
    odd = replace(found, fat=fat, lesions=(lesion,), thresholds=thresholds)
    claim = claimed_run(db)
    assert results.finish(
        db,
        claim,
        result_key="key",
        version=1,
        objects=[],
        destinations={},
        snapshot=snapshot(odd, 1, Analysis()),
        timings={},
    )
    kept = runs.get(db, claim.run_id).snapshot
    assert kept is not None
    told = kept["findings"]
    assert (told["fat"]["fat_percent"], told["fat"]["p_10"]) == (None, None)
    assert told["fat"]["p_5"] == fat.p_5
    assert told["lesions"][0]["outline"] == [[1.5, None], [2.0, 3.0]]
    assert told["thresholds"] == {"lesion": None}


def test_a_record_holds_all_that_the_key_is_made_of() -> None:
    found = findings_of([frame_of(blank_header())], (0, 0, 640, 480))
    given = datetime(2026, 1, 1, tzinfo=UTC)
    prompt = Prompt("1.2.3", 4, "box", ((1.0, 2.0), (8.0, 9.5)), 7, given, None)
    kept = snapshot(
        found, 1, Analysis(), (prompt, replace(prompt, id=8, taken_back_at=given)), {"age": 61.0}
    )
    assert [(one["id"], one["stands"]) for one in kept["prompts"]] == [(7, True), (8, False)]
    assert kept["prompts"][0]["coordinates"] == [[1.0, 2.0], [8.0, 9.5]]
    assert kept["factors"] == {"age": 61.0}
    assert kept["code"] == {"hepanode": metadata.version("hepanode"), "format": FORMAT}
