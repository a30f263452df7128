"""What the listings say of a night's work, to people and to programs."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tests.cli.conftest import Node
from tests.cli.records import COMPLETE, HELD, RECEIVING, Night

Filled = tuple[Node, Night]


def test_studies_are_listed_newest_first_with_their_whole_uid(filled: Filled) -> None:
    node, _ = filled
    lines = node("studies", "list").out.splitlines()
    assert lines[1].endswith(RECEIVING)
    assert sum(uid in line for line in lines for uid in (COMPLETE, HELD, RECEIVING)) == 3
    assert "1 study is held" in "\n".join(lines)


def test_studies_as_json_are_an_array_with_iso_times(filled: Filled) -> None:
    node, _ = filled
    (held,) = node("studies", "list", "--state", "held", "--json").json
    assert held["study_instance_uid"] == HELD
    assert held["instances"] == 2
    assert datetime.fromisoformat(held["last_instance_at"]).tzinfo is not None


@pytest.mark.parametrize("state", ["held", "receiving"])
def test_an_empty_listing_is_an_empty_array(node: Node, state: str) -> None:
    assert node("db", "upgrade").status == 0
    assert node("studies", "list", "--state", state, "--json").json == []
    assert "no study" in node("studies", "list", "--state", state).out


def test_a_study_is_shown_with_all_that_belongs_to_it(filled: Filled) -> None:
    node, night = filled
    shown = node("studies", "show", COMPLETE, "--json").json
    assert len(shown["instances"]) == 3
    assert len(shown["conflicts"]) == 1
    assert [run["state"] for run in shown["runs"]] == ["failed", "done"]
    assert {r["sop_instance_uid"] for r in shown["results"]} >= {night.report}
    assert len(shown["deliveries"]) == 4
    text = node("studies", "show", COMPLETE).out
    assert f"conflicts/{COMPLETE}/0.abcd.dcm" in text
    assert "the report cannot be built" in text


def test_why_a_study_is_held_is_shown(filled: Filled) -> None:
    node, _ = filled
    assert "2 different Patient IDs" in node("studies", "show", HELD).out


@pytest.mark.parametrize("part", [COMPLETE[:30], COMPLETE[-10:]])
def test_a_study_is_found_by_how_its_uid_begins_or_ends(filled: Filled, part: str) -> None:
    node, _ = filled
    assert COMPLETE in node("studies", "show", part).out


def test_a_part_that_fits_several_studies_names_them(filled: Filled) -> None:
    node, _ = filled
    answer = node("studies", "show", "1.2.826")
    assert answer.status == 2
    assert COMPLETE in answer.err
    assert HELD in answer.err


def test_an_unknown_study_ends_with_one_line(filled: Filled) -> None:
    node, _ = filled
    answer = node("studies", "show", "9.9%")
    assert answer.status == 2
    assert answer.err == "hepanode: no study 9.9%: see `hepanode studies list`\n"
    assert answer.out == ""


def test_reprocess_queues_a_run_and_says_who_asked(filled: Filled) -> None:
    node, night = filled
    queued = node("studies", "reprocess", COMPLETE, "--json").json
    assert queued["run"] > night.failed_run
    (run,) = node("runs", "list", "--state", "queued", "--json").json
    assert (run["id"], run["cause"]) == (queued["run"], "reprocess")
    (entry,) = node("studies", "show", COMPLETE, "--json").json["audit"]
    assert entry["action"] == "reprocess"
    assert "@" in entry["actor"]


@pytest.mark.parametrize("uid", [HELD, RECEIVING])
def test_a_study_that_cannot_be_analysed_is_not_reprocessed(filled: Filled, uid: str) -> None:
    node, _ = filled
    answer = node("studies", "reprocess", uid)
    assert answer.status == 1
    assert uid in answer.err
    assert node("studies", "show", uid, "--json").json["audit"] == []


def test_runs_are_listed_with_what_went_wrong(filled: Filled) -> None:
    node, night = filled
    text = node("runs", "list", "--study", COMPLETE).out
    assert f"run {night.failed_run}: ResultError: the report cannot be built" in text
    assert node("runs", "list", "--study", HELD).out == "no run was made yet\n"


def test_a_run_is_shown_with_its_stages_results_and_deliveries(filled: Filled) -> None:
    node, night = filled
    text = node("runs", "show", str(night.done_run)).out
    assert "lesion 2.4 s" in text
    assert night.report in text
    assert "no presentation context" in text
    assert node("runs", "show", "4711").status == 2


def test_a_run_is_explained_frame_by_frame(filled: Filled) -> None:
    node, night = filled
    text = node("runs", "explain", str(night.done_run)).out
    assert "5 frames used, of 2 objects" in text
    assert f"1-3, 7  9   {COMPLETE}.1.1" in text
    assert f"all       {COMPLETE}.1.2  colour or spectral Doppler (region data type 3)" in text
    assert "ab" * 32 in text
    assert "liver fat 12.3 %" in text
    assert "no model on this node outlines the lesion" in text


def test_what_was_found_is_explained_with_its_size_and_frames_and_the_studys_answer(
    filled: Filled,
) -> None:
    node, night = filled
    lines = node("runs", "explain", str(night.done_run)).out.splitlines()
    at = lines.index("  2 suspected lesions")
    assert lines[at + 1].endswith("outline by attention")
    assert lines[at + 2 : at + 6] == [
        f"    lesion 2: lesion 71%, malignant 30%, frame 2 of {COMPLETE}.1.1, "
        "outline by segmentation",
        "      34.1 x 20.6 mm, 512 mm2; outlined in 4 frames: 1-3, 7",
        "      lesion-joint: malignant 62%",
        "    Lesion suspected in 5 of 6 frames, in 2 of 2 images.",
    ]


def test_what_operators_pointed_at_is_explained(filled: Filled) -> None:
    node, night = filled
    lines = node("runs", "explain", str(night.done_run)).out.splitlines()
    at = lines.index("  2 outlines where an operator pointed")
    where = f"frame 2 of {COMPLETE}.1.1"
    assert lines[at + 1] == (
        f"    prompt 3: 34.1 x 20.6 mm, 512 mm2, malignant 71%, {where}, box 1,2,8,9.5"
    )
    assert lines[at + 2] == (
        f"    prompt 4: 1200 pixels, not calibrated, malignancy not answered, {where}, click 4,4"
    )


def test_a_hepatorenal_index_is_explained_with_its_pairs(filled: Filled) -> None:
    node, night = filled
    lines = node("runs", "explain", str(night.done_run)).out.splitlines()
    at = lines.index(
        "  hepatorenal index 1.234, the median of 2 pairs; liver cells with fat 16.2 % (3 to 40), "
        "5 % or more: 71%, 10 % or more: 55%"
    )
    assert lines[at + 1] == (
        "    prompt 5: index 1.234, liver 100.0 over kidney 81.0, "
        f"frame 2 of {COMPLETE}.1.1, liver 259,197 kidney 258,265"
    )
    assert lines[at + 3].startswith("  liver fat 12.3 %"), "what biopsies taught stands first"


def test_an_explanation_as_json_has_every_part(filled: Filled) -> None:
    node, night = filled
    explained = node("runs", "explain", str(night.done_run), "--json").json
    assert len(explained["frames"]) == 5
    assert len(explained["dropped"]) == 6
    assert explained["models"]["lesion"]["digest"] == "ab" * 32
    assert explained["timings"]["lesion"] == 2.4
    assert [r["kind"] for r in explained["results"]] == ["heatmap", "report"]
    failed = node("runs", "explain", str(night.failed_run), "--json").json
    assert failed["error"] == "ResultError: the report cannot be built"
    assert failed["frames"] == []


def test_deliveries_are_listed_by_state_and_destination(filled: Filled) -> None:
    node, _ = filled
    (failed,) = node("deliveries", "list", "--state", "failed", "--json").json
    assert (failed["destination"], failed["kind"], failed["last_status"]) == ("pacs", "report", 290)
    text = node("deliveries", "list", "--destination", "archive").out
    assert "ARCHIVE@10.0.0.9:104 cannot be reached" in text
    assert "archive is not configured any more" in text


def test_retry_makes_failed_deliveries_due_and_is_written_down(filled: Filled) -> None:
    node, _ = filled
    (failed,) = node("deliveries", "list", "--state", "failed", "--json").json
    assert node("deliveries", "retry", str(failed["id"]), "--json").json == {"due": 1}
    assert node("deliveries", "list", "--state", "failed", "--json").json == []
    (entry,) = node("studies", "show", COMPLETE, "--json").json["audit"]
    assert entry["detail"] == str(failed["id"])
    assert node("deliveries", "retry", "--all", "--json").json == {"due": 3}


def test_retry_wants_deliveries_that_there_are(filled: Filled) -> None:
    node, _ = filled
    assert node("deliveries", "retry").status == 2
    unknown = node("deliveries", "retry", "4711")
    assert unknown.status == 2
    assert "no delivery 4711" in unknown.err


def test_results_of_a_study_are_listed(filled: Filled) -> None:
    node, night = filled
    assert night.report in node("results", "list", COMPLETE).out
    kinds = [r["kind"] for r in json.loads(node("results", "list", COMPLETE, "--json").out)]
    assert kinds == ["heatmap", "report"]
