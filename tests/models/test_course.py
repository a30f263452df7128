"""The courses of the learning rate, and the recipes that state them."""

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from models.lesion.clicks import Prompt
from models.lesion.joint import JointSegmenter
from models.lesion.joint_network import JointNetwork, Shape
from models.lesion.joint_views import Framing
from models.training import roi
from models.training.card import write_bundle
from models.training.course import COURSES
from models.training.joint.recipes import RECIPES
from models.training.loop import Schedule, fit
from models.training.options import Options

pytestmark = pytest.mark.usefixtures("tiny_backbone")


def test_a_course_by_hand() -> None:
    def rates(name: str) -> list[float]:
        return [COURSES[name].factor(step, 2, 6) for step in range(6)]

    falling = [0.5 * (1 + math.cos(math.pi * step / 4)) for step in range(4)]
    assert rates("cosine") == pytest.approx([0.5, 1, *falling])
    assert rates("constant") == [1] * 6
    assert rates("halves") == [1, 1, 1, 0.1, 0.1, 0.1]


def test_the_papers_recipes_have_the_papers_courses() -> None:
    assert roi.RECIPES["paper"].course == "constant"
    assert roi.RECIPES["small"].course == "cosine"
    for name, row in RECIPES.items():
        paper = name.startswith("paper")
        assert (row.course, row.mirrored) == (("halves", False) if paper else ("cosine", True))
    assert RECIPES["paper"].rate == RECIPES["paper-segmentation"].rate == 5e-4
    assert RECIPES["paper-classification"].rate == 1e-3


def test_the_loop_steps_along_the_course(tmp_path: Path) -> None:
    """SGD moves a weight by its rate times the gradient, here one."""
    network = torch.nn.Linear(1, 1, bias=False)
    start = float(network.weight.detach())
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    data = torch.utils.data.TensorDataset(torch.ones(4, 1))
    fit(
        network,
        optimiser,
        data,
        lambda network, batch: network(batch[0]).mean(),
        Schedule(2, 2, 0, "halves"),
        tmp_path / "state.pt",
        Options(tmp_path),
        recipe=RECIPES["paper"],
    )
    assert start - float(network.weight.detach()) == pytest.approx(1 + 1 + 0.1 + 0.1)


@pytest.mark.parametrize(("mirrored", "looks"), [(True, 2), (False, 1)])
def test_a_bundle_whose_card_says_so_reads_without_the_mirror_image(
    tmp_path: Path, mirrored: bool, looks: int
) -> None:
    shape, framing = Shape(), Framing(size=32)
    card = {
        "system": "lesion.joint",
        "version": "1",
        "backbone": "tiny",
        "labels": ["mask", "malignant"],
        "lacks": [],
        "validation_status": "not validated",
        "preprocessing": {
            "framing": asdict(framing),
            "network": asdict(shape),
            "flip_average": mirrored,
        },
    }
    network = JointNetwork("tiny", ["malignant"], shape)
    bundle = write_bundle(tmp_path / "lesion-joint", network.state_dict(), card)
    segmenter = JointSegmenter.load(bundle)
    images: list[torch.Tensor] = []
    segmenter._network.register_forward_pre_hook(lambda _, given: images.extend(given))
    grey = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)
    segmenter.read(grey, Prompt(box=(20, 20, 50, 40)))
    assert sum(map(len, images)) == looks
    if mirrored:
        assert torch.equal(images[0][0], images[0][1].flip(2))
