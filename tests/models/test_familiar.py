"""Which frames are like those that a detector learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data import Case
from models.errors import BundleError
from models.fat.scope import Scope
from models.frame.seen import Seen
from models.lesion.familiar import Familiar
from models.registry import load_bundle, open_system
from models.simulation import simulate_frame
from models.training.familiar import fit_familiar
from models.training.options import Options
from tests.peers import shared


def seen(*pooled: float, network: str = "net") -> Seen:
    features = np.array(pooled, np.float32)
    return Seen(network, features[:, None, None], features, (0, 0, 1, 1))


def test_a_frame_is_familiar_within_the_limit_and_unknown_to_another_network() -> None:
    """The distance is z squared along the first feature plus a quarter of the second squared."""
    scope = Scope(
        mean=np.zeros(2, np.float32),
        directions=np.array([[1, 0]], np.float32),
        spread=np.ones(1, np.float32),
        outside=4.0,
        limit=2.0,
    )
    familiar = Familiar("net", scope)
    assert familiar.knows(seen(1, 2)) is True
    assert familiar.knows(seen(1, 2.1)) is False
    assert familiar.knows(seen(1, 2, network="other")) is None
    assert familiar.knows(None) is None


def test_the_limit_holds_what_was_not_fitted_and_noise_is_unlike(tmp_path: Path) -> None:
    cases = []
    for number in range(12):
        file = tmp_path / f"{number}.png"
        Image.fromarray(simulate_frame("hepatic veins", 5.0, seed=number).image).save(file)
        cases.append(Case(str(number), str(number), file))
    backbone, options = "efficientnet_lite0", Options(out=tmp_path)
    held_out, card = fit_familiar(cases, backbone, 3, options)
    itself, _ = fit_familiar(cases, backbone, 0, options)
    assert held_out.network == itself.network == card["network"]
    assert held_out.scope.limit > itself.scope.limit
    assert "95 %" in card["rule"]
    gate = open_system(load_bundle("gate"))
    noise = np.random.default_rng(0).integers(0, 255, (480, 640)).astype(np.uint8)
    known = simulate_frame("hepatic veins", 5.0, seed=0).image
    assert [held_out.knows(one) for one in gate.features.see([known, noise])] == [True, False]


def test_a_bundle_without_what_its_card_speaks_of_is_refused() -> None:
    bundle = load_bundle("lesion-attention")
    assert Familiar.of_bundle(replace(bundle, card={}), {}) is None
    with pytest.raises(BundleError, match=r"scope\.mean"):
        Familiar.of_bundle(bundle, {})


def test_the_shipped_detector_does_not_know_another_scanner() -> None:
    """The node asks it by what the gate's network has seen. Ten livers without a lesion: it takes
    each for one, and at least says that it never learned from such."""
    detector, gate = (open_system(load_bundle(name)) for name in ("lesion-attention", "gate"))
    assert detector.familiar.network == gate.features.digest
    images = []
    for path in sorted((shared() / "data" / "byra-ten").glob("*.jpg")):
        with Image.open(path) as picture:
            images.append(np.asarray(picture.convert("L")))
    assert [detector.familiar.knows(one) for one in gate.features.see(images)] == [False] * 10
