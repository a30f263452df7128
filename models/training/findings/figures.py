"""What all systems together find, beside what the map of masses would have found alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from models.data import Case
from models.evaluation.calibration import cross_calibrated
from models.evaluation.folds import folds_among
from models.evaluation.geometry import geometry_features, geometry_scores
from models.evaluation.metrics import Figure, area_under_curve, bootstrap, cross_called
from models.evaluation.outcome import Chart, Distribution, Evaluation, Scores
from models.images.outlines import outline_mask
from models.images.overlap import Mask, dice, jaccard
from models.training.fan_liver.assessment import FOUND, Found

_LEAST = 1e-6

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Read:
    """One frame as the node would read it. dice : of all that is outlined with all masses, NaN
    without a mass. recalled : of each mass, whether an outline found it. findings : how many the
    node would report. suspected : whether the detector suspects a lesion. map_alone : what the map
    of masses finds. logits : by label, of each system that has a say; NaN where one said nothing.
    """

    dice: float
    recalled: tuple[bool, ...]
    findings: int
    suspected: bool
    map_alone: Found
    logits: Mapping[str, tuple[float, ...]]

    def without_a_look(self, suspected: bool) -> "Read":
        """As image size and fan geometry would read it: where they suspect a lesion, the mean shape
        of masses is drawn, which is nowhere if the other folds have none."""
        dice, recalled = 0.0 * self.dice, (False,) * len(self.recalled)
        if suspected:
            dice = self.map_alone.rivals.get("mass", dice)
            recalled = self.map_alone.shape_recalled or recalled
        return replace(self, dice=dice, recalled=recalled, findings=int(suspected))


VOICES: Mapping[str, tuple[str, ...]] = {
    "lesion": ("detector", "map of masses"),
    "malignant": ("detector", "map of masses", "outline"),
}
"""Which systems speak of a label, in the order of ``Read.logits``."""


def clipped_logit(probability: float) -> float:
    """Of a probability, kept finite; NaN of NaN."""
    return float(logit(np.clip(probability, _LEAST, 1 - _LEAST)))


def read_of(
    case: Case,
    shape: tuple[int, int],
    outlined: Sequence[Mask],
    *,
    suspected: bool,
    map_alone: Found,
    logits: Mapping[str, tuple[float, ...]],
) -> Read:
    """outlined : masks (H, W) of the frame; in one that is not suspected they are not reported."""
    reported = list(outlined) if suspected else []
    masses = [outline_mask([outline], shape) for outline in case.masses]
    overlap = math.nan
    if masses:
        truth = np.logical_or.reduce(masses)
        overlap = dice(np.logical_or.reduce([truth & False, *reported]), truth)
    return Read(
        dice=overlap,
        recalled=tuple(any(jaccard(one, mass) >= FOUND for one in reported) for mass in masses),
        findings=len(reported),
        suspected=suspected,
        map_alone=map_alone,
        logits=logits,
    )


def evaluation_of(
    cases: Sequence[Case], read: Sequence[Read], folds: Sequence[Sequence[int]], protocol: str
) -> Evaluation:
    """Overlaps, findings and areas under the curve of the whole reading."""
    charts: list[Chart] = []
    every = list(range(len(cases)))
    geometry = geometry_features(
        [one.map_alone.size for one in read], [one.map_alone.window for one in read]
    )
    figures = _found(cases, read, every)
    baseline: dict[str, Figure] = {}
    unlooked: Sequence[Read] = ()
    masses = [place for place in every if read[place].recalled]
    if masses:
        alone = _of_map(read, masses)
        owners = [cases[place].patient for place in masses]
        figures["mass_dice_map_alone"] = bootstrap(_mean, alone, patients=owners)
        dices = np.array([read[place].dice for place in masses])
        shown = {"findings": dices, "map of masses alone": alone}
        charts.append(Distribution("Overlap of masses, without any click", "dice", shown))
    for label, voices in VOICES.items():
        known = [place for place in every if label in cases[place].labels]
        truth = np.array([float(cases[place].labels[label]) for place in known])
        if len(set(truth.tolist())) < 2:
            continue
        own = [cases[place].patient for place in known]
        held = folds_among(known, folds)
        said = np.array([read[place].logits[label] for place in known])
        spoken = [_calibrated(truth, said[:, column], held) for column in range(len(voices))]
        together = np.nanmean(np.stack(spoken), axis=0)
        other = geometry_scores(geometry[known], truth, held)
        name = "detection_auc" if label == "lesion" else "malignancy_auc"
        figures[name] = bootstrap(area_under_curve, truth, together, patients=own)
        baseline[name] = bootstrap(area_under_curve, truth, other, patients=own)
        if label == "lesion":
            suspected = cross_called(truth, other, held)
            unlooked = [
                one.without_a_look(bool(yes)) for one, yes in zip(read, suspected, strict=True)
            ]
            baseline |= _found(cases, unlooked, every)
        for voice, one in zip(voices, spoken, strict=True):
            heard = np.isfinite(one)
            figures[f"{name}_{voice.replace(' ', '_')}"] = bootstrap(
                area_under_curve,
                truth[heard],
                one[heard],
                patients=[patient for patient, yes in zip(own, heard, strict=True) if yes],
            )
        charts.append(Scores(label.capitalize(), truth, expit(together), other, patients=own))
    groups = {
        f"{name} masses": some
        for name, answer in (("benign", 0), ("malignant", 1))
        if (some := [p for p in masses if cases[p].labels.get("malignant") == answer])
    }
    return Evaluation(
        system="findings",
        bundle=None,
        protocol=protocol,
        n=len(cases),
        figures=figures,
        baseline=baseline,
        strata={name: _found(cases, read, some) for name, some in groups.items()},
        strata_baseline={
            name: _found(cases, unlooked, some) for name, some in groups.items() if unlooked
        },
        charts=tuple(charts),
        notes=_NOTES,
    )


_NOTES = (
    "Every case was read by systems that learned from none of its patient's: the detector's "
    "threshold and the level of the map of masses come from the other folds too.",
    "mass_dice is of frames with a mass, the mean over them: 0 where the detector suspects none.",
    f"A mass is found (lesion_recall) where an outline overlaps it with a Jaccard index of {FOUND} "
    "or more.",
    "mass_dice_map_alone is of the map of masses alone, in the frames that the detector suspects: "
    "what the joint system's outlines add.",
    "The baselines look at no echo: a logistic regression on image size and fan geometry says "
    "whether there is a lesion and whether it is malignant (same folds), and where it suspects one "
    "the mean shape of masses of the other folds is drawn.",
    "detection_auc and malignancy_auc are of the mean over the systems of their logits, each "
    "calibrated on the other folds; that of each system stands beside them, of the map's and the "
    "outline's where they had a say.",
    "Intervals are percentile bootstraps over patients, 95 %.",
)


def _calibrated(truth: Floats, logits: Floats, folds: Sequence[Sequence[int]]) -> Floats:
    """Logits on the scale of the other folds' calibration; NaN where there was none."""
    found = np.full(len(truth), np.nan)
    heard = np.flatnonzero(np.isfinite(logits))
    probability = cross_calibrated(truth[heard], logits[heard], folds_among(heard.tolist(), folds))
    found[heard] = logit(np.clip(probability, _LEAST, 1 - _LEAST))
    return found


def _found(cases: Sequence[Case], read: Sequence[Read], places: Sequence[int]) -> dict[str, Figure]:
    figures = {}
    masses = [place for place in places if read[place].recalled]
    if masses:
        owners = [cases[place].patient for place in masses]
        values = np.array([read[place].dice for place in masses])
        figures["mass_dice"] = bootstrap(_mean, values, patients=owners)
        each = [(place, hit) for place in masses for hit in read[place].recalled]
        figures["lesion_recall"] = bootstrap(
            _mean,
            np.array([float(hit) for _, hit in each]),
            patients=[cases[place].patient for place, _ in each],
        )
    normal = [place for place in places if cases[place].labels.get("lesion") == 0]
    if normal:
        figures["false_findings_per_normal_image"] = bootstrap(
            _mean,
            np.array([float(read[place].findings) for place in normal]),
            patients=[cases[place].patient for place in normal],
        )
    return figures


def _of_map(read: Sequence[Read], masses: Sequence[int]) -> Floats:
    """(n,) Dice of the map of masses alone: 0 in a frame that the detector does not suspect."""
    rows = [read[place] for place in masses]
    return np.array([row.map_alone.overlaps["mass"] if row.suspected else 0.0 for row in rows])


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean())
