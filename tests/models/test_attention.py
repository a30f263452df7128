"""The supervised-attention network of paper 1: shapes, eq. (3), heads and loss."""

import pytest
import torch
from torch import nn

from models.backbones import BACKBONES, build_backbone
from models.errors import TrainingError
from models.folding import fold_normalisation
from models.lesion.attention import forward_flipped
from models.lesion.network import AttentionNetwork, attention_pool
from models.training.attention.augmentation import Batch
from models.training.attention.fit import loss


class Tiny(nn.Sequential):
    """A stand-in of the real channel count that fits in milliseconds."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(nn.AvgPool2d(32), nn.Conv2d(3, 1280, 1), nn.ReLU())


def test_resnet50_without_its_last_two_layers_gives_2048_x_8_x_11() -> None:
    with torch.inference_mode():
        features = build_backbone("resnet50").eval()(torch.zeros(1, 3, 240, 345))
    assert features.shape == (1, 2048, 8, 11)


def test_lite0_keeps_the_paper_grid() -> None:
    with torch.inference_mode():
        features = build_backbone("efficientnet_lite0").eval()(torch.zeros(1, 3, 240, 345))
    assert features.shape == (1, 1280, 8, 11)


def test_an_unknown_backbone_names_those_there_are() -> None:
    with pytest.raises(TrainingError, match="resnet50"):
        build_backbone("alexnet")


def test_equation_3_by_hand() -> None:
    features = torch.tensor([[[[1.0, 5.0]], [[2.0, -2.0]]]])  # one image, two features, 1 x 2 cells
    local = torch.logit(torch.tensor([[[0.25, 0.75]]]))
    pooled = attention_pool(features, local)
    expected = [(0.25 * 1 + 0.75 * 5) / 1.0, (0.25 * 2 - 0.75 * 2) / 1.0]
    assert pooled[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_lambda_zero_is_the_spatial_mean() -> None:
    features, local = torch.randn(3, 7, 8, 11), torch.randn(3, 8, 11) * 4
    assert torch.allclose(
        attention_pool(features, local, focus=0.0), features.mean(dim=(2, 3)), atol=1e-6
    )


def test_a_larger_lambda_narrows_the_attention() -> None:
    features = torch.zeros(1, 1, 1, 3)
    features[..., 0] = 1.0
    local = torch.tensor([[[-1.0, -3.0, -3.0]]])
    shares = [float(attention_pool(features, local, focus)) for focus in (0.0, 1.0, 4.0)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.99


def test_several_scales_are_pooled_side_by_side() -> None:
    network = AttentionNetwork("efficientnet_lite0", ["lesion"], (0.25, 1.0), features=Tiny())
    assert network.heads.in_features == 2 * 1280
    assert network(torch.zeros(2, 3, 64, 96)).labels.shape == (2, 1)


def test_a_label_that_was_never_annotated_has_no_head() -> None:
    network = AttentionNetwork("efficientnet_lite0", ["lesion"], features=Tiny())
    assert network.heads.out_features == 1
    assert network(torch.zeros(1, 3, 64, 96)).labels.shape == (1, 1)


def eight_images() -> Batch:
    """Four images with a bright square, two of them 'malignant' by their brightness."""
    torch.manual_seed(1)
    images = torch.rand(8, 64, 96) * 40
    masks = torch.zeros(8, 2, 3)
    for number in range(4):
        column = number % 2
        images[number, :32, 64 * column : 64 * column + 32] += 200 - 110 * column
        masks[number, 0, 2 * column] = 1.0
    lesion = torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0])
    malignant = torch.tensor([1.0, 0, 1, 0, 0, 0, 0, 0])
    known = torch.stack([torch.ones(8), lesion], dim=1)
    return Batch(images, masks, torch.stack([lesion, malignant], dim=1), known)


def test_heads_and_attention_overfit_eight_images() -> None:
    batch = eight_images()
    network = AttentionNetwork("efficientnet_lite0", ["lesion", "malignant"], features=Tiny())
    images = (batch.images / 128 - 1)[:, None].expand(-1, 3, -1, -1)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        loss(network(images), batch).backward()
        optimiser.step()
    labels, attention = forward_flipped(network.eval(), images, flip=False)
    assert ((labels[:, 0] > 0) == (batch.targets[:, 0] > 0)).all()
    assert ((labels[:4, 1] > 0) == (batch.targets[:4, 1] > 0)).all()
    assert ((attention > 0.5) == (batch.masks > 0.5)).all()


def test_malignancy_is_not_learned_from_images_without_a_mass() -> None:
    batch = eight_images()
    network = AttentionNetwork("efficientnet_lite0", ["lesion", "malignant"], features=Tiny())
    images = (batch.images / 128 - 1)[:, None].expand(-1, 3, -1, -1)
    output = network(images)
    other = batch.targets.clone()
    other[4:, 1] = 1.0
    assert loss(output, batch) == loss(output, batch._replace(targets=other))


def test_the_mirror_image_gives_the_mirrored_attention() -> None:
    network = AttentionNetwork("efficientnet_lite0", ["lesion"], features=Tiny()).eval()
    nn.init.normal_(network.local.weight)
    images = torch.randn(2, 3, 64, 96)
    labels, attention = forward_flipped(network, images, flip=True)
    mirrored_labels, mirrored = forward_flipped(network, images.flip(3), flip=True)
    assert torch.allclose(labels, mirrored_labels, atol=1e-5)
    assert torch.allclose(attention, mirrored.flip(2), atol=1e-5)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_folding_the_normalisation_changes_no_output(name: str) -> None:
    torch.manual_seed(0)
    network = build_backbone(name)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        before = network.eval()(images)
        after = fold_normalisation(network)(images)
    assert torch.allclose(before, after, rtol=1e-3, atol=1e-4 * float(before.abs().max()))
    left = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert left == (name == "densenet121")  # there a normalisation stands before its convolution
