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
from workers.analysis.hepatorenal import SUBJECT as INDEX
from workers.analysis.hepatorenal import HepatorenalPathway, beside, check_reads_indices
from workers.analysis.lesion import LesionPathway
from workers.analysis.loaded import LoadedModels, identity
from workers.analysis.pathway import AskedPathway, Conclusion, Pathway
from workers.analysis.prompted import SUBJECT as PROMPTED
from workers.analysis.prompted import PromptedPathway, check_outlines
from workers.findings import Abstention, Dropped, Frame, FrameRef, Prompt, Reason, StudyFindings
from workers.stages import Stages

__all__ = [
    "ASKED",
    "PATHWAYS",
    "Asked",
    "LoadedModels",
    "Plan",
    "analyse",
    "check_outlines",
    "check_reads_indices",
    "identity",
    "plan",
]

log = logging.getLogger(__name__)

PATHWAYS: dict[str, Callable[[Any, Bundle, int], Pathway]] = {
    "lesion": LesionPathway,
    "fat": FatPathway,
}
JOINT, HEPATORENAL = "joint", "hepatorenal"
ASKED: dict[str, Callable[[Any, Bundle], AskedPathway]] = {
    JOINT: PromptedPathway,
    HEPATORENAL: HepatorenalPathway,
}
"""What reads only where operators point."""

READS = {"point": JOINT, "box": JOINT, "hepatorenal": HEPATORENAL}
"""By a prompt's kind which of them reads it."""

_SUBJECTS = {JOINT: PROMPTED, HEPATORENAL: INDEX}
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


def plan(models: LoadedModels, settings: Analysis, kinds: Iterable[str] = ()) -> Plan:
    """The bundles that are configured now, verified, not yet loaded; those that read prompts only
    where there is one of their ``kinds``."""
    wanted = {READS[kind] for kind in kinds}
    names = (*PATHWAYS, *(name for name in ASKED if name in wanted))
    return Plan({name: models.verify(getattr(settings, f"{name}_bundle")) for name in names})


def analyse(
    chosen: Plan,
    frames: Iterable[Frame | Dropped],
    dropped: Sequence[Dropped],
    models: LoadedModels,
    settings: Analysis,
    stages: Stages,
    asked: Iterable[Asked] = (),
) -> StudyFindings:
    """Read the frames as they are decoded, batch by batch, then the prompts, and conclude.

    frames, asked : decoded lazily, so that a study of a thousand frames never lies in memory
    dropped : what the selection left out; frames that cannot be decoded are added to it
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
    answering = _asked(chosen, asked, models, settings, stages, abstentions)
    conclusions = {name: one.conclude() for name, one in (pathways | answering).items()}
    lesion, fat, outlined, index = (
        conclusions.get(name, Conclusion()) for name in ("lesion", "fat", JOINT, HEPATORENAL)
    )
    asked_frames = [one.frame for one in outlined.prompted]
    asked_frames += [one.frame for one in index.hepatorenal.pairs] if index.hepatorenal else []
    seen = dict.fromkeys((*used, *asked_frames))
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
            *index.abstentions,
            *fat.abstentions,
            *outlined.abstentions,
        ),
        heatmaps=(*lesion.heatmaps, *index.heatmaps, *fat.heatmaps, *outlined.heatmaps),
        thresholds=lesion.thresholds,
        conditions=lesion.conditions,
        notes=beside(index.hepatorenal, fat.fat),
        joint_model=answering[JOINT].model if JOINT in answering else None,
        prompted=outlined.prompted,
        hepatorenal_model=answering[HEPATORENAL].model if HEPATORENAL in answering else None,
        hepatorenal=index.hepatorenal,
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


def _asked(
    chosen: Plan,
    asked: Iterable[Asked],
    models: LoadedModels,
    settings: Analysis,
    stages: Stages,
    abstentions: list[Abstention],
) -> dict[str, AskedPathway]:
    """The prompts read by what reads their kind, where it is available."""
    answering: dict[str, AskedPathway] = {}
    for name in ASKED:
        if name not in chosen.bundles:
            continue
        try:
            if (bundle := chosen.bundles[name]) is not None:
                with stages.stage("load models"):
                    answering[name] = ASKED[name](models.system(bundle), bundle)
                continue
        except ModelError as error:
            log.error("%s", error)
        abstentions.append(_unavailable(_SUBJECTS[name], name, settings))
    for prompt, frame in asked if answering else ():
        if reader := answering.get(READS[prompt.kind]):
            with stages.stage(READS[prompt.kind]):
                reader.read(prompt, frame)
    return answering


def _unavailable(subject: str, name: str, settings: Analysis) -> Abstention:
    detail = f"bundle {getattr(settings, f'{name}_bundle')}: see `hepanode doctor`"
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
