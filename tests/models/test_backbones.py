"""Backbones: the papers' shapes, and weights from a local file."""

import hashlib
from pathlib import Path

import pytest
import torch
import torchvision

from models.backbones import BACKBONES, build_backbone, imagenet_backbone
from models.errors import TrainingError
from models.training.card import initial_weights
from models.training.options import Options


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("resnet50", (240, 345), (2048, 8, 11)),  # paper 1
        ("resnet50", (224, 224), (2048, 7, 7)),  # papers 3 and 5
        ("resnet18", (224, 224), (512, 7, 7)),  # paper 2: 512 x 1, 1024 x 1 for two branches
        ("resnet18", (240, 345), (512, 8, 11)),
        ("densenet121", (240, 345), (1024, 7, 10)),  # paper 1
        ("vgg16_bn", (224, 224), (512, 7, 7)),  # papers 3 and 4
        ("vgg16_bn", (240, 345), (512, 7, 10)),
        ("efficientnet_lite0", (240, 345), (1280, 8, 11)),
    ],
)
def test_feature_maps_have_the_papers_shapes(
    name: str, size: tuple[int, int], shape: tuple[int, int, int]
) -> None:
    with torch.inference_mode():
        features = build_backbone(name).eval()(torch.zeros(1, 3, *size))
    assert features.shape == (1, *shape)
    assert BACKBONES[name].channels == shape[0]


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vgg16_bn"])
def test_features_before_the_classifier_are_torchvisions_own(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = torchvision.models.get_model(name, weights=None).eval()
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    images = torch.randn(1, 3, 224, 224)
    pooled: list[torch.Tensor] = []
    last = whole.fc if name == "resnet18" else whole.classifier
    last.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    with torch.inference_mode():
        whole(images)
        features = imagenet_backbone(name, tmp_path / "weights.pth").eval()(images)
    # VGG's classifier takes the whole 7 x 7 map, the others its mean.
    expected = features.flatten(1) if name == "vgg16_bn" else features.mean(dim=(2, 3))
    assert torch.allclose(pooled[0], expected, atol=1e-5)


def test_a_densenet_file_with_the_layer_names_of_2017_is_read(tmp_path: Path) -> None:
    network = torchvision.models.densenet121(weights=None)
    old = {
        key.replace("norm1.", "norm.1.")
        .replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2."): value
        for key, value in network.state_dict().items()
    }
    assert any("denselayer1.norm.1.weight" in key for key in old)
    torch.save(old, tmp_path / "densenet.pth")
    loaded = imagenet_backbone("densenet121", tmp_path / "densenet.pth").state_dict()
    key = "denseblock2.denselayer3.conv2.weight"
    assert torch.equal(loaded[f"0.{key}"], network.state_dict()[f"features.{key}"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(TrainingError, match="do not fit"):
        imagenet_backbone("vgg16_bn", tmp_path / "weights.pth")


def test_a_folder_of_weights_serves_a_recipe_of_several_backbones(tmp_path: Path) -> None:
    networks = {name: torchvision.models.get_model(name) for name in ("resnet18", "densenet121")}
    for name, network in networks.items():
        torch.save(network.state_dict(), tmp_path / f"{name}-0676ba61.pth")
    first = imagenet_backbone("resnet18", tmp_path).state_dict()["0.weight"]
    assert torch.equal(first, networks["resnet18"].state_dict()["conv1.weight"])
    imagenet_backbone("densenet121", tmp_path)
    with pytest.raises(TrainingError, match=r"vgg16_bn-….pth, not 0"):
        imagenet_backbone("vgg16_bn", tmp_path)


def test_without_internet_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(TrainingError, match=r"'resnet18' cannot be had .* with --init"):
        imagenet_backbone("resnet18")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_a_file_that_is_no_weights_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(TrainingError) as refused:
        imagenet_backbone(name, file)
    assert str(file) in str(refused.value)
    assert "--init" in str(refused.value)
    assert "weights_only" not in str(refused.value)


def test_a_card_says_where_the_first_weights_came_from(tmp_path: Path) -> None:
    assert initial_weights(["resnet18", "resnet18"], Options(tmp_path)) == {
        "source": "torchvision ResNet18_Weights.IMAGENET1K_V1 (BSD-3-Clause)"
    }
    for name in ("resnet18", "densenet121"):
        (tmp_path / f"{name}.pth").write_text(name)
    assert initial_weights(["resnet18", "densenet121"], Options(tmp_path, init=tmp_path)) == {
        "source": "a local file",
        "sha256": {
            name: hashlib.sha256(name.encode()).hexdigest() for name in ("resnet18", "densenet121")
        },
    }
