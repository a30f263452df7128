"""``hepanode studies segment``: what is refused, with what is allowed, and what is queued."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from node.settings import load
from node.tracking import Database, instances, studies
from tests import bad_input
from tests.cli.conftest import Answer, Node
from tests.tracking.arrivals import instance

STILL, LOOP, REPORT, OWN, GONE = (f"1.2.3.1.{number}" for number in range(1, 6))
STUDY = "1.2.3"


@dataclass(frozen=True)
class Site:
    """A node with a complete study: a still, a loop of 5 frames, a report, a result of ours."""

    node: Node
    data: Path

    def __call__(self, *arguments: str) -> Answer:
        return self.node("studies", "segment", "1.2", *arguments)

    def nothing_happened(self) -> bool:
        shown = self.node("studies", "show", STUDY, "--json").json
        return (shown["prompts"], shown["audit"], len(shown["runs"])) == ([], [], 1)


@pytest.fixture
def site(node: Node) -> Site:
    assert node("db", "upgrade").status == 0
    settings = load(node.config)
    folder = settings.data / "instances"
    folder.mkdir(parents=True)
    still, loop = bad_input.study(), bad_input.study()
    bad_input.multi_frame(loop, 5)
    loop.PixelData = loop.PixelData * 5
    bad_input.write(still, folder, STILL)
    bad_input.write(loop, folder, LOOP)
    bad_input.only_reports(folder).rename(folder / f"{REPORT}.dcm")
    db = Database(settings.database_url)
    for number, uid in enumerate((STILL, LOOP, REPORT, OWN, GONE), start=1):
        one = instance(number, STUDY, path=f"instances/{uid}.dcm", own_result=uid == OWN)
        instances.record(db, replace(one, sop_instance_uid=uid))
    studies.close_quiet(db, 1e-6)
    db.dispose()
    return Site(node, settings.data)


def test_a_box_is_recorded_audited_and_queued(site: Site) -> None:
    answer = site("--instance", STILL, "--box", "120,80,240.5,190", "--json")
    assert answer.status == 0, answer.err
    told = answer.json
    assert told["study"] == STUDY
    assert told["prompt"]["coordinates"] == [[120, 80], [240.5, 190]]
    assert (told["prompt"]["frame"], told["prompt"]["kind"]) == (1, "box")
    shown = site.node("studies", "show", STUDY, "--json").json
    assert [run["cause"] for run in shown["runs"]] == ["segment", "received"]
    assert shown["runs"][0]["id"] == told["run"]
    assert shown["prompts"] == [told["prompt"]]
    (entry,) = shown["audit"]
    assert entry["action"] == "segment"
    assert entry["detail"] == f"prompt 1: box in frame 1 of {STILL}, run {told['run']}"
    assert "box 120,80,240.5,190" in site.node("studies", "show", STUDY).out


def test_clicks_in_one_lesion_are_one_prompt_whatever_their_order(site: Site) -> None:
    first = site("--instance", ".1.2", "--frame", "4", "--point", "30,40", "--point", "20, 41")
    assert first.status == 0, first.err
    assert "prompt 1 is on record, run 2" in first.out
    again = site("--instance", LOOP, "--frame", "4", "--point", "20,41", "--point", "30,40")
    assert again.status == 0
    assert "prompt 1 of study 1.2.3 says the same already, nothing was queued" in again.out
    shown = site.node("studies", "show", STUDY, "--json").json
    assert [one["coordinates"] for one in shown["prompts"]] == [[[20, 41], [30, 40]]]
    assert (len(shown["runs"]), len(shown["audit"])) == (2, 1)
    assert "clicks 20,41 30,40" in site.node("studies", "show", STUDY).out


def test_a_prompt_is_taken_back_by_its_number(site: Site) -> None:
    assert site("--instance", STILL, "--box", "120,80,240,190").status == 0
    wrong = site("--remove", "7")
    assert wrong.status == 2
    assert "no prompt 7 to take back; there stand 1" in wrong.err
    assert site("--remove", "1", "--json").json == {"study": STUDY, "prompt": 1, "run": 3}
    assert "taken back" in site.node("studies", "show", STUDY).out
    _, taken = site.node("studies", "show", STUDY, "--json").json["audit"]
    assert taken["detail"] == "prompt 1 taken back, run 3"
    assert "there stands none" in site("--remove", "1").err


BOX = ("--box", "10,10,50,50")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--instance", STILL), ["--point", "--box"]),
        (("--instance", STILL, *BOX, "--point", "3,4"), ["either --point"]),
        (BOX, ["--instance", "studies show"]),
        (("--instance", STILL, "--box", "10,10,50"), ["'10,10,50'", "x0,y0,x1,y1"]),
        (("--instance", STILL, "--box", "10,10,nan,50"), ["x0,y0,x1,y1"]),
        (("--instance", STILL, "--box", "10,50,50,50"), ["is empty", "upper left"]),
        (("--instance", STILL, "--box", "50,50,10,10"), ["is empty", "lower right"]),
        (("--instance", STILL, "--point", "3;4"), ["'3;4'", "x,y in pixels"]),
        (("--instance", STILL, "--point", "512,3"), ["512,3", "0 to 511", "0 to 383"]),
        (("--instance", STILL, "--point=-1,3"), ["-1,3 lies outside"]),
        (("--instance", STILL, "--box", "10,10,50,384"), ["50,384", "0 to 383"]),
        (
            ("--instance", STILL, *(f"--point={n},9" for n in range(6))),
            ["6 clicks", "1 to 5"],
        ),
        (("--instance", STILL, "--frame", "2", *BOX), ["--frame 2", "has 1 frame"]),
        (("--instance", LOOP, *BOX), ["has 5 frames", "--frame"]),
        (("--instance", LOOP, "--frame", "0", *BOX), ["--frame 0", "5 frames", "from 1"]),
        (("--instance", LOOP, "--frame", "6", *BOX), ["--frame 6", "5 frames"]),
        (("--instance", "9.9", *BOX), ["no object 9.9", STILL, LOOP]),
        (("--instance", "1.2.3.1", *BOX), ["more than one object", STILL]),
        (("--remove", "1", *BOX), ["--remove stands alone"]),
    ],
)
def test_a_wrong_prompt_is_named_with_what_is_allowed(
    site: Site, arguments: tuple[str, ...], named: list[str]
) -> None:
    answer = site(*arguments)
    assert answer.status == 2
    said = " ".join(answer.err.replace("│", " ").split())
    for part in named:
        assert part in said
    assert site.nothing_happened()


@pytest.mark.parametrize(
    ("uid", "named"),
    [
        (REPORT, "an object without an image"),
        (OWN, "is a result of this node"),
        (GONE, "No such file or directory; call this where the node's data folder is"),
    ],
)
def test_what_is_no_image_of_the_study_is_refused(site: Site, uid: str, named: str) -> None:
    answer = site("--instance", uid, *BOX)
    assert answer.status == 1
    assert named in answer.err
    assert site.nothing_happened()


def test_without_a_bundle_that_outlines_nothing_is_queued(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, why in (("nope", "not found in"), ("lesion-attention", "outlines nothing")):
        monkeypatch.setenv("HEPANODE_ANALYSIS__JOINT_BUNDLE", name)
        answer = site("--instance", STILL, *BOX)
        assert answer.status == 1
        assert "nothing can outline a lesion on this node" in answer.err
        assert why in answer.err
        assert site.nothing_happened()


def test_a_study_that_is_still_arriving_or_not_there_is_not_segmented(site: Site) -> None:
    db = Database(load(site.node.config).database_url)
    instances.record(db, instance(9, STUDY))
    db.dispose()
    answer = site("--instance", STILL, *BOX)
    assert answer.status == 1
    assert "is still arriving" in answer.err
    assert site.node("studies", "segment", "7.7", "--instance", STILL, *BOX).status == 2
    assert site.nothing_happened()
