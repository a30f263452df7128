"""Detector, map of masses and outlines together, as the node reads a frame."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data import Case, read_manifest
from models.errors import TrainingError
from models.images.outlines import outline_mask
from models.training import findings
from models.training.fan_liver.assessment import Found
from models.training.findings.figures import Read, clipped_logit, evaluation_of, read_of
from models.training.options import Options
from tests.peers import shared

SQUARE = ((20.0, 20.0), (59.0, 20.0), (59.0, 59.0), (20.0, 59.0))
SHAPE = (100, 100)
ALONE = Found(
    SHAPE,
    (0, 0, 100, 100),
    overlaps={"mass": 0.5},
    rivals={"mass": 0.25},
    recalled=(True,),
    parts=1,
    lesion=0.9,
    malignant=0.5,
    outlines=(),
    shape_recalled=(True,),
)


def with_mass() -> Case:
    return Case("a", "a", Path("a.png"), masses=(SQUARE,))


def test_what_is_outlined_counts_where_the_detector_suspects_a_lesion() -> None:
    mass = outline_mask([SQUARE], SHAPE)
    half = mass.copy()
    half[:, 40:] = False
    suspected = read_of(with_mass(), SHAPE, [half], suspected=True, map_alone=ALONE, logits={})
    assert suspected.dice == pytest.approx(2 / 3)
    assert suspected.recalled == (True,)
    assert suspected.findings == 1
    calm = read_of(with_mass(), SHAPE, [half], suspected=False, map_alone=ALONE, logits={})
    assert (calm.dice, calm.recalled, calm.findings) == (0.0, (False,), 0)
    normal = Case("b", "b", Path("b.png"), labels={"lesion": 0})
    wrong = read_of(normal, SHAPE, [half], suspected=True, map_alone=ALONE, logits={})
    assert wrong.findings == 1
    assert math.isnan(wrong.dice)


def test_systems_speak_together_where_they_have_a_say() -> None:
    cases, read = [], []
    for number in range(40):
        malignant = number % 2
        cases.append(Case(str(number), str(number), Path("a.png"),
                          labels={"lesion": 1, "malignant": malignant}))  # fmt: skip
        # The detector knows nothing, the outline everything, where there is one.
        outline = math.nan if number < 4 else 4.0 * malignant - 2
        logits = {"lesion": (0.0, 0.0), "malignant": (0.1 * (number % 5), 0.0, outline)}
        wide = replace(ALONE, size=(100 + 10 * (malignant ^ (number % 8 < 2)), 100))
        read.append(Read(1.0, (True,), 1, True, wide, logits))
    folds = [list(range(20)), list(range(20, 40))]
    found = evaluation_of(cases, read, folds, "by hand")
    figures = found.figures
    assert figures["malignancy_auc_outline"].value == 1.0
    assert figures["malignancy_auc_outline"].cases == 36
    assert figures["malignancy_auc_detector"].value == pytest.approx(0.5, abs=0.05)
    assert figures["malignancy_auc"].value > 0.9
    assert "detection_auc" not in figures  # every image has a lesion
    assert 0.6 < found.baseline["malignancy_auc"].value < 0.9  # three quarters are told by size
    assert "mass_dice" not in found.baseline  # for want of what would suspect a lesion by size


def test_the_rival_draws_the_mean_shape_where_geometry_suspects_a_lesion() -> None:
    cases, read = [], []
    for number in range(40):
        lesion = number % 2
        labels = {"lesion": lesion} | ({"malignant": 1} if lesion else {})
        cases.append(Case(str(number), str(number), Path("a.png"), labels=labels))
        large = lesion ^ (number in (0, 1, 20, 21))  # one in ten is of the other's size
        alone = replace(
            ALONE,
            size=(100 + 50 * large, 100),
            recalled=(True,) * lesion,
            shape_recalled=(True,) * lesion,
            rivals={"mass": 0.25} if lesion else {},
        )
        dice = 0.9 if lesion else math.nan
        logits = {"lesion": (float(lesion), 0.0), "malignant": (math.nan,) * 3}
        read.append(Read(dice, (True,) * lesion, 0, bool(lesion), alone, logits))
    found = evaluation_of(cases, read, [list(range(20)), list(range(20, 40))], "by hand")
    assert found.figures["mass_dice"].value == pytest.approx(0.9)
    assert found.figures["mass_dice_map_alone"].value == pytest.approx(0.5)
    baseline = {name: figure.value for name, figure in found.baseline.items()}
    assert baseline["lesion_recall"] == pytest.approx(0.9)
    assert baseline["mass_dice"] == pytest.approx(0.9 * 0.25)
    assert baseline["false_findings_per_normal_image"] == pytest.approx(0.1)
    assert baseline["detection_auc"] == pytest.approx(0.9)
    assert found.strata_baseline["malignant masses"]["lesion_recall"].value == pytest.approx(0.9)


def test_a_logit_of_certainty_is_finite() -> None:
    assert clipped_logit(0.5) == 0.0
    assert np.isfinite([clipped_logit(0.0), clipped_logit(1.0)]).all()
    assert math.isnan(clipped_logit(math.nan))


def test_images_of_which_nobody_says_whether_there_is_a_lesion_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="a do not say"):
        findings.cross_validate([with_mass()], Options(out=tmp_path))
    normal = replace(with_mass(), masses=(), labels={"lesion": 0})
    with pytest.raises(TrainingError, match="no mass is outlined"):
        findings.cross_validate([normal], Options(out=tmp_path))


@pytest.mark.timeout(600)
def test_real_images_are_read_by_systems_that_did_not_see_them(
    tmp_path: Path, few_resamples: None
) -> None:
    every = read_manifest(shared() / "data" / "aul")
    kinds = ({"lesion": 0}, {"lesion": 1, "malignant": 0}, {"lesion": 1, "malignant": 1})
    cases = [
        row
        for kind in kinds
        for row in [one for one in every if kind.items() <= one.labels.items()][:4]
    ]
    options = Options(out=tmp_path, folds=2, epochs=1)
    found = findings.cross_validate(cases, options)
    assert found.n == 12
    assert {"mass_dice", "lesion_recall", "detection_auc", "malignancy_auc"} <= set(found.figures)
    assert set(found.strata) == {"benign masses", "malignant masses"}
    systems = {f"_{name}" for name in ("detector", "map_of_masses", "outline", "map_alone")}
    own = {name for name in found.figures if not any(name.endswith(one) for one in systems)}
    assert own == set(found.baseline)
    states = sorted(tmp_path.glob("*/states/repeat-0-fold-*.pt"))
    assert len(states) == 8  # the detector has two networks
    written = [state.stat().st_mtime_ns for state in states]
    assert findings.cross_validate(cases, options).figures == found.figures
    assert [state.stat().st_mtime_ns for state in states] == written  # nothing was fitted again
