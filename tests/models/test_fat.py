"""The multi-view fat estimator of paper 5."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.backbones import build_backbone
from models.errors import BundleError, ModelError
from models.fat.multiview import ESTIMATORS, VIEWS, FatReading, MultiviewFat
from models.fat.scope import Scope
from models.simulation import simulate_frame
from models.training.card import write_bundle
from models.training.multiview.heads import fit_classifier, fit_regressor, inverse_frequency

CARD = {
    "system": "fat.multiview",
    "version": "0",
    "backbone": "efficientnet_lite0",
    "labels": ["fat_percent", "p_5", "p_10"],
    "lacks": [],
    "validation_status": "simulated data only",
    "preprocessing": {},
}


def estimator(folder: Path, heads: int = len(ESTIMATORS)) -> MultiviewFat:
    torch.manual_seed(0)
    tensors = {
        **build_backbone("efficientnet_lite0").state_dict(),
        "heads.weight": torch.randn(heads, 3, 1280) / 100,
        "heads.bias": torch.randn(heads, 3),
        **Scope.fit(*np.random.default_rng(0).normal(size=(2, 64, 1280)).astype("f4")).tensors(),
    }
    return MultiviewFat.load(write_bundle(folder / "fat", tensors, CARD))


def reading(view: str | None, fat: float, p_5: float = 0.5, p_10: float = 0.5) -> FatReading:
    return FatReading(view, fat, p_5, p_10, np.zeros((7, 7), np.float32), (0, 0, 1, 1), True)


def test_the_mean_of_the_activation_map_is_the_logit(tmp_path: Path) -> None:
    fat = estimator(tmp_path)
    image = simulate_frame("liver/kidney", 9.0, seed=1).image
    known, unknown = fat.read([image, image], ["liver/kidney", None])
    for row, number in ((known, VIEWS.index("liver/kidney")), (unknown, len(VIEWS))):
        logit = float(row.cam.mean()) + float(fat._bias[number, 1])
        assert row.p_5 == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
    assert known.p_5 != unknown.p_5
    assert known.cam.min() < 0 < known.cam.max()


def test_fat_stays_within_what_a_liver_can_hold(tmp_path: Path) -> None:
    fat = estimator(tmp_path)
    fat._bias[:, 0] = torch.tensor([1e6, -1e6, 0, 0, 0])
    image = simulate_frame("hepatic veins", 9.0, seed=1).image
    high, low = fat.read([image, image], list(VIEWS[:2]))
    assert (high.fat_percent, low.fat_percent) == (50.0, 0.0)


def test_frames_of_one_view_are_averaged_before_the_views(tmp_path: Path) -> None:
    readings = [
        reading(VIEWS[0], 10),
        reading(VIEWS[0], 20),
        reading(VIEWS[3], 35),
        reading(None, 0),
    ]
    estimate = estimator(tmp_path).combine(readings)
    assert estimate.fat_percent == pytest.approx((15 + 35) / 2)
    assert estimate.views == (VIEWS[0], VIEWS[3])
    assert len(estimate.frames) == 3


def test_frames_of_unknown_view_count_when_there_are_no_others(tmp_path: Path) -> None:
    estimate = estimator(tmp_path).combine([reading(None, 4, 0.2), reading(None, 8, 0.4)])
    assert (estimate.fat_percent, estimate.p_5) == pytest.approx((6.0, 0.3))
    assert estimate.views == ()


def test_no_frames_and_unknown_views_are_refused(tmp_path: Path) -> None:
    fat = estimator(tmp_path)
    image = np.zeros((48, 64), np.uint8)
    with pytest.raises(ModelError, match="at least one frame"):
        fat.combine([])
    with pytest.raises(ModelError, match="there is no view"):
        fat.read([image], ["spleen"])
    with pytest.raises(ModelError, match="2 frames were given with 1 views"):
        fat.read([image, image], [None])


def test_heads_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="heads have shape"):
        estimator(tmp_path, heads=4)


def test_sparse_heads_find_the_feature_that_carries_fat() -> None:
    generator = np.random.default_rng(0)
    fat = generator.uniform(1, 30, 160)
    features = generator.normal(size=(160, 40)) * 3 + 5
    features[:, 7] = fat / 10 + generator.normal(0, 0.2, 160)
    groups = np.arange(160)
    regressor = fit_regressor(features, fat, groups)
    classifier = fit_classifier(features, fat, groups, 10.0)
    assert np.abs(regressor(features) - fat).mean() < 3
    assert ((classifier(features) > 0) == (fat >= 10)).mean() > 0.85
    for head in (regressor, classifier):
        assert np.argmax(np.abs(head.weight * features.std(axis=0))) == 7
        assert (head.weight == 0).sum() > 10


def test_rare_fat_fractions_weigh_more() -> None:
    weight = inverse_frequency(np.array([2.0, 3.0, 4.0, 31.0]))
    assert weight[3] == pytest.approx(3 * weight[0])
    assert weight.mean() == pytest.approx(1.0)


def test_a_frame_unlike_the_fitted_ones_is_unfamiliar() -> None:
    rng = np.random.default_rng(0)
    fitted, held_out = rng.normal(size=(2, 400, 64)).astype("f4")
    scope = Scope.fit(fitted, held_out)
    assert (scope.distance(held_out) <= scope.limit).mean() == pytest.approx(0.99, abs=0.005)
    assert (scope.distance(held_out + 3) > scope.limit).all()
    kept = Scope.take(dict(scope.tensors()))
    assert np.allclose(kept.distance(held_out), scope.distance(held_out), rtol=1e-5)
    assert kept.limit == pytest.approx(scope.limit)


def test_an_estimator_without_a_scope_is_refused(tmp_path: Path) -> None:
    tensors = {
        **build_backbone("efficientnet_lite0").state_dict(),
        "heads.weight": torch.zeros(len(ESTIMATORS), 3, 1280),
        "heads.bias": torch.zeros(len(ESTIMATORS), 3),
    }
    with pytest.raises(BundleError, match="scope"):
        MultiviewFat.load(write_bundle(tmp_path / "fat", tensors, CARD))
