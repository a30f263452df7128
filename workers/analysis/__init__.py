"""One reading of a study: every pathway over the same frames, and what could not be judged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from models.bundle import Bundle
from models.errors import ModelError
from node.settings import Analysis
from workers.analysis.fat import FatPathway
from workers.analysis.lesion import LesionPathway
from workers.analysis.loaded import LoadedModels, identity
from workers.analysis.pathway import Conclusion, Pathway
from workers.findings import Abstention, Dropped, Frame, FrameRef, Reason, StudyFindings
from workers.stages import Stages

__all__ = ["LoadedModels", "Plan", "analyse", "identity", "plan"]

log = logging.getLogger(__name__)

PATHWAYS: dict[str, Callable[[Any, Bundle, int], Pathway]] = {
    "lesion": LesionPathway,
    "fat": FatPathway,
}
_BATCH = 8


@dataclass(frozen=True)
class Plan:
    """Which bundle reads for which pathway; None: not available on this node."""

    bundles: dict[str, Bundle | None]

    @property
    def digests(self) -> dict[str, tuple[str, str] | None]:
        """Of each bundle's weights and card."""
        return {
            name: (bundle.digest, bundle.card_digest) if bundle else None
            for name, bundle in self.bundles.items()
        }


def plan(models: LoadedModels, settings: Analysis) -> Plan:
    """The bundles that are configured now, verified, not yet loaded."""
    return Plan({name: models.verify(getattr(settings, f"{name}_bundle")) for name in PATHWAYS})


def analyse(
    chosen: Plan,
    frames: Iterable[Frame | Dropped],
    dropped: Sequence[Dropped],
    models: LoadedModels,
    settings: Analysis,
    stages: Stages,
) -> StudyFindings:
    """Read the frames as they are decoded, batch by batch, and conclude.

    frames : decoded lazily, so that a study of a thousand frames never lies in memory
    dropped : what the selection left out; frames that cannot be decoded are added to it
    """
    pathways, abstentions = _open(chosen, models, settings, stages)
    used: list[FrameRef] = []
    left_out = list(dropped)
    for batch in _batches(frames, left_out, stages):
        used += [frame.ref for frame in batch]
        for name, pathway in pathways.items():
            with stages.stage(name):
                pathway.read(batch)
    if not used:
        abstentions.append(Abstention("study", Reason.NO_FRAMES))
    conclusions = {name: pathway.conclude() for name, pathway in pathways.items()}
    lesion = conclusions.get("lesion", Conclusion())
    fat = conclusions.get("fat", Conclusion())
    return StudyFindings(
        lesion_model=pathways["lesion"].model if "lesion" in pathways else None,
        fat_model=pathways["fat"].model if "fat" in pathways else None,
        frames=tuple(used),
        dropped=tuple(left_out),
        readings=lesion.readings,
        lesions=lesion.lesions,
        fat=fat.fat,
        abstentions=(*abstentions, *lesion.abstentions, *fat.abstentions),
        heatmaps=(*lesion.heatmaps, *fat.heatmaps),
        thresholds=lesion.thresholds,
        conditions=lesion.conditions,
    )


def _open(
    chosen: Plan, models: LoadedModels, settings: Analysis, stages: Stages
) -> tuple[dict[str, Pathway], list[Abstention]]:
    pathways: dict[str, Pathway] = {}
    abstentions = []
    for name, bundle in chosen.bundles.items():
        try:
            if bundle is not None:
                with stages.stage("load models"):
                    system = models.system(bundle)
                pathways[name] = PATHWAYS[name](system, bundle, settings.key_frames)
                continue
        except ModelError as error:
            log.error("%s", error)
        detail = f"bundle {getattr(settings, f'{name}_bundle')}: see `hepanode doctor`"
        abstentions.append(Abstention(name, Reason.MODEL_UNAVAILABLE, detail))
    return pathways, abstentions


def _batches(
    frames: Iterable[Frame | Dropped], left_out: list[Dropped], stages: Stages
) -> Iterator[list[Frame]]:
    source = iter(frames)
    while True:
        with stages.stage("decode"):
            batch = list(islice(source, _BATCH))
        if not batch:
            return
        left_out += [frame for frame in batch if isinstance(frame, Dropped)]
        if usable := [frame for frame in batch if isinstance(frame, Frame)]:
            yield usable
