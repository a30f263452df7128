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
from workers.analysis.gate import SUBJECT as LIVER_CHECK
from workers.analysis.gate import FrameGate, check_gate
from workers.analysis.lesion import LesionPathway
from workers.analysis.loaded import LoadedModels, identity
from workers.analysis.pathway import Conclusion, Pathway
from workers.analysis.prompted import SUBJECT as PROMPTED
from workers.analysis.prompted import PromptedPathway, check_outlines
from workers.analysis.regions import READERS, RegionReader, factors_of
from workers.findings import Abstention, Dropped, Frame, FrameRef, Prompt, Reason, StudyFindings
from workers.stages import Stages

__all__ = [
    "GATE",
    "JOINT",
    "PATHWAYS",
    "READERS",
    "Asked",
    "LoadedModels",
    "Plan",
    "analyse",
    "check_gate",
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
GATE = "gate"
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
    names = (GATE, *PATHWAYS, *((JOINT, *READERS) if prompted else ()))
    bundles = settings.bundles
    return Plan({name: models.verify(bundles[name]) for name in names if name in bundles})


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

    What the gate refuses no pathway sees; prompts are followed all the same.

    frames, asked : decoded lazily, so that a study of a thousand frames never lies in memory
    dropped : what the selection left out; frames that cannot be decoded are added to it
    factors : what is known of the patient, by ``models.factors.CLINICAL``
    """
    abstentions: list[Abstention] = []
    gate = _gate(chosen, models, settings, stages, abstentions)
    pathways = _open(chosen, models, settings, stages, abstentions)
    used: list[FrameRef] = []
    left_out = list(dropped)
    refused: list[Dropped] = []
    for batch in _passed(_batches(frames, left_out, stages), gate, refused, stages):
        used += [frame.ref for frame in batch]
        for name, pathway in pathways.items():
            with stages.stage(name):
                pathway.read(batch)
    if refused and not used:
        abstentions.append(Abstention("study", Reason.NOT_LIVER, f"of {len(refused)} frames none"))
    elif not used:
        abstentions.append(Abstention("study", Reason.NO_FRAMES))
    notes: list[str] = []
    noted = _noted(asked, gate, notes, stages)
    joint = _prompted(chosen, noted, factors or {}, models, settings, stages, abstentions)
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
        dropped=(*left_out, *refused),
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
        notes=tuple(notes),
        joint_model=joint.model if joint else None,
        gate_model=gate.model if gate else None,
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


def _gate(
    chosen: Plan,
    models: LoadedModels,
    settings: Analysis,
    stages: Stages,
    abstentions: list[Abstention],
) -> FrameGate | None:
    """The gate; None where none is wanted, or where it cannot be had, which is said."""
    if GATE not in chosen.bundles:
        return None
    try:
        if (bundle := chosen.bundles[GATE]) is not None:
            with stages.stage("load models"):
                return FrameGate(models.system(bundle), bundle)
    except ModelError as error:
        log.error("%s", error)
    abstentions.append(_unavailable(LIVER_CHECK, GATE, settings))
    return None


def _passed(
    batches: Iterable[list[Frame]],
    gate: FrameGate | None,
    refused: list[Dropped],
    stages: Stages,
) -> Iterator[list[Frame]]:
    """The batches without what the gate refuses."""
    for batch in batches:
        if gate is not None:
            with stages.stage(GATE):
                batch, none = gate.split(batch)
            refused += none
        if batch:
            yield batch


def _noted(
    asked: Iterable[Asked], gate: FrameGate | None, notes: list[str], stages: Stages
) -> Iterator[Asked]:
    """The prompts as they are; what the gate says of their frames goes to the notes."""
    for prompt, frame in asked:
        if gate is not None and isinstance(frame, Frame):
            with stages.stage(GATE):
                note = gate.note(prompt, frame)
            notes += [note] if note else []
        yield prompt, frame


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
        if name not in chosen.bundles:
            continue
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
