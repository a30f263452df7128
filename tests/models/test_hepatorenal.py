"""The hepatorenal index: regions, curve, bundle, and the figures of real biopsies."""

import functools
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.data import About, Case, Grey, read_manifest
from models.errors import BundleError, ModelError, TrainingError
from models.evaluation.metrics import bootstrap
from models.fat.hepatorenal import Hepatorenal, Regions, read_index
from models.fat.hepatorenal_curve import HepatorenalCurve, angle_of, percent_of
from models.registry import load_bundle, open_system, read_bundle
from models.systems import SYSTEMS, protocol
from models.training.card import write_bundle
from models.training.hepatorenal.fit import fit_curve
from models.training.options import Options
from tests.peers import shared

SYSTEM = protocol(SYSTEMS["hepatorenal"])
FAT = (0, 1, 2, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 70)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few = functools.partial(bootstrap, resamples=40)
    monkeypatch.setattr("models.evaluation.fat.bootstrap", few)
    monkeypatch.setattr("models.training.hepatorenal.bootstrap", few)
    fewer = functools.partial(fit_curve, resamples=10)
    monkeypatch.setattr("models.training.hepatorenal.fit_curve", fewer)


def square(x: float, y: float, side: float = 19) -> tuple[tuple[float, float], ...]:
    return ((x, y), (x + side, y), (x + side, y + side), (x, y + side))


LIVER, KIDNEY = square(10, 40), square(60, 40)


def two_organs(liver: float, kidney: float) -> Grey:
    image = np.zeros((120, 120), np.uint8)
    image[40:60, 10:30] = liver
    image[40:60, 60:80] = kidney
    return image


def index_of(fat: float, chance: float) -> float:
    return float(np.exp(0.15 + 0.6 * angle_of(np.asarray(fat)) + chance))


def cases(folder: Path, *, outlined: bool) -> list[Case]:
    """Three frames a patient, either with an index, or with outlines on a frame that has it."""
    generator = np.random.default_rng(0)
    found = []
    for number, fat in enumerate(FAT):
        for frame in range(3):
            name = f"p{number}-{frame}"
            index = index_of(fat, generator.normal(0, 0.04))
            kidney = float(generator.integers(60, 90))
            file = folder / f"{name}.png"
            Image.fromarray(two_organs(round(index * kidney), kidney)).save(file)
            case = Case(id=name, patient=f"p{number}", image=file, fat_percent=float(fat))
            if outlined:
                found.append(replace(case, liver=LIVER, kidney=KIDNEY))
            else:
                found.append(replace(case, hepatorenal_index=index))
    return found


def test_the_index_is_liver_over_kidney() -> None:
    reading = read_index(two_organs(120, 80), Regions(LIVER, KIDNEY))
    assert reading.index == pytest.approx(1.5)
    assert (reading.liver, reading.kidney) == (120, 80)
    assert reading.depth_gap == pytest.approx(0)
    assert reading.reason is None


def test_only_depths_that_both_organs_have_count() -> None:
    """Echoes fade with depth: a liver outline that starts higher must not look fatty."""
    image = np.repeat(np.linspace(200, 80, 120).astype(np.uint8)[:, None], 120, axis=1)
    liver = ((5, 5), (50, 5), (50, 100), (5, 100))
    reading = read_index(image, Regions(liver, square(60, 70)))
    assert reading.index == pytest.approx(1.0, abs=0.01)


def test_a_mass_is_no_liver() -> None:
    image = two_organs(100, 100)
    image[40:50, 10:30] = 250
    assert read_index(image, Regions(LIVER, KIDNEY)).index == pytest.approx(1.75)
    mass = ((10, 40), (29, 40), (29, 49), (10, 49))
    assert read_index(image, Regions(LIVER, KIDNEY, [mass])).index == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("image", "regions", "reason"),
    [
        (two_organs(90, 90), Regions(square(10, 40, 4), KIDNEY), "fewer than 64 pixels"),
        (two_organs(90, 90), Regions(LIVER, square(60, 90)), "different depths"),
        (two_organs(90, 5), Regions(LIVER, KIDNEY), "too dark"),
        (two_organs(255, 90), Regions(LIVER, KIDNEY), "saturated"),
    ],
)
def test_a_frame_that_cannot_be_judged_says_why(image: Grey, regions: Regions, reason: str) -> None:
    reading = read_index(image, regions)
    assert reading.index is None
    assert reading.reason is not None
    assert reason in reading.reason


def test_regions_a_little_apart_in_depth_are_taken_as_they_are() -> None:
    image = two_organs(90, 60)
    image[65:85, 10:30] = 60
    near = read_index(image, Regions(LIVER, square(10, 60)))
    assert near.depth_gap == pytest.approx(20 / 120)
    assert near.index == pytest.approx(90 / 45)  # a quarter of this kidney region is black
    far = read_index(image, Regions(LIVER, square(10, 65)))
    assert far.depth_gap == pytest.approx(25 / 120)
    assert far.index is None


def test_the_transform_of_percentages_and_its_inverse() -> None:
    assert angle_of(np.array([0.0, 50.0, 100.0])) == pytest.approx([0, np.pi / 4, np.pi / 2])
    assert percent_of(np.pi / 4) == pytest.approx(50)
    assert (percent_of(-1.0), percent_of(9.0)) == (0.0, 100.0)


def test_the_curve_finds_the_line_that_made_the_data() -> None:
    fat = np.asarray(FAT, dtype=float)
    index = np.asarray([index_of(value, 0.0) for value in FAT])
    index[-1] = 1.0  # one odd liver does not bend it
    curve = fit_curve(index, fat, resamples=20)
    assert curve.line == pytest.approx([1 / 0.6, -0.15 / 0.6], abs=0.05)
    assert curve.fat(index_of(30.0, 0.0)).value == pytest.approx(30, abs=5)
    assert list(curve.known) == pytest.approx([1.0, index.max()])


def test_more_index_is_never_less_fat_and_values_lie_in_their_intervals() -> None:
    generator = np.random.default_rng(3)
    fat = np.repeat(FAT, 3).astype(float)
    index = np.asarray([index_of(value, generator.normal(0, 0.1)) for value in fat])
    curve = fit_curve(index, fat, resamples=50)
    rows = [
        (curve.fat(x), curve.probability(x, 5), curve.probability(x, 10))
        for x in np.linspace(0.5, 3, 40)
    ]
    for column in range(3):
        values = [row[column] for row in rows]
        assert all(one.value <= other.value for one, other in itertools.pairwise(values))
        assert all(row.low <= row.value <= row.high for row in values)
    assert all(p_10.value <= p_5.value for _, p_5, p_10 in rows)
    low, high = curve.fat(1.3).low, curve.fat(1.3).high
    assert high - low > 5


@pytest.mark.parametrize("outlined", [False, True])
def test_train_bundle_evaluate(tmp_path: Path, outlined: bool) -> None:
    manifest = cases(tmp_path, outlined=outlined)
    options = Options(out=tmp_path / "out", about=About("toys", kind="public"))
    folder = SYSTEM.train(manifest, options)
    bundle = read_bundle(folder)
    assert bundle.system == SYSTEMS["hepatorenal"].reads
    assert bundle.validation_status == "cross-validated on public data"
    assert bundle.card["protocol"]["evaluation"] == "leave one patient out"
    assert bundle.weights.stat().st_size < 10_000
    figures = bundle.card["figures"]
    assert figures["fat_percent"]["spearman"]["value"] > 0.9
    assert figures["p_5"]["auc"]["value"] > 0.9
    assert "auc_brightness_only" in figures["p_10"]
    alone = figures["index alone, nothing fitted"]
    assert {"spearman", "spearman_brightness_only", "auc_5_brightness_only"} <= set(alone)

    system = open_system(bundle)
    assert isinstance(system, Hepatorenal)
    lean, fatty = system.estimate([1.15]), system.estimate([2.0, 1.9, 2.1])
    assert lean.p_5.value < 0.5 < fatty.p_10.value
    assert fatty.index == 2.0

    unseen = [replace(row, fat_percent=(row.fat_percent or 0) + 1) for row in manifest]
    evaluation = SYSTEM.evaluate(bundle, unseen, options)
    assert evaluation.n == 3 * len(FAT)
    assert {"fat_spearman", "fat_auc_5", "fat_auc_10", "fat_auc_above_5"} <= set(evaluation.figures)
    assert set(evaluation.baseline) <= set(evaluation.figures)
    assert len(evaluation.examples) == 8


def test_a_bundle_without_figures_says_that_it_was_not_validated(tmp_path: Path) -> None:
    options = Options(out=tmp_path / "out", folds=0)
    bundle = read_bundle(SYSTEM.train(cases(tmp_path, outlined=False), options))
    assert bundle.validation_status == "not validated"
    assert bundle.card["figures"] == {}


def test_five_and_more_than_five_per_cent_are_told_apart(tmp_path: Path) -> None:
    """The patient with exactly 5 % has the lowest index: only one of both figures minds."""
    rows = [
        replace(row, hepatorenal_index=0.5) if row.fat_percent == 5 else row
        for row in cases(tmp_path, outlined=False)
    ]
    evaluation = SYSTEM.cross_validate(rows, Options(out=tmp_path))
    alone = evaluation.strata["index alone, nothing fitted"]
    assert alone["fat_auc_above_5"].value == 1.0
    assert alone["fat_auc_5"].value == pytest.approx(1 - 6 / (6 * 9))


def test_frames_without_an_index_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = cases(tmp_path, outlined=True)
    rows[0] = replace(rows[0], kidney=None)
    rows[3] = replace(rows[3], fat_percent=None)
    rows[6] = replace(rows[6], kidney=square(60, 90))
    evaluation = SYSTEM.cross_validate(rows, Options(out=tmp_path, folds=5))
    assert evaluation.n == len(rows) - 3
    assert evaluation.protocol == "5-fold by patient"
    note = next(note for note in evaluation.notes if note.startswith("frames without an index"))
    assert "1 x no fat_percent" in note
    assert "1 x the liver and the kidney region lie at different depths" in note


def test_patients_that_do_not_suffice_are_refused(tmp_path: Path) -> None:
    rows, options = cases(tmp_path, outlined=False), Options(out=tmp_path)
    with pytest.raises(TrainingError, match="give 4 on each side"):
        SYSTEM.train([row for row in rows if (row.fat_percent or 0) < 8], options)
    with pytest.raises(TrainingError, match="3 x no hepatorenal_index"):
        SYSTEM.train([replace(row, hepatorenal_index=None) for row in rows[:3]], options)
    wrong = [replace(row, hepatorenal_index=1 / (row.hepatorenal_index or 1)) for row in rows]
    with pytest.raises(TrainingError, match="does not rise with fat"):
        SYSTEM.train(wrong, options)
    with pytest.raises(TrainingError, match="extra"):
        SYSTEM.train(rows, replace(options, extra=tuple(rows)))


def test_a_bundle_of_other_numbers_is_refused(tmp_path: Path) -> None:
    card = {
        "system": "fat.hepatorenal",
        "version": "0",
        "backbone": "none",
        "labels": [],
        "lacks": [],
        "validation_status": "not validated",
        "preprocessing": {},
    }
    with pytest.raises(BundleError, match="not those of a hepatorenal curve"):
        Hepatorenal.load(write_bundle(tmp_path / "a", {"line": torch.zeros(2)}, card))


def test_an_estimate_needs_an_index_above_zero() -> None:
    system = open_system(load_bundle("fat-hepatorenal"))
    for indices in ([], [0.0], [1.0, float("nan")]):
        with pytest.raises(ModelError, match="above zero"):
            system.estimate(indices)
    with pytest.raises(ModelError, match="1 frames were given with 0 pairs"):
        system.read([two_organs(90, 90)], [])
    assert system.combine(system.read([two_organs(90, 4)], [Regions(LIVER, KIDNEY)])) is None


def test_the_shipped_curve_says_how_far_it_was_fitted() -> None:
    bundle = load_bundle("fat-hepatorenal")
    assert bundle.validation_status == "cross-validated on public data"
    assert {path.name for path in bundle.folder.iterdir()} == {
        "card.toml",
        "model.safetensors",
        "seen.txt",
    }
    assert "PDFF" in bundle.lacks
    assert "One scanner, 44 patients" in bundle.card["limits"]
    system = open_system(bundle)
    assert system.estimate([1.3]).within
    assert not system.estimate([2.5]).within
    kept = HepatorenalCurve.take(system.curve.tensors())
    assert kept.fat(1.3) == system.curve.fat(1.3)


def test_the_shipped_figures_are_those_of_the_real_biopsies(tmp_path: Path) -> None:
    """``hepanode models evaluate hepatorenal --data byra-rois``: leave one patient out."""
    manifest = read_manifest(shared() / "data" / "byra-rois")
    evaluation = SYSTEM.cross_validate(manifest, Options(out=tmp_path))
    figures, card = evaluation.figures, load_bundle("fat-hepatorenal").card["figures"]
    assert evaluation.n == 440
    assert figures["fat_mae"].cases == 44
    for name, row in {
        "fat_spearman": card["fat_percent"]["spearman"],
        "fat_auc_5": card["p_5"]["auc"],
        "fat_auc_above_5": card["p_5"]["auc_above_5"],
        "fat_auc_10": card["p_10"]["auc"],
    }.items():
        assert figures[name].value == pytest.approx(row["value"], abs=1e-3), name
    alone = evaluation.strata["index alone, nothing fitted"]
    assert alone["fat_spearman"].value == pytest.approx(0.737, abs=1e-3)
    assert figures["fat_auc_5"].value > evaluation.baseline["fat_auc_5"].value
