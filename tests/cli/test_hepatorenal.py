"""``hepanode studies hepatorenal``: what is refused, with what is allowed, and what is queued."""

from __future__ import annotations

import pytest

from tests.cli.test_segment import BOX, LOOP, OWN, STILL, STUDY, Site
from tests.cli.test_segment import site as site

PAIR = ("--liver", "120,80", "--kidney", "240.5,90")


def call(site: Site, *arguments: str):  # type: ignore[no-untyped-def]
    return site.node("studies", "hepatorenal", "1.2", *arguments)


def test_a_pair_is_recorded_audited_queued_and_taken_back(site: Site) -> None:
    answer = call(site, "--instance", LOOP, "--frame", "4", *PAIR, "--json")
    assert answer.status == 0, answer.err
    told = answer.json
    assert told["prompt"]["coordinates"] == [[120, 80], [240.5, 90]]
    assert (told["prompt"]["frame"], told["prompt"]["kind"]) == (4, "hepatorenal")
    again = call(site, "--instance", LOOP, "--frame", "4", *PAIR)
    assert "says the same already, nothing was queued" in again.out
    shown = site.node("studies", "show", STUDY, "--json").json
    assert [run["cause"] for run in shown["runs"]] == ["hepatorenal", "received"]
    (entry,) = shown["audit"]
    assert entry["action"] == "hepatorenal"
    assert entry["detail"] == f"prompt 1: hepatorenal in frame 4 of {LOOP}, run {told['run']}"
    assert "liver 120,80 kidney 240.5,90" in site.node("studies", "show", STUDY).out
    assert call(site, "--remove", "1", "--json").json == {"study": STUDY, "prompt": 1, "run": 3}
    assert "taken back" in site.node("studies", "show", STUDY).out
    assert "there stands none" in call(site, "--remove", "1").err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--instance", STILL), ["--liver x,y", "--kidney x,y"]),
        (("--instance", STILL, "--liver", "3,4"), ["point at both"]),
        (PAIR, ["--instance", "studies show"]),
        (("--instance", STILL, "--liver", "3;4", "--kidney", "9,9"), ["--liver '3;4'", "x,y"]),
        (("--instance", STILL, "--liver", "512,3", "--kidney", "9,9"), ["512,3", "0 to 511"]),
        (("--instance", STILL, "--liver", "9,9", "--kidney", "9,384"), ["9,384", "0 to 383"]),
        (("--instance", LOOP, *PAIR), ["has 5 frames", "--frame"]),
        (("--instance", LOOP, "--frame", "6", *PAIR), ["--frame 6", "5 frames"]),
        (("--instance", "9.9", *PAIR), ["no object 9.9", STILL, LOOP]),
        (("--remove", "1", *PAIR), ["--remove stands alone"]),
    ],
)
def test_a_wrong_pair_is_named_with_what_is_allowed(
    site: Site, arguments: tuple[str, ...], named: list[str]
) -> None:
    answer = call(site, *arguments)
    assert answer.status == 2
    said = " ".join(answer.err.replace("│", " ").split())
    for part in named:
        assert part in said
    assert site.nothing_happened()


def test_what_is_not_there_is_refused(site: Site) -> None:
    assert site.node("studies", "hepatorenal", "7.7", "--instance", STILL, *PAIR).status == 2
    own = call(site, "--instance", OWN, *PAIR)
    assert own.status == 1
    assert "is a result of this node" in own.err
    assert site.nothing_happened()


def test_without_a_bundle_that_reads_an_index_nothing_is_queued(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, why in (("nope", "not found in"), ("lesion-joint", "reads no hepatorenal index")):
        monkeypatch.setenv("HEPANODE_ANALYSIS__HEPATORENAL_BUNDLE", name)
        answer = call(site, "--instance", STILL, *PAIR)
        assert answer.status == 1
        assert "nothing can read a hepatorenal index on this node" in answer.err
        assert why in answer.err
        assert site.nothing_happened()
    assert site("--instance", STILL, *BOX).status == 0, "a lesion needs no such bundle"


def test_a_pair_needs_no_bundle_that_outlines(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPANODE_ANALYSIS__JOINT_BUNDLE", "nope")
    assert call(site, "--instance", STILL, *PAIR).status == 0
