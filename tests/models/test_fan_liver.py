"""Fan, liver and masses: what is learned from, the loss, what is read, and how it is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy.special import expit

from models.backbones import BACKBONES
from models.data import Case, read_manifest
from models.errors import TrainingError
from models.evaluation.folds import case_folds
from models.frame.fan_liver import (
    Anatomy,
    FanLiver,
    largest_part,
    prepare,
    seen_window,
    spread,
)
from models.frame.fan_liver_network import FanLiverNetwork
from models.images import standardised
from models.images.overlap import dice
from models.registry import open_system, read_bundle
from models.simulation import simulate_frame
from models.training import fan_liver as protocol
from models.training.fan_liver.assessment import best_level, find
from models.training.fan_liver.figures import evaluation_of
from models.training.fan_liver.fit import Recipe, fit_network, structure_loss
from models.training.fan_liver.samples import load_samples, outlined, structures_of
from models.training.options import Options
from tests.peers import shared

SQUARE = ((20.0, 20.0), (59.0, 20.0), (59.0, 59.0), (20.0, 59.0))


def case(name: str = "a", **known: object) -> Case:
    return replace(Case(name, name, Path(f"{name}.png")), **known)  # type: ignore[arg-type]


def test_what_nobody_outlined_is_not_known_and_what_is_absent_is_empty() -> None:
    normal = case(labels={"lesion": 0}, liver=SQUARE)
    boxed = case(labels={"lesion": 1, "malignant": 1}, boxes=((20, 20, 59, 59),))
    benign = case(labels={"lesion": 1, "malignant": 0}, masses=(SQUARE,))
    malignant = case(labels={"lesion": 1, "malignant": 1}, masses=(SQUARE,))
    unsorted = case(labels={"lesion": 1}, masses=(SQUARE,))
    assert [outlined(normal, name) for name in ("fan", "liver", "mass")] == [None, [SQUARE], []]
    assert outlined(boxed, "mass") is None
    assert outlined(benign, "mass") == [SQUARE]
    assert outlined(benign, "malignant") == []
    assert outlined(malignant, "malignant") == [SQUARE]
    assert outlined(unsorted, "malignant") is None


def test_a_structure_needs_an_outline_in_each_fold() -> None:
    rows = [case(str(number), labels={"lesion": 1}, masses=(SQUARE,)) for number in range(3)]
    assert structures_of(rows, 3) == ("mass",)
    assert structures_of(rows, 4) == ()
    told = [replace(row, labels={"lesion": 1, "malignant": 1}) for row in rows]
    other = [replace(row, id=f"b{row.id}", patient=f"b{row.id}", labels={"lesion": 1,
             "malignant": 0}) for row in rows]  # fmt: skip
    assert structures_of(told, 3) == ("mass",)  # none of them is benign
    assert structures_of([*told, *other], 3) == ("mass", "malignant")


def test_the_loss_is_as_computed_by_hand() -> None:
    structures = ("mass", "malignant")
    logits = torch.zeros(1, 2, 1, 2)  # every probability is a half
    masks = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]])
    # Mass: ln 2 and 1 - (2 * 0.5 + 1) / (1 + 1 + 1). Malignant: ln 2 in its one cell of mass.
    expected = math.log(2) + 1 / 3 + math.log(2)
    every = torch.ones(1, 2)
    assert float(structure_loss(logits, masks, every, structures)) == pytest.approx(expected)
    unknown = torch.tensor([[1.0, 0.0]])
    expected = math.log(2) + 1 / 3
    assert float(structure_loss(logits, masks, unknown, structures)) == pytest.approx(expected)
    # Outside of a mass nothing is asked of 'malignant'.
    elsewhere = logits.clone()
    elsewhere[0, 1, 0, 1] = 7.0
    expected = math.log(2) + 1 / 3 + math.log(2)
    assert float(structure_loss(elsewhere, masks, every, structures)) == pytest.approx(expected)


def test_a_cell_stands_for_four_pixels_and_every_structure_has_a_map() -> None:
    for name in ("efficientnet_lite0", "resnet18"):
        network = FanLiverNetwork(name, ("fan", "liver")).eval()
        assert network(torch.zeros(1, 1, 224, 304)).shape == (1, 2, 56, 76)


def test_a_map_comes_back_to_where_it_was_seen() -> None:
    image = np.zeros((300, 400), np.uint8)
    image[50:250, 100:340] = 90
    window = seen_window(image)
    x0, y0, x1, y1 = window
    assert x0 < 100 < 340 < x1
    assert y0 < 50 < 250 < y1
    height, width = 56, 76
    cells = np.zeros((height, width), np.float32)
    rows, columns = np.indices(cells.shape)
    there = (columns + 0.5) / width * (x1 - x0) + x0, (rows + 0.5) / height * (y1 - y0) + y0
    cells[(there[0] > 100) & (there[0] < 340) & (there[1] > 50) & (there[1] < 250)] = 1.0
    back = spread(cells, window, (300, 400)) >= 0.5
    assert dice(back, image > 0) > 0.96
    assert not back[:y0].any()


def test_only_the_largest_part_is_kept_and_its_holes_are_filled() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:25, 5:25] = True
    mask[10:12, 10:12] = False
    mask[35:38, 35:38] = True
    kept = largest_part(mask)
    assert kept.sum() == 400
    assert not largest_part(np.zeros((4, 4), bool)).any()


class Says(FanLiver):
    """Maps that are known, in place of a network's."""

    def __init__(self, mass: npt.NDArray[np.float32]) -> None:
        self._mass = mass

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Anatomy]:
        return [Anatomy(None, None, self._mass, self._mass) for _ in images]


def test_a_mass_is_found_by_a_part_that_overlaps_it(tmp_path: Path) -> None:
    Image.fromarray(np.full((100, 100), 80, np.uint8)).save(tmp_path / "a.png")
    labels = {"lesion": 1, "malignant": 1}
    truth = case(image=tmp_path / "a.png", labels=labels, masses=(SQUARE,))  # 40 x 40
    mass = np.zeros((100, 100), np.float32)
    mass[20:60, 20:40] = 0.9  # half of it
    mass[80:90, 80:90] = 0.9  # and elsewhere
    mass[0, 0] = 0.9  # too small to be anything
    mass[20:60, 40:60] = 0.15  # the other half, less sure
    options = Options(out=tmp_path)
    (by_level,) = find(Says(mass), [truth], [0], {}, options)
    assert by_level[0.1].overlaps["mass"] == pytest.approx(2 * 1600 / (1600 + 100 + 1600))
    assert best_level([by_level]) == 0.1
    found = by_level[0.5]
    assert found.recalled == (True,)
    assert found.parts == 2
    assert found.overlaps["mass"] == pytest.approx(2 * 800 / (800 + 100 + 1600))
    other = find(Says(np.zeros_like(mass)), [truth], [0], {}, options)[0][0.5]
    assert other.recalled == (False,)
    assert other.overlaps["mass"] == 0.0
    normal = replace(truth, id="b", patient="b", labels={"lesion": 0}, masses=())
    false = find(Says(mass), [normal], [0], {}, options)[0][0.5]
    said = evaluation_of([truth, normal], [[found, false]], None, "by hand", options)
    assert said.figures["lesion_recall"].value == 1.0
    assert said.figures["false_findings_per_normal_image"].value == 2.0
    assert said.strata["malignant masses"]["mass_dice"].value == said.figures["mass_dice"].value


def aul(count: int) -> list[Case]:
    every = read_manifest(shared() / "data" / "aul")
    normal = [row for row in every if row.labels == {"lesion": 0} and row.liver]
    masses = [row for row in every if row.masses and row.liver]
    return [*normal[: count // 4], *masses[: count - count // 4]]


def test_it_learns_four_frames(tmp_path: Path) -> None:
    cases, options = aul(5)[1:], Options(out=tmp_path)
    samples = load_samples(cases, ("fan", "liver", "mass"), options)
    recipe = Recipe(epochs=60, batch=2, rate=1e-3)
    network = fit_network(samples, range(4), recipe, tmp_path / "fit.pt", options)
    rows = find(FanLiver(network, "efficientnet_lite0"), cases, range(4), {}, options)
    found = [row[best_level(rows)] for row in rows]
    assert np.mean([one.overlaps["fan"] for one in found]) > 0.9
    assert np.mean([one.overlaps["liver"] for one in found]) > 0.75
    assert np.mean([one.overlaps["mass"] for one in found]) > 0.6


def test_a_bundle_says_what_its_network_said_and_has_no_map_that_nobody_drew(
    tmp_path: Path,
) -> None:
    cases = [replace(row, labels={}, masses=(), boxes=()) for row in aul(6)]
    folder = protocol.train(cases, Options(out=tmp_path, folds=0, epochs=1))
    bundle = read_bundle(folder)
    assert bundle.labels == ("fan", "liver")
    assert bundle.card["lacks"] == ["mass", "malignant"]
    assert "thresholds" not in bundle.card
    reader = open_system(bundle)
    grey = Options(out=tmp_path).read(cases[0])
    (anatomy,) = reader.read([grey])
    assert anatomy.mass is None
    assert anatomy.malignant is None
    assert anatomy.fan.shape == anatomy.liver.shape == grey.shape
    assert not (anatomy.liver & ~anatomy.fan).any()
    again = protocol.evaluate(bundle, cases, Options(out=tmp_path))
    assert set(again.figures) == {"fan_iou", "liver_dice"}


def test_without_outlines_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="outline"):
        protocol.train([case(labels={"lesion": 0})], Options(out=tmp_path))


def test_all_systems_divide_the_same_cases_alike() -> None:
    rows = [case(str(n), labels={"lesion": n % 2}) for n in range(12)]
    folds = case_folds(rows, 3, 0)
    assert sorted(place for held in folds for place in held) == list(range(12))
    assert all(sum(rows[place].labels["lesion"] for place in held) == 2 for held in folds)


class Ramp(torch.nn.Module):
    """A network that sees what is on the right."""

    structures = ("mass",)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :, ::4, ::4] * torch.linspace(0, 2, 76)


def test_each_frame_is_averaged_with_its_own_mirror_image() -> None:
    frames = [simulate_frame("hepatic veins", 8.0, seed=seed).image for seed in range(3)]
    system = FanLiver(Ramp(), "efficientnet_lite0")  # type: ignore[arg-type]
    for frame, anatomy in zip(frames, system.read(frames), strict=True):
        window = seen_window(frame)
        row = BACKBONES["efficientnet_lite0"]
        grey = standardised(prepare(frame, window), row.mean, row.std)
        ramp = np.linspace(0, 2, 76, dtype=np.float32)
        own, mirrored = (expit(each[::4, ::4] * ramp) for each in (grey, grey[:, ::-1]))
        expected = spread((own + mirrored[:, ::-1]) / 2, window, (frame.shape[0], frame.shape[1]))
        assert anatomy.mass == pytest.approx(expected, abs=1e-5)
