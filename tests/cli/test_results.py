"""Where a result comes from, what differs between two versions, and copies of them as files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage

from node.identity import series_uid
from node.tracking import NewResult
from tests.cli.conftest import Node
from tests.cli.versions import AFTER, BEFORE, FIRST, LATE, OTHER, PATIENT, STUDY, Versions

Versioned = tuple[Node, Versions]


def test_a_result_is_shown_with_all_that_stands_behind_it(versioned: Versioned) -> None:
    node, made = versioned
    (_, report), run = made.first[1:], made.runs[0]
    shown = node("results", "show", report.sop_instance_uid, "--json").json
    assert shown["study_instance_uid"] == STUDY
    one, older = shown["objects"]
    assert (one["kind"], one["version"], one["run_id"]) == ("report", 1, run)
    assert (one["sha256"], one["fault"]) == (report.sha256, "")
    assert one["series_description"] == "AI report, not reviewed"
    assert older["older_form_for"] == ["pacs"]
    assert (shown["version"], shown["newest_version"]) == (1, 2)
    assert shown["predecessors"] == []
    (after,) = shown["successors"]
    assert after["sop_instance_uid"] == made.second[-1].sop_instance_uid
    assert (shown["run"]["id"], shown["run"]["cause"]) == (run, "received")
    for part in ("frames", "dropped", "models", "settings", "code", "findings", "notes"):
        assert shown[part] == json.loads(json.dumps(BEFORE[part])), part
    (delivery,) = shown["deliveries"]
    assert (delivery["destination"], delivery["state"]) == ("pacs", "sent")
    assert delivery["sop_instance_uid"] == made.older


def test_a_result_is_shown_in_words_without_the_patient(versioned: Versioned) -> None:
    node, made = versioned
    text = node("results", "show", made.second[-1].sop_instance_uid).out
    lines = text.splitlines()
    assert lines[0].split() == ["report", made.second[-1].sop_instance_uid]
    assert "version     2 of 2, the newest" in lines
    assert f"before it   version 1, report {made.first[-1].sop_instance_uid}" in lines
    assert f"sha256      {made.second[-1].sha256}" in lines
    assert "2 frames used, of 2 objects" in lines
    assert f"2       {LATE}  colour or spectral Doppler (data type 3)" in lines
    assert f"  lesion: lesion-attention 1.1, on public data, sha256 {'cd' * 32}" in lines
    assert "  liver fat no number; 5 % or more: 91%, 10 % or more: 60%" in text
    assert "1 delivery" in lines
    assert "Nightingale" not in text


def test_a_result_is_found_by_the_series_that_the_pacs_has_of_its_older_form(
    versioned: Versioned,
) -> None:
    node, made = versioned
    shown = node("results", "show", series_uid(made.older), "--json").json
    assert [one["kind"] for one in shown["objects"]] == ["report", "report"]


@pytest.mark.parametrize("cut", [slice(None), slice(0, -9), slice(20, None)])
def test_a_result_is_found_by_the_uid_that_the_pacs_has_of_its_older_form(
    versioned: Versioned, cut: slice
) -> None:
    node, made = versioned
    shown = node("results", "show", made.older[cut], "--json").json
    assert [one["sop_instance_uid"] for one in shown["objects"]] == [
        made.first[-1].sop_instance_uid,
        made.older,
    ]
    assert shown["objects"][1]["sop_class_uid"] == ComprehensiveSRStorage


def test_a_series_of_results_is_shown_with_each_object(versioned: Versioned) -> None:
    node, made = versioned
    heatmaps = [one.sop_instance_uid for one in made.second[:2]]
    series = made.second[0].series_instance_uid
    shown = node("results", "show", series, "--json").json
    assert [one["sop_instance_uid"] for one in shown["objects"]] == heatmaps
    assert all(uid in node("results", "show", series).out for uid in heatmaps)


@pytest.mark.parametrize("uid", [FIRST, STUDY])
def test_the_uid_of_a_source_or_a_study_is_refused_with_the_study_and_its_reports(
    versioned: Versioned, uid: str
) -> None:
    node, made = versioned
    answer = node("results", "show", uid)
    assert answer.status == 2
    assert f"`hepanode results list {STUDY}`" in answer.err
    assert f"version 2 {made.second[-1].sop_instance_uid}" in answer.err
    assert f"hepanode runs list --study {OTHER}" in node("results", "show", f"{OTHER}.1.1").err


def test_an_unknown_result_is_refused_with_where_to_look(versioned: Versioned) -> None:
    node, _ = versioned
    for verb in (("show", "9.9"), ("diff", "9.9", "1"), ("export", "9.9", "--out", "x")):
        answer = node("results", *verb)
        assert (answer.status, answer.out) == (2, "")
        assert answer.err.startswith(
            "hepanode: no result 9.9 on this node: `hepanode studies list`"
        )
    assert "more than one result is meant by 2.25" in node("results", "show", "2.25.").err


def test_a_file_that_is_missing_or_changed_is_shown_with_what_brings_it_back(
    versioned: Versioned,
) -> None:
    node, made = versioned
    heatmap, report = made.second[1:]
    (made.data / heatmap.path).unlink()
    content = bytearray((made.data / report.path).read_bytes())
    content[-1] ^= 1
    (made.data / report.path).write_bytes(content)
    for one, what in ((heatmap, "is missing"), (report, "its SHA-256 is")):
        (fault,) = [
            line
            for line in node("results", "show", one.sop_instance_uid).out.splitlines()
            if line.startswith("fault")
        ]
        assert what in fault
        assert f"hepanode studies reprocess {STUDY}" in fault


def test_two_versions_are_compared_part_by_part(versioned: Versioned) -> None:
    node, made = versioned
    uids = (made.first[0].sop_instance_uid, made.second[-1].sop_instance_uid)
    found = node("results", "diff", *uids, "--json").json
    assert (found["first"]["version"], found["second"]["version"]) == (1, 2)
    assert not found["same"]
    assert [(one["sop_instance_uid"], one["frames"], one["now"]) for one in found["frames"]] == [
        (LATE, [1], "used"),
        (LATE, [2], "left out, colour or spectral Doppler (data type 3)"),
    ]
    (model,) = found["models"]
    assert ("ab" * 32 in model["was"], "cd" * 32 in model["now"]) == (True, True)
    assert found["settings"] == [{"what": "key_frames", "was": 4, "now": 6}]
    assert (found["code"], found["objects"], found["asked"]) == ([], [], [])
    by_name = {one["what"]: one for one in found["findings"]}
    read = by_name[f"lesion, frame 1 of {FIRST}"]
    assert (read["was"], read["now"]) == (0.8, 0.75)
    assert read["difference"] == pytest.approx(-5)
    size = by_name[f"long diameter, lesion 1 now lesion 2, frame 1 of {FIRST}"]
    assert size["difference"] == pytest.approx(1.5)
    assert by_name["liver fat"]["difference"] is None
    assert by_name[f"long diameter, lesion 1, frame 1 of {LATE}"]["was"] is None
    assert "liver fat 5 % or more" not in by_name, "it is the same"
    assert found["sentences"]["new"] == [
        f"suspected: lesion 1, frame 1 of {LATE}",
        "Lesion suspected in 2 of 2 frames.",
    ]


def test_runs_are_compared_in_words_with_each_source_named_once(versioned: Versioned) -> None:
    node, made = versioned
    lines = node("results", "diff", str(made.runs[0]), str(made.runs[1])).out.splitlines()
    assert "    was  lesion-attention 1.0, on public data, sha256 abababababababab…" in lines
    rows = [re.split(" {2,}", line) for line in lines]
    assert ["80%", "75%", "-5.0 points", "lesion, frame 1 of [2]"] in rows
    size = "long diameter, lesion 1 now lesion 2, frame 1 of [2]"
    assert ["20.0 mm", "21.5 mm", "+1.5 mm", size] in rows
    assert "code: the same" in lines
    assert lines[-2:] == [f"  [1] {LATE}", f"  [2] {FIRST}"]


def test_the_way_back_has_the_same_numbers_with_the_other_sign(versioned: Versioned) -> None:
    node, made = versioned
    one, other = (str(run) for run in made.runs[:2])
    there, back = (
        {
            n["what"]: n["difference"]
            for n in node("results", "diff", *way, "--json").json["findings"]
        }
        for way in ((one, other), (other, one))
    )
    same = [what for what in there if what in back and there[what] is not None]
    assert set(same) == {"suspected lesions", f"lesion, frame 1 of {FIRST}"}
    assert all(there[what] == pytest.approx(-back[what]) for what in same)


def test_a_version_does_not_differ_from_itself(versioned: Versioned) -> None:
    node, made = versioned
    answer = node("results", "diff", made.first[0].sop_instance_uid, str(made.runs[0]))
    assert answer.out.endswith("Both are of the same version: nothing differs.\n")


def test_what_cannot_be_compared_is_refused_with_a_sentence(versioned: Versioned) -> None:
    node, made = versioned
    waiting = node("results", "diff", str(made.runs[0]), str(made.runs[2]))
    assert (waiting.status, waiting.out) == (1, "")
    assert f"`hepanode runs show {made.runs[2]}`" in waiting.err
    assert node("results", "diff", str(made.runs[0]), "4711").status == 2


def exported(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_study_is_exported_as_the_files_that_are_sent(
    versioned: Versioned, tmp_path: Path
) -> None:
    node, made = versioned
    out = tmp_path / "out"
    answer = node("results", "export", STUDY, "--out", str(out), "--json").json
    files = exported(out)
    manifest = json.loads(files.pop("manifest.json"))
    assert set(answer["files"]) == set(files)
    by_uid = {str(dcmread(out / name).SOPInstanceUID): content for name, content in files.items()}
    assert {uid: by_uid[uid] for uid in by_uid if uid != made.older} == stored(
        made, (*made.first, *made.second)
    )
    assert by_uid[made.older] == (made.data / f"results/{STUDY}/{made.older}.dcm").read_bytes()
    assert "version-2/9201-ai-heatmap-not-reviewed/heatmap-2.dcm" in files
    assert "version-1/9109-ai-report-not-reviewed-as-comprehensive-sr/report-1.dcm" in files
    for one in manifest["objects"]:
        assert one["sha256"] == hashlib.sha256(files[one["file"]]).hexdigest()
    assert [version["version"] for version in manifest["versions"]] == [1, 2]
    assert manifest["versions"][1]["settings"] == AFTER["settings"]
    assert PATIENT not in json.dumps(manifest)
    (entry,) = node("studies", "show", STUDY, "--json").json["audit"]
    assert entry["action"] == "results export"


def stored(made: Versions, objects: Sequence[NewResult]) -> dict[str, bytes]:
    return {one.sop_instance_uid: (made.data / one.path).read_bytes() for one in objects}


def test_one_object_or_one_version_is_exported_alone(versioned: Versioned, tmp_path: Path) -> None:
    node, made = versioned
    heatmap = made.second[1].sop_instance_uid
    for uid, version, count in ((heatmap, (), 1), (STUDY[-9:], ("--version", "2"), 3)):
        out = tmp_path / str(count)
        assert node("results", "export", uid, *version, "--out", str(out)).status == 0
        assert len(exported(out)) == count + 1
    none = node("results", "export", heatmap, "--version", "1", "--out", str(tmp_path / "x"))
    assert none.status == 2
    assert "has no version 1" in none.err
    empty = node("results", "export", OTHER, "--out", str(tmp_path / "x"))
    assert empty.status == 2
    assert f"study {OTHER} has no results yet" in empty.err
    assert not (tmp_path / "x").exists()


def test_an_export_is_repeated_and_never_writes_over_something_else(
    versioned: Versioned, tmp_path: Path
) -> None:
    node, _ = versioned
    export = ("results", "export", STUDY, "--version", "2", "--out", str(tmp_path / "out"))
    assert node(*export).status == 0
    first = exported(tmp_path / "out")
    assert node(*export).status == 0
    assert exported(tmp_path / "out") == first
    mine = tmp_path / "out" / "version-2" / "9201-ai-heatmap-not-reviewed" / "heatmap-1.dcm"
    mine.write_text("not yours")
    (tmp_path / "out" / "manifest.json").unlink()
    answer = node(*export)
    assert answer.status == 1
    assert f"{mine} is there with another content" in answer.err
    assert mine.read_text() == "not yours"
    assert not (tmp_path / "out" / "manifest.json").exists(), "nothing was written"


def test_nothing_is_exported_when_a_file_is_not_as_it_was_made(
    versioned: Versioned, tmp_path: Path
) -> None:
    node, made = versioned
    old, new = made.first[0], made.second[0]
    (made.data / old.path).unlink()
    (made.data / new.path).write_bytes((made.data / made.second[1].path).read_bytes())
    answer = node("results", "export", STUDY, "--out", str(tmp_path / "out"))
    assert answer.status == 1
    missing, changed = answer.err.splitlines()[1:]
    assert f"heatmap {old.sop_instance_uid} of version 1: the file {old.path} is missing" in missing
    assert "from a backup of the data folder or from pacs, which got it" in missing
    assert "reprocess" not in missing, "that makes only the newest version again"
    assert f"heatmap {new.sop_instance_uid} of version 2" in changed
    assert f"hepanode studies reprocess {STUDY}" in changed
    assert "pacs" not in changed, "it was not sent yet"
    assert not (tmp_path / "out").exists()
