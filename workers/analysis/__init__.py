"""One reading of a study: every pathway over the same frames, and what could not be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from models.bundle import Bundle
from node.settings import Analysis
from workers.analysis.found import MALIGNANCY, SIZE, Finder, MassMap, check_maps_masses
from workers.analysis.gate import FrameGate, check_gate
from workers.analysis.hepatorenal import beside, check_reads_indices
from workers.analysis.lesion import LesionPathway
from workers.analysis.loaded import LoadedModels, identity
from workers.analysis.outlining import Outliner, check_outlines
from workers.analysis.pathway import AskedPathway, Conclusion, Pathway
from workers.analysis.plan import (
    ASKED,
    FAN_LIVER,
    GATE,
    HEPATORENAL,
    JOINT,
    LESION,
    PATHWAYS,
    READS,
    VIEW,
    Opener,
    Plan,
    plan,
)
from workers.analysis.prompted import PromptedPathway
from workers.analysis.regions import READERS, RegionReader, factors_of
from workers.analysis.squares_found import check_finds_kidneys
from workers.analysis.view import FrameViews, check_views
from workers.findings import (
    Abstention,
    Dropped,
    Frame,
    FrameRef,
    ModelIdentity,
    Prompt,
    Reason,
    StudyFindings,
)
from workers.messages import say
from workers.stages import Stages

__all__ = [
    "ASKED",
    "CHECKS",
    "GATE",
    "PATHWAYS",
    "READERS",
    "VIEW",
    "Asked",
    "LoadedModels",
    "Plan",
    "analyse",
    "check_outlines",
    "check_reads_indices",
    "factors_of",
    "identity",
    "plan",
]

Argument = TypeVar("Argument")
Made = TypeVar("Made")

CHECKS: Mapping[str, Callable[[Bundle], None]] = {
    GATE: check_gate,
    VIEW: check_views,
    FAN_LIVER: check_maps_masses,
    "kidney": check_finds_kidneys,
}
"""What raises BundleError where a bundle does not do what its setting wants, before it is used."""

_BATCH = 8

Asked = tuple[Prompt, Frame | Dropped]
"""A prompt with its frame, decoded, or why there is none."""


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
    opener = Opener(chosen, models, settings, stages, abstentions)
    gate = opener.open(GATE, FrameGate)
    views = opener.open(VIEW, FrameViews)
    find = _Find(opener, factors or {})
    pathways = _pathways(opener, settings, find)
    used: list[FrameRef] = []
    left_out = list(dropped)
    refused: list[Dropped] = []
    passed = _passed(_batches(frames, left_out, stages), gate, refused, stages)
    for batch in _with_views(passed, views, stages):
        used += [frame.ref for frame in batch]
        for name, pathway in pathways.items():
            with stages.stage(name):
                pathway.read(batch)
    if refused and not used:
        none = say("of {frames} frames none", frames=len(refused))
        abstentions.append(Abstention("study", Reason.NOT_LIVER, none))
    elif not used:
        abstentions.append(Abstention("study", Reason.NO_FRAMES))
    notes: list[str] = []
    answering = _answering(opener, factors or {})
    _follow(_noted(asked, gate, notes, stages), answering, stages)
    conclusions: dict[str, Conclusion] = {}
    for name, one in (pathways | answering).items():
        with stages.stage(name):
            conclusions[name] = one.conclude()
    lesion, fat, outlined, index = (
        conclusions.get(name, Conclusion()) for name in ("lesion", "fat", JOINT, HEPATORENAL)
    )
    asked_frames = [one.frame for one in outlined.prompted]
    asked_frames += [one.frame for one in index.hepatorenal.pairs] if index.hepatorenal else []

    def model(name: str) -> ModelIdentity | None:
        speaking = (pathways | answering).get(name)
        return speaking.model if speaking else None

    fan_liver, joint = find.finder.models if find.finder else (None, None)
    return StudyFindings(
        lesion_model=model("lesion"),
        fat_model=model("fat"),
        frames=tuple(dict.fromkeys((*used, *asked_frames))),
        dropped=(*left_out, *refused),
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
        notes=(
            *notes,
            *(views.notes() if views else ()),
            *lesion.notes,
            *beside(index.hepatorenal, fat.fat),
        ),
        joint_model=model(JOINT) or joint,
        gate_model=gate.model if gate else None,
        view_model=views.model if views else None,
        prompted=outlined.prompted,
        hepatorenal_model=model(HEPATORENAL),
        hepatorenal=index.hepatorenal,
        fan_liver_model=fan_liver,
    )


class _Find:
    """Opens what finds lesions in suspected frames when it is first called: many studies have no
    such frame. None where it is turned off or cannot be had."""

    def __init__(self, opener: Opener, factors: Mapping[str, float]) -> None:
        self.finder: Finder | None = None
        self._opener = opener
        self._factors = factors
        self._called = False

    def __call__(self) -> Finder | None:
        if not self._called:
            self._called = True
            self.finder = self._open()
        return self.finder

    def _open(self) -> Finder | None:
        masses = self._opener.open(FAN_LIVER, MassMap)
        outliner = self._opener.open(JOINT, Outliner, SIZE) if masses else None
        if masses is None or outliner is None:
            return None
        readers = _readers(self._opener, self._factors, MALIGNANCY)
        return Finder(masses, outliner, readers, self._opener.stages)


def _pathways(
    opener: Opener, settings: Analysis, find: Callable[[], Finder | None]
) -> dict[str, Pathway]:
    found: dict[str, Pathway] = {}
    for name, make in (PATHWAYS | {LESION: partial(LesionPathway, find=find)}).items():
        opened = opener.open(name, _with(make, settings.key_frames))
        if opened is not None:
            found[name] = opened
    return found


def _answering(opener: Opener, factors: Mapping[str, float]) -> dict[str, AskedPathway]:
    """What reads prompts, where there are such and it is available."""
    kinds = opener.chosen.kinds
    readers = _readers(opener, factors) if "box" in kinds else []
    found: dict[str, AskedPathway] = {}
    for name, make in (ASKED | {JOINT: _with(PromptedPathway, readers)}).items():
        if not any(READS[kind] == name for kind in kinds):
            continue
        if (one := opener.open(name, make)) is not None:
            found[name] = one
    return found


def _readers(opener: Opener, factors: Mapping[str, float], subject: str = "") -> list[RegionReader]:
    """What reads the regions that are outlined, as far as it is wanted and available."""
    opened = [opener.open(name, _with(make, factors), subject) for name, make in READERS.items()]
    return [one for one in opened if one is not None]


def _with(
    make: Callable[[Any, Bundle, Argument], Made], argument: Argument
) -> Callable[[Any, Bundle], Made]:
    return lambda system, bundle: make(system, bundle, argument)


def _follow(asked: Iterable[Asked], answering: Mapping[str, AskedPathway], stages: Stages) -> None:
    """Each prompt is read by what reads its kind; no frame is decoded for nobody."""
    for prompt, frame in asked if answering else ():
        if reader := answering.get(READS[prompt.kind]):
            with stages.stage(READS[prompt.kind]):
                reader.read(prompt, frame)


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


def _with_views(
    batches: Iterable[list[Frame]], views: FrameViews | None, stages: Stages
) -> Iterator[list[Frame]]:
    """The batches, their frames with the views that a model names."""
    for batch in batches:
        if views is not None:
            with stages.stage(VIEW):
                batch = views.name(batch)
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
