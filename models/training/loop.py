"""The training loop that every network shares: epochs that survive an interruption."""

import csv
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from models.memory import keep_freed_memory
from models.training.course import COURSES
from models.training.options import Options
from models.training.request import claim, request_of
from models.training.whole import written_whole

Batch = TypeVar("Batch")

_MOST_WORKERS = 8


@dataclass(frozen=True)
class Schedule:
    """epochs : passes over the data. batch : images a step. seed : decides every draw. course : of
    the rates, by its name in ``models.training.course``."""

    epochs: int
    batch: int
    seed: int
    course: str = "cosine"


def fit(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: Dataset[Batch],
    loss: Callable[[nn.Module, Batch], torch.Tensor],
    schedule: Schedule,
    state: Path,
    options: Options,
    *,
    recipe: object,
    collate: Callable[[list[Batch]], Batch] | None = None,
    after_epoch: Callable[[nn.Module, int], None] | None = None,
) -> None:
    """Fits a network in place and leaves it in evaluation mode on ``options.device``.

    data : samples as tuples of tensors; the loader stacks them. loss : of one batch that lies on
    the device; random draws inside it (augmentation) come from torch's generator. state : the
    whole state is written here after each epoch, a later call goes on from it, and the losses
    stand beside it in a .csv. Each epoch draws from a seed of its own, so an interrupted run ends
    as an uninterrupted one. recipe : says how the system fits, for a state is gone on from by the
    same request only; TrainingError by any other. after_epoch : is given the network in evaluation
    mode, before the state is written. On a GPU the network runs in bfloat16 by autocast.
    """
    asked = request_of(data, network, recipe, schedule.seed, schedule.epochs)
    claim(state, asked, options.out)
    device = torch.device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    network.to(device).to(memory_format=torch.channels_last)
    steps = max(1, math.ceil(len(data) / schedule.batch))  # type: ignore[arg-type]
    factor, total = COURSES[schedule.course].factor, steps * schedule.epochs
    rates = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: factor(step, steps, total))
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "rates": rates}
    losses: list[float] = []
    if state.exists():
        saved = torch.load(state, map_location=device, weights_only=True)
        for key, part in parts.items():
            part.load_state_dict(saved[key])
        losses = list(saved["losses"])
    for epoch in range(len(losses), schedule.epochs):
        options.progress(state.stem, epoch, schedule.epochs)
        losses.append(
            _epoch(network, optimiser, rates, data, loss, schedule, epoch, options, collate)
        )
        if after_epoch is not None:
            after_epoch(network.eval(), epoch)
        with written_whole(state) as fresh:
            torch.save(
                {**{key: part.state_dict() for key, part in parts.items()}, "losses": losses}, fresh
            )
        _write_curve(losses, state.with_suffix(".csv"))
    options.progress(state.stem, schedule.epochs, schedule.epochs)
    network.eval()


def _epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    rates: torch.optim.lr_scheduler.LRScheduler,
    data: Dataset[Batch],
    loss: Callable[[nn.Module, Batch], torch.Tensor],
    schedule: Schedule,
    epoch: int,
    options: Options,
    collate: Callable[[list[Batch]], Batch] | None,
) -> float:
    seed = schedule.seed * 1000 + epoch
    torch.manual_seed(seed)
    device = torch.device(options.device)
    network.train()
    loader = DataLoader(
        data,
        batch_size=schedule.batch,
        shuffle=True,
        num_workers=_workers(options),
        generator=torch.Generator().manual_seed(seed),
        pin_memory=device.type == "cuda",
        collate_fn=collate,
    )
    total = 0.0
    count = 0
    for batch in loader:
        batch = _moved(batch, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=_mixed(device)):
            value = loss(network, batch)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        optimiser.step()
        rates.step()
        total += float(value.detach())
        count += 1
    return total / count


def _mixed(device: torch.device) -> bool:
    """Whether in bfloat16 where that suffices: few processors are faster in it."""
    return device.type == "cuda"


def _workers(options: Options) -> int:
    if options.workers is not None:
        return options.workers
    beside_a_gpu = torch.device(options.device).type == "cuda"
    return min(_MOST_WORKERS, len(os.sched_getaffinity(0))) if beside_a_gpu else 0


def _moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    moved = [_moved(part, device) for part in batch]
    return type(batch)(*moved) if hasattr(batch, "_fields") else moved


def _write_curve(losses: Sequence[float], file: Path) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("epoch", "loss"))
        writer.writerows(_numbered(losses))


def _numbered(losses: Sequence[float]) -> Iterable[tuple[int, str]]:
    return ((number, f"{loss:.5f}") for number, loss in enumerate(losses, start=1))
