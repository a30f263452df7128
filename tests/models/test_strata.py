"""Figures within groups stand beside the baseline of the same groups, by hand for each system."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tomli_w
from PIL import Image

from models.data import Case, read_manifest
from models.data.lesion import Lesion
from models.evaluation.attention import Readings, evaluate_readings
from models.evaluation.fat import fat_figures
from models.evaluation.fat_baseline import beside
from models.evaluation.joint import BOX, CLICK, TIGHT, Assessed, evaluate_lesions
from models.evaluation.lesion import evaluate_label
from models.evaluation.metrics import Figure
from models.evaluation.outcome import Evaluation
from models.evaluation.sizes import areas_by_size
from models.training import hepatorenal
from models.training.card import beside_geometry, strata_card
from models.training.dcnn_us import figures as dcnn_us
from models.training.dcnn_us.samples import load_lesions
from models.training.fan_liver import figures as fan_liver
from models.training.fan_liver.assessment import Found
from models.training.gate import figures as gate
from models.training.gate.samples import GateSamples
from models.training.options import Options

SMALL, LARGE = "400x300 pixels", "800x600 pixels"


pytestmark = pytest.mark.usefixtures("few_resamples")


def values(strata: Mapping[str, Mapping[str, Figure]]) -> dict[str, dict[str, float]]:
    return {g: {n: round(f.value, 6) for n, f in row.items()} for g, row in strata.items()}


def scanners(folder: Path) -> tuple[list[Case], Readings]:
    """Sixty large images, in which a wide fan goes with a lesion, and forty small ones, in which a
    narrow one does."""
    truth = np.arange(100) % 2
    large = np.arange(100) < 60
    wide = np.where(large, truth == 1, truth == 0)
    cases = [Case(str(n), str(n), folder, labels={"lesion": int(truth[n])}) for n in range(100)]
    readings = Readings(
        labels=("lesion",),
        logits=truth[None, :, None] + 0.001 * np.arange(100)[None, :, None],
        probability=np.full((100, 1), 0.5),
        attention=[[np.ones((2, 3), np.float32)] * 100],
        windows=[(0, 0, 300 if w else 200, 300) for w in wide],
        sizes=[(800, 600) if one else (400, 300) for one in large],
    )
    return cases, readings


def test_within_an_image_size_the_geometry_may_say_the_reverse(tmp_path: Path) -> None:
    cases, readings = scanners(tmp_path)
    options = Options(tmp_path, read=lambda case: np.zeros((60, 40), np.uint8))
    found = evaluate_readings(cases, readings, None, "by hand", options)
    assert values(found.strata) == {
        LARGE: {"detection_auc": 1.0},
        SMALL: {"detection_auc": 1.0},
    }
    assert values(found.strata_baseline) == {
        LARGE: {"detection_auc": 1.0},
        SMALL: {"detection_auc": 0.0},
    }
    # over both sizes: 30 positives before all 30 negatives of their size, 20 behind all 20 of
    # theirs, and across sizes by the fan alone
    assert 0.5 < found.baseline["detection_auc"].value < 1.0
    assert found.strata_baseline[SMALL]["detection_auc"].cases == 40


def test_sizes_of_too_few_patients_for_a_baseline_have_none(tmp_path: Path) -> None:
    cases, readings = scanners(tmp_path)
    two = [replace(case, patient=f"p{number % 2}") for number, case in enumerate(cases)]
    options = Options(tmp_path, read=lambda case: np.zeros((60, 40), np.uint8))
    found = evaluate_readings(two, readings, None, "by hand", options)
    assert found.strata
    assert found.strata_baseline == {}


def test_the_detectors_card_has_the_geometry_within_each_size() -> None:
    truth = np.array([0.0, 1.0] * 40)
    sizes = [(800, 600)] * 40 + [(400, 300)] * 40
    wide = np.where(np.arange(80) < 40, truth, 0.4 * (1 - truth))
    patients = [str(number) for number in range(80)]
    folds = [[list(range(20)) + list(range(40, 60)), list(range(20, 40)) + list(range(60, 80))]]
    row = evaluate_label(truth, truth[None] - 0.5, wide[:, None], folds, patients, resamples=40)
    row = replace(
        row,
        sizes=areas_by_size(truth, truth[None], sizes, patients),
        sizes_baseline=areas_by_size(truth, row.baseline[None], sizes, patients),
    )
    card = row.as_card()
    assert list(card["auc_within_sizes"]) == list(card["auc_within_sizes_geometry_only"])
    beside_sizes = card["auc_within_sizes_geometry_only"]
    assert beside_sizes[LARGE]["value"] == 1.0
    assert beside_sizes[SMALL]["value"] == 0.0
    assert beside_sizes[SMALL]["cases"] == 40
    assert "auc_within_sizes_geometry_only" not in replace(row, sizes_baseline={}).as_card()


def blob(number: int, radius: int) -> Lesion:
    rows, columns = np.mgrid[:100, :100]
    mask = ((rows - 50) ** 2 + (columns - 50) ** 2 <= radius**2).astype(np.uint8) * 255
    window = (0, 0, 100, 100)
    return Lesion(str(number), str(number), mask, mask, None, (1, 1, 9, 9), window, {})


def test_masses_of_a_size_are_beside_the_ellipse_and_disc_of_these_masses() -> None:
    """Six masses of a diameter of 0.1 and six of 0.4 of the fan, in two repeats."""
    lesions = [blob(number, 5 if number < 6 else 20) for number in range(12)]
    assessed = [
        [
            Assessed(
                overlaps={BOX: level, TIGHT: level, CLICK: level},
                rivals={BOX: 0.1 * (1 + number // 6), TIGHT: 0.5, CLICK: 0.02 * number},
            )
            for number in range(12)
        ]
        for level in (0.6, 0.8)
    ]
    found = evaluate_lesions(lesions, assessed, {}, None, "by hand")
    small, large = "diameter under 15% of the fan", "diameter over 30%"
    assert values(found.strata) == {
        small: {BOX: 0.7, TIGHT: 0.7, CLICK: 0.7},
        large: {BOX: 0.7, TIGHT: 0.7, CLICK: 0.7},
    }
    assert values(found.strata_baseline) == {
        small: {BOX: 0.1, TIGHT: 0.5, CLICK: 0.05},  # the mean of 0.00, 0.02, …, 0.10
        large: {BOX: 0.2, TIGHT: 0.5, CLICK: 0.17},
    }
    assert found.baseline[BOX].value == pytest.approx(0.15)


def lesions_by_background(folder: Path) -> Sequence[Case]:
    Image.new("L", (120, 100), 90).save(folder / "a.png")
    rows = ["id,image,patient,malignant,box,background,lesion"]
    for number in range(24):
        background = "normal" if number % 4 < 2 else "steatosis"
        rows.append(f'{number},a.png,p{number},{number % 2},"20,20,60,60",{background},1')
    (folder / "manifest.csv").write_text("\n".join(rows))
    return read_manifest(folder)


def test_a_liver_background_has_the_baseline_of_its_lesions(tmp_path: Path) -> None:
    """Geometry tells malignant lesions of normal livers, and in steatosis the reverse."""
    samples = load_lesions(lesions_by_background(tmp_path), Options(out=tmp_path))
    truth = samples.truth
    normal = np.array([row.background == "normal" for row in samples.lesions])
    geometry = np.where(normal, 3 * (2 * truth - 1), 1 - 2 * truth)[:, None]
    samples = replace(samples, geometry=geometry)
    outcome = dcnn_us.Outcome(
        {"LB": 0.25 + 0.5 * truth}, truth, np.tile([0.9, 0.1], (24, 1)), [np.ones((7, 7))] * 24
    )
    folds = [list(range(12)), list(range(12, 24))]
    found = dcnn_us.evaluation_of(samples, outcome, folds, bundle=None, protocol="by hand")
    names = {"background normal", "background steatosis"}
    assert set(found.strata) == set(found.strata_baseline) == names
    for group in names:
        assert found.strata[group]["malignancy_auc"].value == 1.0
        assert set(found.strata[group]) == set(found.strata_baseline[group])
    within = values(found.strata_baseline)
    assert within["background normal"]["malignancy_auc"] == 1.0
    assert within["background steatosis"]["malignancy_auc"] == 0.0
    assert within["background normal"]["accuracy"] == 1.0
    without = dcnn_us.evaluation_of(samples, outcome, [], bundle=None, protocol="by hand")
    assert without.strata
    assert without.strata_baseline == {}


def test_a_kind_has_the_area_of_geometry_against_the_same_livers(tmp_path: Path) -> None:
    Image.new("L", (80, 60), 90).save(tmp_path / "a.png")
    kinds = [""] * 12 + ["heart"] * 6 + ["vessel"] * 6
    geometry = np.array([0.0] * 12 + [3.0] * 6 + [-1.0] * 6)[:, None]
    ids = tuple(str(number) for number in range(24))
    samples = GateSamples(ids, ids, tuple(kinds), np.zeros((24, 2), np.float32), geometry, 24)
    cases = [
        Case(name, name, tmp_path / "a.png", kind=kind or None)
        for name, kind in zip(ids, kinds, strict=True)
    ]
    foreign = samples.foreign
    judged = gate.Judged(foreign.astype(float), foreign, 0.5)
    folds = [list(range(0, 24, 2)), list(range(1, 24, 2))]
    options = Options(tmp_path)
    found = gate.evaluation_of(
        samples, judged, folds, cases, options, bundle=None, protocol="by hand"
    )
    assert values(found.strata_baseline) == {
        "heart": {"gate_auroc": 1.0, "foreign_refused": 1.0},
        # Narrower than any liver, where the heart is wider.
        "vessel": {"gate_auroc": 0.0, "foreign_refused": 0.0},
    }
    assert found.strata_baseline["heart"]["gate_auroc"].cases == 18
    assert found.baseline["gate_auroc"].value == 0.5
    assert set(found.figures) == set(found.baseline)
    assert set(found.strata["vessel"]) == {"gate_auroc", "foreign_refused"}


def frame_with_mass(own: float, shape: float) -> Found:
    overlaps, rivals = {"mass": own}, {"mass": shape}
    window, hit = (0, 0, 80, 60), (shape >= 0.3,)
    return Found((80, 60), window, overlaps, rivals, (True,), 1, 0.9, 0.5, (), hit)


def masses(folder: Path) -> list[Case]:
    """Two benign ones and three malignant."""
    Image.new("L", (80, 60), 90).save(folder / "a.png")
    square = ((20.0, 20.0), (40.0, 20.0), (40.0, 40.0))
    return [
        Case(str(n), str(n), folder / "a.png", labels={"malignant": int(n > 1)}, masses=(square,))
        for n in range(5)
    ]


def test_benign_and_malignant_masses_each_have_the_mean_shapes_dice(tmp_path: Path) -> None:
    rows = [frame_with_mass(0.5, 0.1 * number) for number in range(1, 6)]
    cases, options = masses(tmp_path), Options(tmp_path)
    found = fan_liver.evaluation_of(cases, [rows], None, "by hand", options)
    assert values(found.strata_baseline) == {
        "benign masses": {"mass_dice": 0.15, "lesion_recall": 0.0},
        "malignant masses": {"mass_dice": 0.4, "lesion_recall": 1.0},
    }
    assert set(found.strata["benign masses"]) == {"mass_dice", "lesion_recall"}
    rows[0] = replace(
        rows[0], rivals={}, shape_recalled=None
    )  # a mean shape that one frame lacks is no rival
    again = fan_liver.evaluation_of(cases, [rows], None, "by hand", options)
    assert set(again.strata_baseline) == {"malignant masses"}
    assert "mass_dice" not in again.baseline


def test_a_view_has_the_baseline_of_the_participants_that_it_was_seen_of() -> None:
    """Of four participants the view is missing in the last two, where the baseline is far off."""
    fat = np.array([2.0, 4, 8, 16])
    nan = np.nan
    estimates: npt.NDArray[np.float64] = np.stack([[3.0, 5, nan, nan]] * 3, axis=1)
    baseline = np.stack([[4.0, 6, 80, 90]] * 3, axis=1)
    assert fat_figures(fat, estimates)["fat_mae"].value == 1.0
    within = fat_figures(fat, beside(estimates, baseline))
    assert (within["fat_mae"].value, within["fat_mae"].cases) == (2.0, 2)
    repeats = beside(np.stack([estimates] * 2), np.stack([baseline, baseline + 2]))
    assert fat_figures(fat, repeats)["fat_mae"].value == 3.0


def test_the_index_alone_is_beside_the_brightness_alone(tmp_path: Path) -> None:
    """The index rises with fat; the liver grows darker."""
    cases = []
    for number in range(18):
        Image.new("L", (40, 40), 200 - 10 * number).save(tmp_path / f"{number}.png")
        cases.append(
            Case(
                str(number),
                str(number),
                tmp_path / f"{number}.png",
                fat_percent=float(number),
                hepatorenal_index=1 + 0.1 * number,
            )
        )
    found = hepatorenal.cross_validate(cases, Options(out=tmp_path))
    (group,) = found.strata
    assert found.strata[group]["fat_spearman"].value == pytest.approx(1.0)
    assert found.strata[group]["fat_auc_5"].value == 1.0
    assert found.strata_baseline[group]["fat_spearman"].value == pytest.approx(-1.0)
    assert found.strata_baseline[group]["fat_auc_5"].value == 0.0


def test_both_stand_in_the_json_under_the_same_groups() -> None:
    one, other = Figure(0.7, 0.6, 0.8, 30), Figure(0.6, 0.5, 0.7, 30)
    found = Evaluation(
        "toy", None, "none", 30, {}, strata={"a": {"x": one}}, strata_baseline={"a": {"x": other}}
    ).as_json()
    assert found["strata"] == {"a": {"x": {"value": 0.7, "low": 0.6, "high": 0.8, "cases": 30}}}
    assert found["strata_baseline"]["a"]["x"]["value"] == 0.6
    assert Evaluation("toy", None, "none", 0, {}).as_json()["strata_baseline"] == {}


def test_a_card_holds_them_in_either_form() -> None:
    one, other = Figure(0.7, 0.6, 0.8, 30), Figure(0.6, 0.5, 0.7, 30)
    flat = beside_geometry({"x": one, "y": one}, {"x": other})
    assert list(flat) == ["x", "y", "x_geometry_only"]
    assert flat["x_geometry_only"]["value"] == 0.6
    table = {"strata_baseline": strata_card({"a b": {"x": other}})}
    assert tomllib.loads(tomli_w.dumps(table))["strata_baseline"]["a b"]["x"]["value"] == 0.6
