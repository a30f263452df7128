"""The systems that read a region of interest (papers 2 and 3), on what was outlined in a box."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from models.bundle import Bundle
from models.errors import BundleError
from models.lesion.region import Region
from workers.analysis.loaded import FROM_GEOMETRY, card_figures, identity
from workers.analysis.nomogram import rulers
from workers.analysis.pathway import EQUAL_PRIOR, IF_A_LESION
from workers.findings import Bounded, ModelIdentity, RegionReading
from workers.messages import marked, say

_FIGURES = (
    ("malignancy_auc_LB_in_a_rough_box", marked("malignant, in a box as a user draws it: AUC"), ""),
    ("malignancy_auc", marked("in an expert's outline: AUC"), FROM_GEOMETRY),
)
_CLASS_FIGURES = (
    ("accuracy_in_a_rough_box", marked("accuracy in a box as a user draws it"), ""),
    ("balanced_accuracy", marked("balanced accuracy in an expert's box"), FROM_GEOMETRY),
    ("malignancy_auc_in_a_rough_box", marked("malignant among lesions, in a rough box: AUC"), ""),
)
IMAGES = 4
"""Of a lesion, that DCNN-US averages (paper 2)."""

_PLACE = marked("read in the box of the model's outline")


def _check(bundle: Bundle, system: str, name: str) -> None:
    if bundle.system != system:
        raise BundleError(
            f"bundle {bundle.name!r} is of the system {bundle.system!r}: name one of {system!r} in "
            f"analysis.{name}_bundle"
        )


class RegionReader(Protocol):
    """Says what it makes of a lesion, None where its answer is no number. regions : of it in one
    image or several, the one that shows it best first."""

    model: ModelIdentity

    def read(self, regions: Sequence[Region]) -> RegionReading | None: ...


class MalignancyReader:
    """DCNN-US (paper 2): how likely a lesion is malignant, from it and the liver beside it."""

    def __init__(self, system: Any, bundle: Bundle, factors: Mapping[str, float]) -> None:
        _check(bundle, "lesion.dcnn_us", "dcnn_us")
        self.model = replace(identity(bundle), figures=card_figures(bundle, _FIGURES))
        self._system = system
        self._factors = factors
        self._calibrated = "malignant" in bundle.card.get("calibration", {})

    def read(self, regions: Sequence[Region]) -> RegionReading | None:
        (said,) = self._system.read([regions[:IMAGES]], [self._factors])
        condition = [say(IF_A_LESION), say(_PLACE)]
        if self._calibrated:
            condition.insert(1, say(EQUAL_PRIOR))
        if said.images > 1:
            condition.append(say("mean over the {n} frames that show it best", n=said.images))
        if not said.backgrounds:
            condition.append(say("no liver beside the lesion could be read"))
        if said.model == "LBC":
            known = _listed(name for name in self._system.clinical.factors if name in self._factors)
            known = known or say("none known")
            condition.append(say("clinical factors: {names}", names=known))
            if said.left_out:
                condition.append(say("taken as average: {names}", names=_listed(said.left_out)))
        reading = _reading(self.model, {"malignant": said.probability}, condition)
        if reading is not None and said.interval is not None:
            sure = Bounded(said.probability, *said.interval)
            return replace(reading, bounds={"malignant": sure})
        if reading is None or said.model != "LBC":
            return reading
        drawn = rulers(self._system.clinical, said.image_probability, self._factors)
        return replace(reading, nomogram=drawn)


class ClassReader:
    """The region classifier (paper 3): which of its classes a region belongs to; of a lesion in
    several images, the one that shows it best."""

    def __init__(self, system: Any, bundle: Bundle, factors: Mapping[str, float]) -> None:
        _check(bundle, "lesion.roi", "roi")
        self.model = replace(identity(bundle), figures=card_figures(bundle, _CLASS_FIGURES))
        self._system = system
        self._calibrated = "temperature" in bundle.card.get("calibration", {})

    def read(self, regions: Sequence[Region]) -> RegionReading | None:
        (said,) = self._system.read(regions[:1])
        condition = [
            say("if it is one of the model's classes, all equally frequent"),
            say("calibrated in an expert's box") if self._calibrated else say("not calibrated"),
            say(_PLACE),
        ]
        reading = _reading(self.model, dict(said.probabilities), condition)
        sure = {
            name: Bounded(said.probabilities[name], *ends) for name, ends in said.intervals.items()
        }
        return replace(reading, bounds=sure) if reading is not None else None


READERS: dict[str, Callable[[Any, Bundle, Mapping[str, float]], RegionReader]] = {
    "dcnn_us": MalignancyReader,
    "roi": ClassReader,
}
"""By the name of their setting, ``analysis.<name>_bundle``."""


def factors_of(bundle: Bundle | None, known: Mapping[str, float]) -> dict[str, float]:
    """Those of a patient's clinical factors that a bundle's model LBC takes."""
    taken = bundle.card.get("clinical", {}).get("factors", {}) if bundle else {}
    return {name: value for name, value in known.items() if name in taken}


def _listed(factors: Iterable[str]) -> str:
    return ", ".join(map(say, factors))


def _reading(
    model: ModelIdentity, probabilities: dict[str, float], condition: list[str]
) -> RegionReading | None:
    if not all(map(math.isfinite, probabilities.values())):
        return None
    return RegionReading(model, probabilities, dict.fromkeys(probabilities, "; ".join(condition)))
