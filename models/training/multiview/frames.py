"""Annotated frames as pooled features of a frozen backbone, for the multi-view fat estimator."""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.backbones import backbone, imagenet_backbone, weight_file
from models.data import Case
from models.evaluation.geometry import geometry_features
from models.evaluation.participants import fat_of_participants
from models.fat.multiview import ESTIMATORS, VIEWS
from models.fat.preprocessing import SIZE, prepare
from models.images import Window, crop, imagenet_tensor, resize
from models.training.options import Options
from models.training.whole import written_whole

VARIANTS = 3
"""The frame, its mirror image, and the frame cropped up to 20 pixels to one side (paper 5)."""

SHIFT = 20

_CHUNK = 20


@dataclass(frozen=True)
class FatFrames:
    """n frames of p participants.

    participants : (p,) their names. fat : (p,) per cent. owner : (n,) the participant of each
    frame. view : (n,) its row in ``ESTIMATORS``, the last where the view is unknown. features :
    (n, VARIANTS, C) pooled features. geometry : (n, f) of the confound baseline.
    """

    participants: tuple[str, ...]
    fat: npt.NDArray[np.float64]
    owner: npt.NDArray[np.intp]
    view: npt.NDArray[np.intp]
    features: npt.NDArray[np.float32]
    geometry: npt.NDArray[np.float64]

    def of(self, chosen: npt.NDArray[np.intp]) -> "FatFrames":
        """The frames of some participants, who are numbered anew in the given order."""
        number = np.full(len(self.participants), -1)
        number[chosen] = np.arange(len(chosen))
        kept = number[self.owner] >= 0
        return FatFrames(
            participants=tuple(self.participants[index] for index in chosen),
            fat=self.fat[chosen],
            owner=number[self.owner[kept]],
            view=self.view[kept],
            features=self.features[kept],
            geometry=self.geometry[kept],
        )


def fat_frames(cases: Sequence[Case], options: Options, name: str) -> FatFrames:
    """The frames of the cases with their features, about 0.1 s each on one core.

    name : of the backbone. Finished groups of twenty are kept in ``options.out / 'states'`` and not
    computed again, as long as files, backbone and seed stay what they were.
    """
    participants, fat, owner = fat_of_participants(cases)
    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    network: torch.nn.Module | None = None
    groups: list[dict[str, npt.NDArray[np.floating]]] = []
    for start in range(0, len(cases), _CHUNK):
        options.progress("features", start, len(cases))
        chunk = cases[start : start + _CHUNK]
        file = states / f"features-{_digest(chunk, options, name)}.npz"
        if not file.exists():
            network = network or imagenet_backbone(name, options.init).eval().to(options.device)
            rows = [_frame(case, options, name, network) for case in chunk]
            features, geometry = (np.stack(column) for column in zip(*rows, strict=True))
            with written_whole(file) as fresh:
                np.savez(fresh, features=features, geometry=geometry)
        with np.load(file, allow_pickle=False) as saved:
            groups.append({key: saved[key] for key in ("features", "geometry")})
    options.progress("features", len(cases), len(cases))
    return FatFrames(
        participants=participants,
        fat=fat,
        owner=owner,
        view=np.asarray(
            [len(VIEWS) if case.view is None else ESTIMATORS.index(case.view) for case in cases]
        ),
        features=np.concatenate([group["features"] for group in groups]).astype(np.float32),
        geometry=np.concatenate([group["geometry"] for group in groups]).astype(np.float64),
    )


def _frame(
    case: Case, options: Options, name: str, network: torch.nn.Module
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    image = options.read(case)
    prepared = prepare(image)
    # By the image's own name, so that it is shifted alike whatever else the manifest holds.
    generator = np.random.default_rng((options.seed, zlib.crc32(case.id.encode())))
    shift = int(generator.integers(-SHIFT, SHIFT + 1))
    moved = crop(image, _shifted(prepared.window, image.shape[1], shift))
    grey = [
        prepared.grey,
        prepared.grey[:, ::-1].copy(),
        resize(moved, SIZE, method="bicubic"),
    ]
    row = backbone(name)
    with torch.inference_mode():
        tensor = imagenet_tensor(grey, row.mean, row.std).to(options.device)
        features = network(tensor).mean(dim=(2, 3)).float().cpu().numpy()
    size = (image.shape[1], image.shape[0])
    return features, geometry_features([size], [prepared.window])[0]


def _shifted(window: Window, width: int, shift: int) -> Window:
    """The window moved sideways, cut where the image ends."""
    x0, y0, x1, y1 = window
    return (min(max(x0 + shift, 0), width - 2), y0, max(min(x1 + shift, width), 2), y1)


def _digest(cases: Sequence[Case], options: Options, name: str) -> str:
    """Changes with whatever the features of these cases depend on."""
    files: set[Path] = {case.image for case in cases}
    if (weights := weight_file(name, options.init)) is not None:
        files.add(weights)
    text = repr(
        (
            name,
            options.seed,
            [(case.id, case.frame, str(case.image)) for case in cases],
            [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(files)],
        )
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]
