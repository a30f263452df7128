"""The bundles that come with the package load and read real images."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.bundle import VALIDATION_STATUSES
from models.fat.multiview import VIEWS, MultiviewFat
from models.frame.view import ViewClassifier
from models.lesion.attention import AttentionDetector
from models.registry import SHIPPED, find_bundles, load_bundle, open_system
from models.simulation import simulate_frame, simulate_participant
from node.settings import Analysis
from tests.peers import shared

SHIPPED_NAMES = (
    *("fan-liver", "fat-hepatorenal", "fat-multiview", "gate", "kidney", "view"),
    *("lesion-attention", "lesion-dcnn-us", "lesion-joint"),
    *("lesion-roi", "lesion-roi-simulated"),
)
MOST = 14e6
"""Bytes of a network; of all bundles together 100 MB."""


def test_what_is_shipped_is_in_this_list_and_small_together() -> None:
    shipped = find_bundles()
    assert set(SHIPPED_NAMES) == set(shipped)
    assert sum(load_bundle(name).weights.stat().st_size for name in shipped) <= 100e6


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_a_shipped_bundle_is_small_and_says_what_it_is_worth(name: str) -> None:
    bundle = load_bundle(name)
    networks = len(bundle.card.get("members", [name]))
    assert bundle.weights.stat().st_size <= MOST * networks
    assert bundle.validation_status in VALIDATION_STATUSES
    named = {"version", "backbone", "preprocessing", "labels", "lacks", "digest", "limits"}
    assert named | {"data", "initial_weights", "protocol", "figures"} <= set(bundle.card)
    data = bundle.card["data"]
    assert data["name"]
    assert data["licence"]
    assert data["kind"] != "public" or data["attribution"]
    names = {path.name for path in bundle.folder.iterdir()}
    assert names - {"seen.txt"} == {"card.toml", "model.safetensors"}


def test_every_figure_of_the_lesion_card_has_its_interval_and_its_confound_baseline() -> None:
    bundle = load_bundle("lesion-attention")
    assert bundle.validation_status == "cross-validated on public data"
    for label in bundle.labels:
        figures = bundle.card["figures"][label]
        low, high = figures["auc"]["interval_95"]
        assert low < figures["auc"]["value"] < high
        assert figures["auc"]["value"] > figures["auc_geometry_only"]["value"]
        assert 0 < bundle.card["thresholds"][label]["probability"] < 1


def test_no_lesion_type_is_claimed() -> None:
    bundle = load_bundle("lesion-attention")
    assert bundle.labels == ("lesion", "malignant")
    assert {"cyst", "haemangioma", "metastasis"} <= set(bundle.lacks)


def test_lesion_types_are_read_by_a_bundle_that_says_simulated_and_is_off() -> None:
    bundle = load_bundle("lesion-roi-simulated")
    assert bundle.validation_status == bundle.card["data"]["kind"] + " data only"
    assert {"cyst", "haemangioma", "hepatocellular carcinoma"} < set(bundle.labels)
    assert len(bundle.labels) == 5
    assert bundle.name not in Analysis().bundles.values()


def test_the_detector_reads_images_of_any_size() -> None:
    detector = open_system(load_bundle("lesion-attention"))
    assert isinstance(detector, AttentionDetector)
    large = simulate_frame("hepatic veins", 5.0, seed=1).image
    readings = detector.read([large, large[100:420, 60:580], np.zeros((40, 50), np.uint8)])
    assert [reading.attention.shape for reading in readings] == [(8, 11)] * 3
    assert readings[2].window == (0, 0, 50, 40)
    for reading in readings:
        assert set(reading.probabilities) == {"lesion", "malignant"}
        assert all(0 <= value <= 1 for value in reading.probabilities.values())
        assert reading.attention.dtype == np.float32
        assert 0 <= reading.attention.min() <= reading.attention.max() <= 1


def test_reading_in_a_batch_changes_nothing() -> None:
    detector = open_system(load_bundle("lesion-attention"))
    frames = [simulate_frame(view, 5.0, seed=2).image for view in VIEWS]
    together = detector.read(frames)
    for frame, reading in zip(frames, together, strict=True):
        alone = detector.read([frame])[0]
        assert alone.probabilities == pytest.approx(reading.probabilities, abs=1e-4)


def test_real_images_with_a_mass_score_above_normal_ones() -> None:
    """A smoke test on images the network was trained on: it is no figure of its worth."""
    folder = shared() / "data" / "aul"
    lines = (folder / "annotations.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    chosen = [row for row in rows if row["class"] == "normal"][:6]
    chosen += [row for row in rows if row["class"] == "malignant"][:6]
    detector = open_system(load_bundle("lesion-attention"))
    readings = detector.read([_grey(folder / "images" / f"{row['id']}.jpg") for row in chosen])
    lesion = [reading.probabilities["lesion"] for reading in readings]
    assert np.mean(lesion[6:]) > np.mean(lesion[:6]) + 0.4


def test_simulated_fat_is_ordered_by_the_estimator() -> None:
    fat = open_system(load_bundle("fat-multiview"))
    assert isinstance(fat, MultiviewFat)
    estimates = []
    for percent in (2.0, 30.0):
        frames = [simulate_participant(percent, seed=seed + 900) for seed in range(3)]
        readings = [fat.read([person[view].image for view in VIEWS], VIEWS) for person in frames]
        estimates.append(np.mean([fat.combine(reading).fat_percent for reading in readings]))
    assert estimates[0] < estimates[1]


def test_views_are_named_on_simulated_frames_and_on_no_real_one() -> None:
    classifier = open_system(load_bundle("view"))
    assert isinstance(classifier, ViewClassifier)
    people = [simulate_participant(8.0, seed=seed + 700) for seed in range(3)]
    readings = classifier.read([person[view].image for person in people for view in VIEWS])
    likeliest = [reading.likeliest for reading in readings]
    assert sum(a == b for a, b in zip(likeliest, VIEWS * 3, strict=True)) >= 10
    known = [(one.view, view) for one, view in zip(readings, VIEWS * 3, strict=True) if one.view]
    assert len(known) >= 6
    assert sum(a == b for a, b in known) >= len(known) - 1
    real = [_grey(file) for file in sorted((shared() / "data" / "byra-ten").glob("*.jpg"))]
    assert [reading.view for reading in classifier.read(real)] == [None] * 10


def test_the_views_card_says_what_it_was_fitted_on_and_the_gate_shares_its_network() -> None:
    bundle = load_bundle("view")
    assert bundle.validation_status == "simulated data only"
    assert bundle.card["limits"].startswith("Fitted on simulated frames only")
    figures = bundle.card["figures"]
    assert figures["accuracy"]["value"] > figures["accuracy_geometry_only"]["value"]
    digests = {open_system(load_bundle(name)).features.digest for name in ("gate", "view")}
    assert len(digests) == 1, "else the worker runs the network twice"


def test_every_shipped_folder_is_a_bundle() -> None:
    folders = {path.name for path in Path(SHIPPED).iterdir() if path.is_dir()}
    assert folders == set(find_bundles())


def _grey(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))
