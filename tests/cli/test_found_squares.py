"""``hepanode studies hepatorenal --find``: what is proposed, and that nothing comes of it alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.simulation import simulate_participant
from node.association.wrap import Study
from node.settings import load
from node.tracking import Database, instances, studies
from tests.cli.conftest import Answer, Node
from tests.tracking.arrivals import instance

STUDY = "1.2.3"
VIEWS = ("hepatic veins", "liver/kidney")


@dataclass(frozen=True)
class Site:
    """A node with a study of two images, of which the second shows liver and kidney.

    liver, kidney : masks of that one
    """

    node: Node
    images: tuple[str, str]
    kidney: np.ndarray
    liver: np.ndarray

    def __call__(self, *arguments: str) -> Answer:
        return self.node("studies", "hepatorenal", "1.2", *arguments)


@pytest.fixture
def site(node: Node, tmp_path: Path) -> Site:
    assert node("db", "upgrade").status == 0
    settings = load(node.config)
    folder = settings.data / "instances"
    folder.mkdir(parents=True)
    person, wrapped, uids = simulate_participant(6.0, 3), Study(study_uid=STUDY), []
    db = Database(settings.database_url)
    for number, view in enumerate(VIEWS, start=1):
        picture, file = tmp_path / f"{number}.png", folder / f"{number}.dcm"
        Image.fromarray(person[view].image).save(picture)
        uids.append(wrapped.wrap(picture, file))
        one = instance(number, STUDY, path=f"instances/{number}.dcm")
        instances.record(db, replace(one, sop_instance_uid=uids[-1]))
    studies.close_quiet(db, 1e-6)
    db.dispose()
    shown = person["liver/kidney"]
    assert shown.kidney is not None
    return Site(node, (uids[0], uids[1]), shown.kidney, shown.liver)


def test_a_pair_is_proposed_where_liver_and_kidney_are_and_counts_when_it_is_taken(
    site: Site, tmp_path: Path
) -> None:
    answer = site("--find", "--out", str(tmp_path / "pictures"), "--json")
    assert answer.status == 0, answer.err
    (found,) = answer.json
    assert (found["study"], found["instance"], found["frame"]) == (STUDY, site.images[1], 1)
    for organ, mask in (("liver", site.liver), ("kidney", site.kidney)):
        x, y = found[organ]
        assert mask[int(y), int(x)]
    assert 0 < found["low"] <= found["index"] <= found["high"]
    with Image.open(found["picture"]) as picture:
        assert picture.size == site.kidney.shape[::-1]
    shown = site.node("studies", "show", STUDY, "--json").json
    assert (shown["prompts"], shown["audit"], len(shown["runs"])) == ([], [], 1)

    said = site("--find", "--instance", site.images[1]).out
    assert "Nothing was recorded" in said
    (line,) = [line for line in said.splitlines() if "--liver" in line]
    taken = line[line.index("hepanode ") :].split()[1:]
    assert site.node(*taken).status == 0
    (prompt,) = site.node("studies", "show", STUDY, "--json").json["prompts"]
    assert prompt["coordinates"] == [found["liver"], found["kidney"]]


def test_where_there_is_no_kidney_that_is_said(site: Site) -> None:
    answer = site("--find", "--instance", site.images[0], "--frame", "1")
    assert answer.status == 0
    assert "has room for both squares" in answer.out
    assert site("--find", "--instance", site.images[0], "--json").json == []


def test_a_frame_that_is_meant_is_looked_at_alone(site: Site) -> None:
    found = site("--find", "--instance", site.images[1], "--frame", "1", "--json").json
    assert [one["frame"] for one in found] == [1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--find", "--liver", "3,4"), "takes none"),
        (("--find", "--remove", "1"), "takes none back"),
        (("--find", "--frame", "1"), "--instance"),
        (("--out", "x", "--liver", "3,4", "--kidney", "3,4"), "pictures of --find"),
        (("--find", "--instance", "9.9"), "no object 9.9"),
    ],
)
def test_what_does_not_fit_together_is_named(
    site: Site, arguments: tuple[str, ...], named: str
) -> None:
    answer = site(*arguments)
    assert answer.status == 2
    assert named in " ".join(answer.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("setting", "name", "why"),
    [
        ("KIDNEY", "", "must each name a bundle"),
        ("KIDNEY", "nope", "not found in"),
        ("KIDNEY", "gate", "finds no kidney"),
        ("FAN_LIVER", "gate", "finds no liver"),
    ],
)
def test_without_the_bundles_nothing_is_found(
    site: Site, monkeypatch: pytest.MonkeyPatch, setting: str, name: str, why: str
) -> None:
    monkeypatch.setenv(f"HEPANODE_ANALYSIS__{setting}_BUNDLE", name)
    answer = site("--find")
    assert answer.status == 1
    assert "nothing finds liver and kidney on this node" in answer.err
    assert why in answer.err
