"""The view classifier: its equation, when it does not know, its protocol."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.data import Case, read_manifest
from models.errors import BundleError, TrainingError
from models.evaluation.calibration import confidence_error
from models.evaluation.metrics import bootstrap
from models.fat.multiview import VIEWS
from models.fat.scope import Scope
from models.frame.view import Head, ViewClassifier, ViewReading
from models.registry import open_system, read_bundle
from models.systems import SYSTEMS, protocol
from models.training.card import write_bundle
from models.training.options import Options
from models.training.view.fit import limit_of, log_loss, regression, temperature_of
from tests.bundles import write_view_bundle

SYSTEM = protocol(SYSTEMS["view"])


def head() -> Head:
    """Two features, two views; the distance is z² along the first plus z² / 4 of the second."""
    scope = Scope(
        mean=np.array([1.0, 1.0], np.float32),
        directions=np.array([[1.0, 0.0]], np.float32),
        spread=np.array([1.0], np.float32),
        outside=4.0,
        limit=2.0,
    )
    weight = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    return Head(weight, np.array([0.0, 0.5], np.float32), scope, 0.75)


def test_probabilities_are_the_softmax_over_square_roots() -> None:
    # logits 2 and 1 + 0.5; 0 and 1.5 + 0.5
    found = head().probabilities(np.array([[4.0, 1.0], [0.0, 2.25]], np.float32))
    first = 1 / (1 + np.exp(-0.5))
    assert found == pytest.approx(
        np.array([[first, 1 - first], [1 - 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-2))]])
    )


def test_familiar_is_what_lies_within_the_scopes_limit() -> None:
    features = np.array([[2.0, 3.0], [2.0, 3.1], [3.0, 1.0]], np.float32)  # 1 + 1, a little more, 4
    assert head().familiar(features).tolist() == [True, False, False]


def test_a_view_is_known_only_where_probability_and_familiarity_suffice() -> None:
    sure = ViewReading({"hepatic veins": 0.2, "liver/kidney": 0.8}, limit=0.8, familiar=True)
    assert sure.view == "liver/kidney"
    assert replace(sure, limit=0.81).view is None
    assert replace(sure, familiar=False).view is None
    assert replace(sure, familiar=False).likeliest == "liver/kidney"
    nothing = ViewReading(dict.fromkeys(VIEWS, float("nan")), limit=0.5, familiar=True)
    assert nothing.view is None


def test_a_head_comes_back_from_its_tensors_and_only_whole() -> None:
    tensors = head().tensors()
    again = Head.take(dict(tensors), 2, 2)
    assert again is not None
    assert again.limit == 0.75
    assert np.array_equal(again.weight, head().weight)
    assert np.array_equal(again.bias, head().bias)
    assert Head.take(dict(tensors), 3, 2) is None
    assert Head.take(dict(tensors), 2, 3) is None
    assert Head.take({key: row for key, row in tensors.items() if "view" in key}, 2, 2) is None


def test_the_limit_is_where_at_least_ninety_nine_of_a_hundred_calls_are_right() -> None:
    surest = np.linspace(0.99, 0.79, 201)
    probabilities = np.column_stack([surest, 1 - surest])
    truth = np.zeros(201, int)
    truth[[99, 150, 160]] = 1
    # one wrong of 150 is allowed, two of 151 are too many, and so are three of 201
    assert limit_of(truth, probabilities) == pytest.approx(surest[149])
    assert limit_of(np.zeros(201, int), probabilities) == pytest.approx(0.79)
    assert limit_of(np.zeros(1, int), np.array([[0.4, 0.3, 0.3]])) == 0.5
    assert limit_of(np.ones(201, int), probabilities) == float("inf")


def test_the_temperature_makes_probabilities_as_sure_as_they_are_right() -> None:
    logits = np.tile([[4.0, 0.0]], (10, 1))
    truth = np.array([0] * 8 + [1] * 2)
    # softmax gives 0.8 where the difference is ln 4
    assert temperature_of(truth, logits) == pytest.approx(4 / np.log(4), rel=1e-3)


def test_the_log_loss_and_the_calibration_error_are_as_computed_by_hand() -> None:
    probabilities = np.array([[0.5, 0.5], [0.2, 0.8]])
    assert log_loss(np.array([0, 1]), probabilities) == pytest.approx(-np.log(0.4) / 2)
    right = np.array([1.0, 0.0, 1.0, 1.0])
    # bins of 0.62 and 0.68 (one of two right), 0.91 and 1.0 (both)
    surest = np.array([0.62, 0.68, 0.91, 1.0])
    assert confidence_error(right, surest) == pytest.approx((0.3 + 0.09) / 4)


def test_two_views_have_a_row_each() -> None:
    roots = np.array([[0.0, 1.0], [0.1, 1.0], [1.0, 1.0], [0.9, 1.0]])
    weight, bias = regression(roots, np.array([0, 0, 1, 1]), 1.0)
    logits = roots @ weight.T + bias
    assert weight.shape == (2, 2)
    assert logits.argmax(axis=1).tolist() == [0, 0, 1, 1]
    assert logits.sum(axis=1) == pytest.approx(0)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Twelve patients with two 'views': speckle with stripes down, and across."""
    folder = tmp_path_factory.mktemp("manifest")
    rows = ["id,image,patient,view"]
    generator = np.random.default_rng(0)
    down, across = np.mgrid[0:120, 0:160]
    stripes = {"hepatic veins": np.sin(down / 3), "liver/kidney": np.sin(across / 3)}
    for number in range(12):
        for place, (view, stripe) in enumerate(stripes.items()):
            levels = 60 * generator.rayleigh(1.0, down.shape) * (1.2 + stripe)
            image = np.clip(levels, 0, 255).astype(np.uint8)
            Image.fromarray(image).save(folder / f"{number}-{place}.png")
            rows.append(f"{number}-{place},{number}-{place}.png,p{number},{view}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return read_manifest(folder)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few = functools.partial(bootstrap, resamples=40)
    monkeypatch.setattr("models.training.view.figures.bootstrap", few)
    monkeypatch.setattr("models.evaluation.classes.bootstrap", few)


@pytest.mark.usefixtures("quick")
def test_a_trained_classifier_names_its_views_and_its_card_says_how_well(
    cases: list[Case], tmp_path: Path
) -> None:
    options = Options(out=tmp_path, folds=3)
    bundle = read_bundle(SYSTEM.train(cases, options))
    assert (bundle.name, bundle.system) == ("view", "frame.view")
    assert bundle.labels == ("hepatic veins", "liver/kidney")
    assert "right portal vein" in bundle.lacks
    figures = bundle.card["figures"]
    assert figures["accuracy"]["value"] > 0.9
    assert {"accuracy_geometry_only", "calibration_error", "named"} <= set(figures)
    classifier = open_system(bundle)
    assert isinstance(classifier, ViewClassifier)
    readings = classifier.read([options.read(case) for case in cases])
    assert [reading.likeliest for reading in readings] == [case.view for case in cases]
    noise = np.random.default_rng(0).integers(0, 256, (120, 160)).astype(np.uint8)
    (reading,) = classifier.read([noise])
    assert (reading.familiar, reading.view) == (False, None)
    assert classifier.read([]) == []

    unsaid = [replace(case, view=None) if case.patient == "p0" else case for case in cases]
    found = SYSTEM.evaluate(bundle, unsaid, replace(options, out=tmp_path / "again"))
    assert found.figures["accuracy"].value == pytest.approx(1)
    assert found.figures["accuracy"].cases == 22
    assert found.figures["named_of_unsaid_view"].cases == 2
    taken = found.charts[0].counts  # type: ignore[union-attr]
    assert taken.shape == (3, 3)
    assert taken[2].sum() == 2
    assert json.dumps(found.as_json())


@pytest.mark.usefixtures("quick")
def test_of_frames_whose_view_nobody_said_it_says_how_many_it_names(
    cases: list[Case], tmp_path: Path
) -> None:
    bundle = write_view_bundle(tmp_path, seed=1)
    found = SYSTEM.evaluate(
        read_bundle(bundle), [replace(case, view=None) for case in cases], Options(out=tmp_path)
    )
    assert set(found.figures) == {"named_of_unsaid_view"}
    assert not found.baseline


def test_views_that_few_patients_show_are_an_error(cases: list[Case], tmp_path: Path) -> None:
    unsaid = [replace(case, view=None) for case in cases]
    for few in (unsaid, cases[:8], [case for case in cases if case.view == "liver/kidney"]):
        with pytest.raises(TrainingError, match="at least two views"):
            SYSTEM.train(few, Options(out=tmp_path))


def test_a_patient_is_not_learned_from_and_judged(cases: list[Case], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="name them apart"):
        SYSTEM.train(cases, Options(out=tmp_path, extra=tuple(cases[:2])))


def test_weights_that_do_not_fit_name_no_view(tmp_path: Path) -> None:
    bundle = read_bundle(write_view_bundle(tmp_path, seed=1))
    card = {key: value for key, value in bundle.card.items() if key != "digest"}
    broken = write_bundle(tmp_path / "broken", {"view.head": torch.zeros(4, 5)}, card)
    with pytest.raises(BundleError, match="fit it again"):
        ViewClassifier.load(broken)
    with pytest.raises(BundleError, match="backbone"):
        ViewClassifier.load(replace(bundle, backbone="none"))
    with pytest.raises(BundleError, match="expected some of"):
        ViewClassifier.load(replace(bundle, labels=("heart", "liver/kidney")))
