"""Which systems read a study: chosen from the configuration, verified, and opened when needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from models.bundle import Bundle
from models.errors import ModelError
from node.settings import Analysis
from workers.analysis.fat import FatPathway
from workers.analysis.found import SIZE
from workers.analysis.gate import SUBJECT as LIVER_CHECK
from workers.analysis.hepatorenal import SUBJECT as INDEX
from workers.analysis.hepatorenal import HepatorenalPathway
from workers.analysis.lesion import LesionPathway
from workers.analysis.loaded import LoadedModels
from workers.analysis.pathway import AskedPathway, Pathway
from workers.analysis.prompted import SUBJECT as PROMPTED
from workers.analysis.prompted import PromptedPathway
from workers.analysis.regions import READERS
from workers.analysis.view import SUBJECT as LIVER_VIEW
from workers.findings import Abstention, Reason
from workers.messages import say
from workers.stages import Stages

log = logging.getLogger(__name__)

Opened = TypeVar("Opened")

LESION = "lesion"
PATHWAYS: dict[str, Callable[[Any, Bundle, int], Pathway]] = {
    LESION: LesionPathway,
    "fat": FatPathway,
}
GATE, VIEW, JOINT, HEPATORENAL = "gate", "view", "joint", "hepatorenal"
FAN_LIVER = "fan_liver"
ASKED: dict[str, Callable[[Any, Bundle], AskedPathway]] = {
    JOINT: PromptedPathway,
    HEPATORENAL: HepatorenalPathway,
}
"""What reads only where operators point."""

READS = {"point": JOINT, "box": JOINT, "hepatorenal": HEPATORENAL}
"""By a prompt's kind which of them reads it."""

_SUBJECTS = {
    GATE: LIVER_CHECK,
    VIEW: LIVER_VIEW,
    JOINT: PROMPTED,
    HEPATORENAL: INDEX,
    FAN_LIVER: SIZE,
    **dict.fromkeys(READERS, "malignancy"),
}
"""What is not answered without one; else its name."""


@dataclass(frozen=True)
class Plan:
    """Which bundle reads for which pathway; None: not available on this node. kinds : of the
    prompts that are to be read."""

    bundles: dict[str, Bundle | None]
    kinds: frozenset[str] = frozenset()

    @property
    def digests(self) -> dict[str, tuple[str, str] | None]:
        """Of each bundle's weights and card."""
        return {
            name: (bundle.digest, bundle.card_digest) if bundle else None
            for name, bundle in self.bundles.items()
        }


def plan(models: LoadedModels, settings: Analysis, kinds: Iterable[str] = ()) -> Plan:
    """The bundles that are configured now, verified, not yet loaded; those that read prompts only
    where there is one of their ``kinds``, those that outline what the detector suspects only where
    a map of masses can be had."""
    prompts, bundles = set(kinds), settings.bundles
    found: dict[str, Bundle | None] = {}

    def choose(*names: str) -> None:
        for name in names:
            if name in bundles and name not in found:
                found[name] = models.verify(bundles[name])

    choose(GATE, VIEW, *PATHWAYS, *(READS[kind] for kind in prompts))
    if found.get(LESION):
        choose(FAN_LIVER)
    if found.get(FAN_LIVER):
        choose(JOINT)
    if found.get(FAN_LIVER) or "box" in prompts:
        choose(*READERS)
    return Plan(found, frozenset(prompts))


@dataclass(frozen=True)
class Opener:
    """Opens what a plan holds, and says in ``abstentions`` what of it cannot be had."""

    chosen: Plan
    models: LoadedModels
    settings: Analysis
    stages: Stages
    abstentions: list[Abstention]

    def open(
        self, name: str, make: Callable[[Any, Bundle], Opened], subject: str = ""
    ) -> Opened | None:
        """What ``make`` builds of a system; None where the plan has none, or none that works.

        subject : what is not answered without it, where that is not the usual one
        """
        if name not in self.chosen.bundles:
            return None
        try:
            if (bundle := self.chosen.bundles[name]) is not None:
                with self.stages.stage("load models"):
                    return make(self.models.system(bundle), bundle)
        except ModelError as error:
            log.error("%s", error)
        detail = say("bundle {name}: see `hepanode doctor`", name=self.settings.bundles[name])
        subject = subject or _SUBJECTS.get(name, name)
        self.abstentions.append(Abstention(subject, Reason.MODEL_UNAVAILABLE, detail))
        return None
