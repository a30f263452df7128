"""Simulated participants are a manifest like a hospital's own."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.data import read_about, read_manifest
from models.data.manifest import MALIGNANT_TYPES, VIEWS
from models.errors import TrainingError
from models.images.contours import mask_outline
from models.simulation import LESION_KINDS, SIMULATED_VIEWS
from models.simulation.manifest import Population, write_manifest


def filled(outline: object, shape: tuple[int, int]) -> np.ndarray:
    picture = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(picture).polygon(list(outline), fill=1, outline=1)  # type: ignore[call-overload]
    return np.asarray(picture, bool)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_an_outline_follows_its_mask() -> None:
    rows, columns = np.mgrid[:120, :160]
    round_ = np.hypot(rows - 60, columns - 70) < 40
    outline = mask_outline(round_ & ~(np.hypot(rows - 60, columns - 70) < 5))
    assert outline is not None
    assert overlap(filled(outline, round_.shape), round_) > 0.97
    assert len(outline) < 40
    square = np.zeros((20, 20), bool)
    square[:10, 5:] = True
    square[15, 15] = True
    corners = mask_outline(square)
    assert corners is not None
    assert overlap(filled(corners, square.shape), square) > 0.9
    assert min(min(corner) for corner in corners) >= 0
    assert max(max(corner) for corner in corners) <= 19


def test_a_mask_of_nothing_or_of_crumbs_has_no_outline() -> None:
    mask = np.zeros((20, 20), bool)
    assert mask_outline(mask) is None
    mask[3:5, 3:5] = True
    assert mask_outline(mask) is None


@pytest.fixture(scope="module")
def population() -> Population:
    return Population(participants=2, seed=5, lesions=1.0, lesion_views=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, population: Population) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    told: list[tuple[str, int, int]] = []
    write_manifest(folder, population, progress=lambda *words: told.append(words))
    assert told[-1][1:] == (2, 2)
    return folder


def test_its_rows_are_cases(folder: Path) -> None:
    cases = read_manifest(folder)
    assert [case.view for case in cases] == 2 * list(VIEWS)
    assert len({case.patient for case in cases}) == 2
    assert read_about(folder).kind == "simulated"
    for case in cases:
        assert case.fan is not None
        assert case.liver is not None
        assert (case.kidney is not None) == (case.view == "liver/kidney")
        assert case.fat_percent is not None
        assert case.background == ("steatosis" if case.fat_percent >= 5 else "normal")
        assert bool(case.masses) == bool(case.labels["lesion"]) == (case.type != "none")
    with_lesion = [case for case in cases if case.masses]
    assert len(with_lesion) == 2, "each participant shows a lesion in one view"
    assert all(case.type in LESION_KINDS for case in with_lesion)


def test_outlines_lie_where_the_tissue_is(folder: Path) -> None:
    for case in read_manifest(folder):
        image = np.asarray(Image.open(case.image))
        fan, liver = filled(case.fan, image.shape), filled(case.liver, image.shape)
        assert (image > 0)[fan].mean() > 0.5
        assert (image > 0)[~fan].mean() < 0.01
        assert (liver & fan).sum() > 0.98 * liver.sum()
        for mass in case.masses:
            inside = filled(mass, image.shape)
            assert (inside & liver).sum() > 0.6 * inside.sum()
        if case.kidney is not None:
            kidney = filled(case.kidney, image.shape)
            assert (kidney & liver).sum() < 0.05 * kidney.sum()


def test_a_larger_population_begins_with_the_smaller_over_any_number_of_processes(
    folder: Path, population: Population, tmp_path: Path
) -> None:
    alone = Population(participants=1, seed=5, lesions=1.0, lesion_views=1)
    manifest = write_manifest(tmp_path, alone, processes=2)
    with manifest.open() as one, (folder / "manifest.csv").open() as two:
        assert list(csv.DictReader(one)) == list(csv.DictReader(two))[:4]
    for path in (tmp_path / "images").iterdir():
        assert path.read_bytes() == (folder / "images" / path.name).read_bytes()


def test_nothing_is_written_over(folder: Path, population: Population) -> None:
    with pytest.raises(TrainingError, match="name a new folder"):
        write_manifest(folder, population)


@pytest.mark.parametrize(
    "wrong", [{"participants": 0}, {"lesions": 1.5}, {"kinds": ("wart",)}, {"lesion_views": 5}]
)
def test_an_impossible_population_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TrainingError):
        Population(**wrong)  # type: ignore[arg-type]


def test_the_simulator_and_the_manifest_use_the_same_words() -> None:
    assert set(LESION_KINDS) < set(MALIGNANT_TYPES)
    assert tuple(SIMULATED_VIEWS) == VIEWS
