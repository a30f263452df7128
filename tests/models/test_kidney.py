"""The kidney: what is learned from, what is kept, what is found, what the bundle is worth."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from models.data import Case
from models.errors import BundleError, TrainingError
from models.frame.fan_liver import load_network
from models.frame.kidney import STRUCTURE, Kidney
from models.registry import load_bundle
from models.simulation import simulate_participant
from models.training import kidney as protocol
from models.training.fan_liver.fit import Recipe, fit_network
from models.training.fan_liver.samples import load_samples, outlined
from models.training.kidney.figures import evaluation_of, find
from models.training.options import Options
from tests.peers import shared

SQUARE = ((20.0, 20.0), (59.0, 20.0), (59.0, 59.0), (20.0, 59.0))


def case(name: str = "a", **known: object) -> Case:
    return replace(Case(name, name, Path(f"{name}.png")), **known)  # type: ignore[arg-type]


def test_a_kidney_is_absent_only_where_the_view_says_so() -> None:
    beside = case(view="liver/kidney")
    assert outlined(replace(beside, kidney=SQUARE), STRUCTURE) == [SQUARE]
    assert outlined(beside, STRUCTURE) is None
    assert outlined(case(), STRUCTURE) is None
    assert outlined(case(view="hepatic veins"), STRUCTURE) == []


def test_only_the_decoder_learns(tmp_path: Path) -> None:
    Image.fromarray(simulate_participant(5.0, 1)["liver/kidney"].image).save(tmp_path / "a.png")
    shown = case(image=tmp_path / "a.png", kidney=SQUARE)
    options = Options(out=tmp_path)
    samples = load_samples([shown, shown], (STRUCTURE,), options)
    kept = load_network(load_bundle("fan-liver")).encoder
    before = {name: value.clone() for name, value in kept.state_dict().items()}
    fits = [
        fit_network(samples, [0, 1], Recipe(epochs=n), tmp_path / f"{n}.pt", options, kept)
        for n in (1, 2)
    ]
    for network in fits:
        after = network.encoder.state_dict()
        assert all(torch.equal(before[name], value) for name, value in after.items())
    first, second = (network.maps.weight for network in fits)
    assert not torch.equal(first, second)


class Maps:
    """In place of a network: a map that is known."""

    def __init__(self, found: npt.NDArray[np.float32]) -> None:
        self._found = found

    def maps(self, images: Sequence[object]) -> list[dict[str, npt.NDArray[np.float32]]]:
        return [{STRUCTURE: self._found} for _ in images]


def test_what_is_found_is_one_part_of_some_size_and_judged_by_its_overlap(tmp_path: Path) -> None:
    Image.fromarray(np.full((100, 100), 80, np.uint8)).save(tmp_path / "a.png")
    found = np.zeros((100, 100), np.float32)
    found[20:60, 20:40] = 0.9  # half of the kidney
    found[80:85, 80:85] = 0.9
    shown = case(image=tmp_path / "a.png", kidney=SQUARE)
    absent = case("b", image=tmp_path / "a.png", view="hepatic veins")
    options = Options(out=tmp_path)
    rows = find(Kidney(Maps(found)), [shown, absent], None, options)  # type: ignore[arg-type]
    assert rows[0].mask.sum() == 800
    said = evaluation_of([shown, absent], rows, None, "by hand", options)
    assert said.figures["kidney_dice"].value == pytest.approx(2 * 800 / (800 + 1600))
    assert said.figures["kidney_recall"].value == 1.0
    assert said.figures["false_kidneys_per_frame"].value == 1.0
    small = np.zeros_like(found)
    small[80:85, 80:85] = 0.9
    (nothing,) = Kidney(Maps(small)).read([np.zeros((100, 100), np.uint8)])  # type: ignore[arg-type]
    assert not nothing.any()


def test_a_bundle_is_judged_on_one_patient_too(tmp_path: Path) -> None:
    person = simulate_participant(5.0, 2)
    Image.fromarray(person["liver/kidney"].image).save(tmp_path / "a.png")
    shown = case(image=tmp_path / "a.png", kidney=SQUARE)
    bundle, options = load_bundle("kidney"), Options(out=tmp_path)
    said = protocol.evaluate(bundle, [shown], options)
    assert set(said.figures) == {"kidney_dice", "kidney_recall"}
    assert said.baseline == {}
    assert said.bundle == bundle.title


def test_what_cannot_be_learned_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="column kidney"):
        protocol.train([case(view="hepatic veins"), case("b")], Options(out=tmp_path))
    with pytest.raises(TrainingError, match="the encoder cannot be had"):
        protocol.train([case(kidney=SQUARE)], Options(out=tmp_path, folds=0, init=tmp_path))
    with pytest.raises(BundleError, match="nothing here reads"):
        Kidney.load(load_bundle("fan-liver"))


def test_the_shipped_bundle_finds_kidneys_in_real_frames_that_it_never_learned_from() -> None:
    """The seven frames of ``byra-ten`` in whose kidney somebody set a square, 28 pixels wide, in
    ``byra-rois``."""
    data = shared() / "data"
    with (data / "byra-rois" / "frames.csv").open() as lines:
        rows = {row["patient"]: row for row in csv.DictReader(lines) if row["frame"] == "1"}
    reader, inside, frames = Kidney.load(load_bundle("kidney")), 0, 0
    for path in sorted((data / "byra-ten").glob("*.jpg")):
        row = rows.get(re.findall(r"\d+", path.name)[0])
        if row is None:
            continue
        with Image.open(path) as image:
            (found,) = reader.read([np.asarray(image.convert("L"))])
        x, y = (int(row[f"kidney_{axis}"]) + 14 for axis in "xy")
        frames += 1
        inside += bool(found[y, x])
    assert frames == 7
    assert inside >= 5
