"""How the joint system may be trained: the paper's ways, and the one that does better here."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.errors import TrainingError
from models.lesion.joint_network import Shape
from models.lesion.joint_views import Framing


@dataclass(frozen=True)
class Recipe:
    """framing : what the network looks at. shape : its branches. classifies : with a head for each
    label that the cases know. overlap : soft Dice loss beside the pixelwise focal loss. adaptive :
    AdamW, otherwise SGD with momentum 0.9. backbone, epochs : unless the options say otherwise.
    course : of the rate. mirrored : reads each view together with its mirror image.
    """

    title: str
    framing: Framing
    shape: Shape
    classifies: bool
    overlap: bool
    adaptive: bool
    rate: float
    decay: float
    backbone: str = "efficientnet_lite0"
    epochs: int = 16
    batch: int = 8
    course: str = "cosine"
    mirrored: bool = True


def _recipe(title: str, *, segments: bool = True, classifies: bool = True) -> Recipe:
    return Recipe(
        title=title,
        framing=Framing(size=160),
        shape=Shape(segments=segments, prompted=segments),
        classifies=classifies,
        overlap=True,
        adaptive=True,
        rate=7e-4,
        decay=1e-2,
        epochs=40,
    )


def _paper(title: str, *, segments: bool = True, classifies: bool = True) -> Recipe:
    return Recipe(
        title=title,
        # The patch of the classification-only system is twice the lesion's size.
        framing=Framing(size=256, whole=True) if segments else Framing(size=128, factor=2.0),
        shape=Shape(segments=segments, prompted=segments, fusion=0, hidden=512),
        classifies=classifies,
        overlap=False,
        adaptive=False,
        rate=5e-4 if segments else 1e-3,
        decay=5e-4,
        backbone="vgg16_bn",
        course="halves",
        mirrored=False,
    )


DEFAULT = "joint"

RECIPES: Mapping[str, Recipe] = {
    DEFAULT: _recipe("joint, the prompt's surroundings"),
    "segmentation": _recipe("segmentation only, the prompt's surroundings", classifies=False),
    "classification": _recipe("classification only, the prompt's surroundings", segments=False),
    "paper": _paper("joint, whole image (paper 4)"),
    "paper-segmentation": _paper("segmentation only, whole image (paper 4)", classifies=False),
    "paper-classification": _paper(
        "classification only, patch of twice the lesion (paper 4)", segments=False
    ),
}


def recipe(name: str | None) -> Recipe:
    """A recipe by name, None the default; TrainingError names those there are."""
    if name is None:
        return RECIPES[DEFAULT]
    if name not in RECIPES:
        raise TrainingError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]
