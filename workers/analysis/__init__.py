"""One reading of a study: every pathway over the same frames, and what could not be judged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from workers.analysis.prompted import SUBJECT as PROMPTED
from workers.analysis.prompted import PromptedPathway, check_outlines
from workers.analysis.regions import READERS, RegionReader, factors_of
from workers.findings import Abstention, Dropped, Frame, FrameRef, Prompt, Reason, StudyFindings
from workers.stages import Stages

__all__ = [
    "JOINT",
    "PATHWAYS",
    "Asked",
    "LoadedModels",
    "Plan",
    "analyse",
    "check_outlines",
    "factors_of",
    "identity",
    "plan",
]

log = logging.getLogger(__name__)

PATHWAYS: dict[str, Callable[[Any, Bundle, int], Pathway]] = {
    "lesion": LesionPathway,
    "fat": FatPathway,
}
JOINT = "joint"
_BATCH = 8

Asked = tuple[Prompt, Frame | Dropped]
"""A prompt with its frame, decoded, or why there is none."""


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


def plan(models: LoadedModels, settings: Analysis, *, prompted: bool = False) -> Plan:
    """The bundles that are configured now, verified, not yet loaded; those that read prompts only
    where operators pointed."""
    names = (*PATHWAYS, *((JOINT, *READERS) if prompted else ()))
    return Plan({name: models.verify(settings.bundles[name]) for name in names})


def analyse(
    chosen: Plan,
    frames: Iterable[Frame | Dropped],
    dropped: Sequence[Dropped],
    models: LoadedModels,
    settings: Analysis,
    stages: Stages,
    asked: Iterable[Asked] = (),
    factors: Mapping[str, float] | None = None,
) -> StudyFindings:
    """Read the frames as they are decoded, batch by batch, then the prompts, and conclude.

    frames, asked : decoded lazily, so that a study of a thousand frames never lies in memory
    dropped : what the selection left out; frames that cannot be decoded are added to it
    factors : what is known of the patient, by ``models.factors.CLINICAL``
    """
    abstentions: list[Abstention] = []
    pathways = _open(chosen, models, settings, stages, abstentions)
    used: list[FrameRef] = []
    left_out = list(dropped)
    for batch in _batches(frames, left_out, stages):
        used += [frame.ref for frame in batch]
        for name, pathway in pathways.items():
            with stages.stage(name):
                pathway.read(batch)
    if not used:
        abstentions.append(Abstention("study", Reason.NO_FRAMES))
    joint = _prompted(chosen, asked, factors or {}, models, settings, stages, abstentions)
    with stages.stage(JOINT):
        outlined = joint.conclude() if joint else Conclusion()
    seen = dict.fromkeys((*used, *(one.frame for one in outlined.prompted)))
    conclusions = {name: pathway.conclude() for name, pathway in pathways.items()}
    lesion = conclusions.get("lesion", Conclusion())
    fat = conclusions.get("fat", Conclusion())
    return StudyFindings(
        lesion_model=pathways["lesion"].model if "lesion" in pathways else None,
        fat_model=pathways["fat"].model if "fat" in pathways else None,
        frames=tuple(seen),
        dropped=tuple(left_out),
        readings=lesion.readings,
        lesions=lesion.lesions,
        fat=fat.fat,
        abstentions=(
            *abstentions,
            *lesion.abstentions,
            *fat.abstentions,
            *outlined.abstentions,
        ),
        heatmaps=(*lesion.heatmaps, *fat.heatmaps, *outlined.heatmaps),
        thresholds=lesion.thresholds,
        conditions=lesion.conditions,
        joint_model=joint.model if joint else None,
        prompted=outlined.prompted,
    )


def _open(
    chosen: Plan,
    models: LoadedModels,
    settings: Analysis,
    stages: Stages,
    abstentions: list[Abstention],
) -> dict[str, Pathway]:
    pathways: dict[str, Pathway] = {}
    for name, make in PATHWAYS.items():
        bundle = chosen.bundles[name]
        try:
            if bundle is not None:
                with stages.stage("load models"):
                    system = models.system(bundle)
                pathways[name] = make(system, bundle, settings.key_frames)
                continue
        except ModelError as error:
            log.error("%s", error)
        abstentions.append(_unavailable(name, name, settings))
    return pathways


def _prompted(
    chosen: Plan,
    asked: Iterable[Asked],
    factors: Mapping[str, float],
    models: LoadedModels,
    settings: Analysis,
    stages: Stages,
    abstentions: list[Abstention],
) -> PromptedPathway | None:
    """The prompts read; None where there are none or nothing can read them."""
    if JOINT not in chosen.bundles:
        return None
    pathway = None
    try:
        if (bundle := chosen.bundles[JOINT]) is not None:
            with stages.stage("load models"):
                segmenter = models.system(bundle)
            readers = _readers(chosen, factors, models, settings, stages, abstentions)
            pathway = PromptedPathway(segmenter, bundle, readers)
    except ModelError as error:
        log.error("%s", error)
    if pathway is None:
        abstentions.append(_unavailable(PROMPTED, JOINT, settings))
        return None
    for prompt, frame in asked:
        with stages.stage(JOINT):
            pathway.read(prompt, frame)
    return pathway


def _readers(
    chosen: Plan,
    factors: Mapping[str, float],
    models: LoadedModels,
    settings: Analysis,
    stages: Stages,
    abstentions: list[Abstention],
) -> list[RegionReader]:
    readers = []
    for name, make in READERS.items():
        try:
            if (bundle := chosen.bundles[name]) is not None:
                with stages.stage("load models"):
                    system = models.system(bundle)
                readers.append(make(system, bundle, factors))
                continue
        except ModelError as error:
            log.error("%s", error)
        abstentions.append(_unavailable("malignancy", name, settings))
    return readers


def _unavailable(subject: str, name: str, settings: Analysis) -> Abstention:
    detail = f"bundle {settings.bundles[name]}: see `hepanode doctor`"
    return Abstention(subject, Reason.MODEL_UNAVAILABLE, detail)


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
