"""One thread: these networks are tiny, and threads that wait for each other cost more than they
bring on a busy machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from models.backbones import BACKBONES, Backbone, Weights
from models.evaluation.metrics import bootstrap
from models.stages import SLICES


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tiny_backbone() -> Iterator[None]:
    """The backbone 'tiny', on which every system is fitted in a second."""
    mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "tiny", Backbone(12, mean, std, "a test", _tiny, _weights))
        patch.setitem(SLICES, "tiny", _halves)
        yield


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals by a hundredth of the resamples: their width is not what is shown."""
    assert bootstrap.__kwdefaults__ is not None
    monkeypatch.setitem(bootstrap.__kwdefaults__, "resamples", 20)


def _tiny() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 16, 16), nn.ReLU())


def _weights(file: Path | None) -> Weights:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return dict(_tiny().state_dict())


def _halves(network: nn.Module) -> list[list[nn.Module]]:
    layers = list(network.children())
    return [layers[:2], layers[2:]]
