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
from workers.stages import Stages

log = logging.getLogger(__name__)

Opened = TypeVar("Opened")

PATHWAYS: dict[str, Callable[[Any, Bundle, int], Pathway]] = {
    "lesion": LesionPathway,
    "fat": FatPathway,
}
GATE, VIEW, JOINT, HEPATORENAL = "gate", "view", "joint", "hepatorenal"
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
    **dict.fromkeys(READERS, "malignancy"),
}
"""What is not answered without one; else its name."""


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
    prompts = set(kinds)
    wanted = {READS[kind] for kind in prompts} | {*(READERS if "box" in prompts else ())}
    names = (GATE, VIEW, *PATHWAYS, *(name for name in (*ASKED, *READERS) if name in wanted))
    bundles = settings.bundles
    return Plan({name: models.verify(bundles[name]) for name in names if name in bundles})


@dataclass(frozen=True)
class Opener:
    """Opens what a plan holds, and says in ``abstentions`` what of it cannot be had."""

    chosen: Plan
    models: LoadedModels
    settings: Analysis
    stages: Stages
    abstentions: list[Abstention]

    def open(self, name: str, make: Callable[[Any, Bundle], Opened]) -> Opened | None:
        """What ``make`` builds of a system; None where the plan has none, or none that works."""
        if name not in self.chosen.bundles:
            return None
        try:
            if (bundle := self.chosen.bundles[name]) is not None:
                with self.stages.stage("load models"):
                    return make(self.models.system(bundle), bundle)
        except ModelError as error:
            log.error("%s", error)
        detail = f"bundle {self.settings.bundles[name]}: see `hepanode doctor`"
        subject = _SUBJECTS.get(name, name)
        self.abstentions.append(Abstention(subject, Reason.MODEL_UNAVAILABLE, detail))
        return None
