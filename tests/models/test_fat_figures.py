"""Agreement of a fat estimate with its reference."""

import math

import numpy as np
import pytest
from scipy import stats

from models.evaluation.fat import (
    card_figures,
    fat_charts,
    fat_figures,
    lower_limit,
    meng_test,
    meng_z,
    pearson,
    spearman,
    upper_limit,
)
from models.evaluation.fat_baseline import baseline_estimates, participant_geometry
from models.evaluation.outcome import Agreement, Scores


def column(*values: float) -> np.ndarray:
    return np.asarray(values, dtype=float)


def test_limits_of_agreement_are_those_of_bland_and_altman() -> None:
    truth, estimate = column(2, 4, 6, 8), column(3, 5, 9, 7)
    figures = fat_figures(truth, np.stack([estimate, estimate / 10, estimate / 20], axis=1))
    assert figures["fat_bias"].value == pytest.approx(1.0)
    assert figures["fat_mae"].value == pytest.approx(1.5)
    spread = math.sqrt((0 + 0 + 4 + 4) / 3)
    assert lower_limit(truth, estimate) == pytest.approx(1 - 1.96 * spread)
    assert upper_limit(truth, estimate) == pytest.approx(1 + 1.96 * spread)
    assert figures["fat_limit_high"].value == pytest.approx(1 + 1.96 * spread)


def test_correlations_are_those_of_scipy_and_none_where_one_side_is_constant() -> None:
    generator = np.random.default_rng(0)
    truth, estimate = generator.integers(0, 9, (2, 40)).astype(float)
    assert spearman(truth, estimate) == pytest.approx(stats.spearmanr(truth, estimate).statistic)
    assert pearson(truth, estimate) == pytest.approx(stats.pearsonr(truth, estimate).statistic)
    assert math.isnan(spearman(truth, np.ones(40)))


def test_a_cut_off_that_nobody_reaches_has_no_figures() -> None:
    fat = column(1, 2, 3, 6)
    estimates = np.stack([fat, fat / 10, fat / 20], axis=1)
    figures = fat_figures(fat, estimates)
    assert figures["fat_auc_5"].value == 1.0
    assert figures["fat_specificity_5"].cases == 4
    assert not [name for name in figures if name.endswith("_10")]
    kinds = [type(chart) for chart in fat_charts("x", fat, estimates)]
    assert kinds == [Agreement, Scores]


def test_five_per_cent_counts_as_fatty() -> None:
    fat = column(4.9, 5.0)
    figures = fat_figures(fat, column(0, 0.1, 0, 0, 0.9, 0).reshape(2, 3))
    assert figures["fat_auc_5"].value == figures["fat_sensitivity_5"].value == 1.0


def test_participants_without_an_estimate_are_left_out() -> None:
    fat = column(1, 2, 20, 30)
    estimates = np.stack([fat, fat / 40, fat / 40], axis=1)
    estimates[1] = np.nan
    assert {row.cases for row in fat_figures(fat, estimates).values()} == {3}
    assert fat_figures(fat, np.full((4, 3), np.nan)) == {}


def test_mengs_z_by_hand() -> None:
    # mean r2 0.17, f 0.240964, h 1.155465: (0.549306 - 0.309520) sqrt(97 / 0.924372)
    assert meng_z(0.5, 0.3, 0.6, 100) == pytest.approx(2.4563, abs=1e-3)
    assert math.isnan(meng_z(0.5, 0.3, 1.0, 100))
    generator = np.random.default_rng(1)
    truth = generator.normal(size=60)
    near, far = truth + generator.normal(size=60) * 0.3, truth + generator.normal(size=60) * 3
    z, p = meng_test(truth, near, far)
    assert z > 3
    assert p < 0.01
    assert meng_test(truth, far, near)[0] == pytest.approx(-z)


def test_a_card_holds_each_figure_beside_its_baseline() -> None:
    fat = np.linspace(1, 30, 20)
    figures = fat_figures(fat, np.stack([fat, fat / 40, fat / 40], axis=1))
    rows = card_figures(figures, {"fat_spearman": figures["fat_bias"]}, "geometry_only")
    assert rows["spearman"]["value"] == 1.0
    assert rows["spearman_geometry_only"]["value"] == 0.0
    assert "bias_geometry_only" not in rows


def test_geometry_that_follows_fat_is_found_out() -> None:
    fat = np.tile(column(2, 7, 25), 10)
    owner = np.repeat(np.arange(30), 2)
    view = np.tile([0, 3], 30)
    geometry = np.stack([fat[owner] * 10 + view, np.ones(60)], axis=1)
    geometry = geometry[1:]  # the first participant has one frame only
    features = participant_geometry(geometry, owner[1:], view[1:], 30)
    assert features.shape == (30, 4)
    assert np.isnan(features[0]).sum() == 2
    folds = [list(range(start, 30, 5)) for start in range(5)]
    figures = fat_figures(fat, baseline_estimates(features, fat, folds))
    assert figures["fat_auc_5"].value > 0.9
    assert figures["fat_spearman"].value > 0.9
