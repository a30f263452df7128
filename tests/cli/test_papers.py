"""The papers' own recipes and backbones, each fitted by its command and read back, in small."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torchvision

from models.evaluation.metrics import RESAMPLES, bootstrap
from models.systems import SYSTEMS
from tests.cli.conftest import Node
from tests.cli.test_systems import Rows, lesions, patches, written

BACKBONES = ("resnet18", "resnet50", "densenet121", "vgg16_bn")


@dataclass(frozen=True)
class Variant:
    """A system with what is chosen of it, and how many networks its bundle then holds."""

    system: str
    chosen: tuple[str, ...]
    networks: int = 1

    def __str__(self) -> str:
        return " ".join((self.system, *self.chosen))


VARIANTS = (
    Variant("attention", ("--recipe", "paper"), 6),
    Variant("dcnn-us", ("--recipe", "paper")),
    Variant("roi", ("--recipe", "paper")),
    Variant("roi", ("--backbone", "resnet18")),
    Variant("roi", ("--backbone", "vgg16_bn")),
    Variant("joint", ("--recipe", "paper")),
    Variant("joint", ("--recipe", "paper-segmentation")),
    Variant("joint", ("--recipe", "paper-classification")),
    Variant("multiview-fat", ("--backbone", "resnet50")),
    Variant("multiview-fat", ("--backbone", "densenet121")),
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of initial weights, as torchvision caches them; none has learned anything."""
    folder = tmp_path_factory.mktemp("weights")
    for name in BACKBONES:
        torch.save(torchvision.models.get_model(name).state_dict(), folder / f"{name}.pth")
    return folder


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bootstrap.__kwdefaults__, "resamples", RESAMPLES // 100)


def shown(system: str) -> Rows:
    """Two images of each class, or a patch of every patient."""
    if system == "multiview-fat":
        return patches()[0]
    learned, _ = lesions()
    return [row for first in range(0, len(learned), 6) for row in learned[first : first + 2]]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_paper_s_own_way_is_fitted_by_command(
    node: Node, tmp_path: Path, weights: Path, variant: Variant
) -> None:
    rows = shown(variant.system)
    data = str(written(tmp_path / "learned.jsonl", rows))
    run = tmp_path / "run"
    epochs = [] if variant.system == "multiview-fat" else ["--epochs", "1"]
    fit = ["--data", data, "--out", str(run), "--folds", "0", "--init", str(weights), *epochs]
    trained = node("models", "train", variant.system, *fit, *variant.chosen, "--json")
    assert trained.status == 0, trained.err
    bundle = run / SYSTEMS[variant.system].bundle
    card = tomllib.loads((bundle / "card.toml").read_text())
    assert len(card.get("members", [card])) == variant.networks
    data, out = str(written(tmp_path / "read.jsonl", rows[::2])), str(tmp_path / "out")
    found = node("models", "evaluate", str(bundle), "--data", data, "--out", out, "--json")
    assert found.status == 0, found.err
    assert found.json["figures"]
    assert trained.json["digest"][:12] in found.json["bundle"]
