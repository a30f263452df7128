"""What a fit was asked for, noted beside its state: nothing else may go on from that state.

A run folder holds fits under plain names, as ``fold-0``. Whoever gives it again with other images,
another recipe or another seed would otherwise get the old weights under a new card.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from models.errors import TrainingError
from models.training.whole import written_whole

Request = Mapping[str, str | int]
"""Readable where that is short, a SHA-256 where it is not: images with all that is known of them,
and the weights that the fit starts from, which go with backbone, labels, --init and seed."""

_WORDS = {
    "data": "other images, labels or outlines",
    "initial_weights": "other initial weights",
    "recipe": "another recipe",
    "seed": "another seed",
    "epochs": "another number of epochs",
}


def request_of(
    data: Dataset[Any], network: nn.Module, recipe: object, seed: int, epochs: int
) -> Request:
    """data : holds all it learns from, in memory. network : before its first step. recipe : a
    dataclass whose words say everything else. About a second per GB, whatever is drawn later."""
    return {
        "data": digest(data),
        "initial_weights": digest(network.state_dict()),
        "recipe": repr(recipe),
        "seed": seed,
        "epochs": epochs,
    }


def claim(state: Path, request: Request, run: Path) -> None:
    """Notes the request beside a state, in a .json of its name.

    TrainingError where another one is noted there, the note cannot be read, or the state has none.
    run : the folder that the operator named.
    """
    file = state.with_suffix(".json")
    remedy = f"give another --out, or remove {run}"
    if file.exists():
        noted = _noted(file, f"remove {file}" if not state.exists() else remedy)
        if others := [words for key, words in _WORDS.items() if noted.get(key) != request[key]]:
            raise TrainingError(
                f"{run}: {state.stem} was begun with {' and '.join(others)}; {remedy}"
            )
    elif state.exists():
        raise TrainingError(f"{run}: {state.name} does not say what it was fitted on; {remedy}")
    else:
        with written_whole(file) as fresh:
            fresh.write_text(json.dumps(request, indent=1) + "\n", encoding="utf-8")


def _noted(file: Path, remedy: str) -> Mapping[str, object]:
    try:
        noted = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = str(error)
    else:
        if isinstance(noted, dict):
            return noted
        reason = "no JSON object"
    raise TrainingError(
        f"{file}, which says what {file.stem} was begun with, cannot be read ({reason}); {remedy}"
    )


def digest(value: object) -> str:
    """SHA-256 of data sets, dataclasses, arrays and plain values by content, not by identity."""
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()


def _feed(into: "hashlib._Hash", value: object) -> None:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        into.update(f"{value.dtype} {value.shape}".encode())
        into.update(np.ascontiguousarray(value).data)
    elif isinstance(value, Dataset) or (is_dataclass(value) and not isinstance(value, type)):
        into.update(type(value).__name__.encode())
        _feed(into, vars(value))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if not callable(each):  # how a backbone is built; what was built is digested itself
                into.update(f"{key}:".encode())
                _feed(into, each)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        into.update(f"{len(value)} of".encode())
        for each in value:
            _feed(into, each)
    elif value is None or isinstance(value, str | int | float | np.generic):
        into.update(f"{value!r};".encode())
    else:
        raise TypeError(f"{type(value).__name__} has no digest")
