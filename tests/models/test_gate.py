"""The gate: its equation, its protocol, and what it learns from."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.data import Case, read_manifest
from models.errors import BundleError, ModelError, TrainingError
from models.evaluation.metrics import bootstrap
from models.fat.scope import Scope
from models.frame.gate import Gate, Head, Verdict
from models.registry import open_system, read_bundle
from models.simulation.foreign import FOREIGN, simulate_foreign
from models.simulation.patterns import PATTERNS, draw_pattern
from models.systems import SYSTEMS, protocol
from models.training.card import write_bundle
from models.training.gate.fit import balance, limit_of, refusals
from models.training.options import Options
from tests.bundles import write_bundles

SYSTEM = protocol(SYSTEMS["gate"])


def head(limit: float = 1.0) -> Head:
    """Two features; the scope's distance is z² / 1 along the first plus z² / 4 of the second."""
    scope = Scope(
        mean=np.array([1.0, 1.0], np.float32),
        directions=np.array([[1.0, 0.0]], np.float32),
        spread=np.array([1.0], np.float32),
        outside=4.0,
        limit=np.inf,
    )
    return Head(np.array([2.0, -1.0], np.float32), 0.5, scope, limit)


def test_the_score_is_the_regression_and_the_logarithm_of_the_distance() -> None:
    features = np.array([[4.0, 9.0], [1.0, 3.0]], np.float32)
    # 2 * 2 - 3 + 0.5 = 1.5 at a distance of 9 + 64 / 4 = 25; 2 - sqrt(3) + 0.5 at 0 + 4 / 4 = 1
    expected = [1.5 + 1.5 * np.log(25.0), 2.5 - np.sqrt(3.0)]
    assert head().scores(features) == pytest.approx(expected, abs=1e-5)


def test_a_head_comes_back_from_its_tensors_and_only_whole() -> None:
    tensors = head(0.25).tensors()
    again = Head.take(dict(tensors), 2)
    assert again is not None
    assert (again.bias, again.limit) == (0.5, 0.25)
    assert Head.take(dict(tensors), 3) is None
    assert Head.take({key: value for key, value in tensors.items() if "head" in key}, 2) is None


def test_a_score_at_the_limit_is_a_liver_and_no_number_is_none() -> None:
    assert Verdict(0.4, 0.4).is_liver
    assert not Verdict(0.41, 0.4).is_liver
    assert not Verdict(float("nan"), 0.4).is_liver


def test_livers_and_foreign_images_weigh_alike_and_so_do_kinds_and_subjects() -> None:
    owners = [("", "a"), ("", "b"), ("ct", "c"), ("mr", "d"), ("mr", "e"), ("mr", "e")]
    weights = balance(owners)
    assert weights.mean() == pytest.approx(1)
    assert weights / weights.sum() == pytest.approx([1 / 4, 1 / 4, 1 / 4, 1 / 8, 1 / 16, 1 / 16])


def test_the_limit_lets_at_most_one_liver_in_a_hundred_be_refused() -> None:
    scores = np.arange(200.0)
    assert np.count_nonzero(scores > limit_of(scores)) == 1
    assert np.count_nonzero(scores[:50] > limit_of(scores[:50])) == 0


def test_no_image_has_a_say_in_the_limit_that_it_is_judged_by() -> None:
    scores = np.array([0.0, 1.0, 9.0, 2.0, 3.0, 5.0])
    foreign = np.array([False] * 5 + [True])
    refused = refusals(scores, foreign, [[0, 1, 2], [3, 4, 5]])
    # over the limit of the others: 3 for the first three, 9 for the last three
    assert refused.tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_scene_is_decided_by_its_seed(kind: str) -> None:
    image = simulate_foreign(kind, 3, (120, 160))
    assert (image.shape, image.dtype) == ((120, 160), np.uint8)
    assert np.array_equal(image, simulate_foreign(kind, 3, (120, 160)))
    assert not np.array_equal(image, simulate_foreign(kind, 4, (120, 160)))
    assert (image > 24).mean() > 0.1


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_pattern_is_decided_by_its_seed(kind: str) -> None:
    image = draw_pattern(kind, 3, (120, 160))
    assert (image.shape, image.dtype) == ((120, 160), np.uint8)
    assert np.array_equal(image, draw_pattern(kind, 3, (120, 160)))
    assert not np.array_equal(image, draw_pattern(kind, 4, (120, 160)))


def test_what_nobody_can_draw_is_an_error() -> None:
    with pytest.raises(ModelError, match="heart"):
        simulate_foreign("kidney")
    with pytest.raises(ModelError, match="noise"):
        draw_pattern("heart")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Twelve 'livers', bright discs of speckle, and three kinds of patterns, as a manifest."""
    folder = tmp_path_factory.mktemp("manifest")
    rows = ["id,image,patient,kind"]
    generator = np.random.default_rng(0)
    down, across = np.mgrid[-1:1:120j, -1:1:160j]
    disc = np.hypot(down, across) < 0.9
    for number in range(12):
        levels = 60 * generator.rayleigh(1.0, disc.shape) * disc
        image = np.clip(levels, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"liver-{number}.png")
        rows.append(f"liver-{number},liver-{number}.png,p{number},")
    for kind in PATTERNS:
        for number in range(4):
            name = f"{kind}-{number}"
            Image.fromarray(draw_pattern(kind, number, (120, 160))).save(folder / f"{name}.png")
            rows.append(f"{name},{name}.png,{name},{kind} (drawn)")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return read_manifest(folder)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few = functools.partial(bootstrap, resamples=40)
    monkeypatch.setattr("models.training.gate.figures.bootstrap", few)


def test_an_empty_kind_is_a_liver(cases: list[Case]) -> None:
    assert [case.kind for case in cases[:12]] == [None] * 12
    assert {case.kind for case in cases[12:]} == {f"{kind} (drawn)" for kind in PATTERNS}


@pytest.mark.usefixtures("quick")
def test_a_trained_gate_tells_its_kinds_apart_and_its_card_says_how_well(
    cases: list[Case], tmp_path: Path
) -> None:
    options = Options(out=tmp_path, seed=1)
    bundle = read_bundle(SYSTEM.train(cases, options))
    assert (bundle.name, bundle.system) == ("gate", "frame.gate")
    figures = bundle.card["figures"]
    assert figures["gate_auroc"]["value"] > 0.9
    assert set(figures["kinds"]) == {f"{kind} (drawn)" for kind in PATTERNS}
    assert {"false_refusals", "gate_auroc_geometry_only"} <= set(figures)
    for kind in figures["kinds"].values():
        own = {"gate_auroc", "foreign_refused"}
        assert set(kind) == own | {f"{name}_geometry_only" for name in own}
    gate = open_system(bundle)
    assert isinstance(gate, Gate)
    verdicts = gate.read([options.read(case) for case in cases])
    assert [verdict.is_liver for verdict in verdicts] == [case.kind is None for case in cases]
    found = SYSTEM.evaluate(bundle, cases, replace(options, out=tmp_path / "again"))
    assert found.figures["gate_auroc"].value == pytest.approx(1)
    assert found.figures["false_refusals"].value == 0
    assert json.dumps(found.as_json())


@pytest.mark.usefixtures("quick")
def test_a_kind_is_held_out_with_all_that_has_its_name(cases: list[Case], tmp_path: Path) -> None:
    options = Options(out=tmp_path, folds=2)
    real = [replace(one, kind="noise") if one.id == "noise-0" else one for one in cases]
    found = SYSTEM.cross_validate(real, options)
    assert set(found.strata) == {"noise", *(f"{kind} (drawn)" for kind in PATTERNS)}
    assert found.figures["gate_auroc_real_images"].cases == 13
    assert (found.n, found.bundle) == (24, None)


def test_too_few_livers_or_kinds_are_an_error(cases: list[Case], tmp_path: Path) -> None:
    for few in (cases[:12], cases[:16], [*cases[:3], *cases[12:]]):
        with pytest.raises(TrainingError, match="hepanode models foreign"):
            SYSTEM.train(few, Options(out=tmp_path))


def test_a_patient_is_not_a_foreign_subject(cases: list[Case], tmp_path: Path) -> None:
    mixed = [*cases, replace(cases[-1], id="x", patient=cases[0].patient)]
    with pytest.raises(TrainingError, match="name them apart"):
        SYSTEM.train(mixed, Options(out=tmp_path))


def test_weights_that_do_not_fit_are_no_gate(tmp_path: Path) -> None:
    bundle = read_bundle(write_bundles(tmp_path, seed=1) / "gate")
    card = {key: value for key, value in bundle.card.items() if key != "digest"}
    broken = write_bundle(tmp_path / "broken", {"gate.head": torch.zeros(5)}, card)
    with pytest.raises(BundleError, match="fit it again"):
        Gate.load(broken)
    with pytest.raises(BundleError, match="backbone"):
        Gate.load(replace(bundle, backbone="none"))
