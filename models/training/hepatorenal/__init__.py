"""Fitting and judging the hepatorenal index on patients with a reference: the system
``hepatorenal``. Seconds on one core."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.data import Case
from models.errors import TrainingError
from models.evaluation.fat import at_least, fat_charts, fat_figures, known_rows, spearman
from models.evaluation.fat_baseline import baseline_estimates
from models.evaluation.folds import patient_folds
from models.evaluation.metrics import Figure, area_under_curve, bootstrap
from models.evaluation.outcome import Evaluation, Example
from models.evaluation.participants import fat_of_participants
from models.evaluation.picture import draw
from models.fat.hepatorenal import Hepatorenal, Regions, read_index
from models.fat.hepatorenal_curve import COVERED, HepatorenalCurve
from models.images.outlines import outline_mask
from models.training.card import write_bundle
from models.training.hepatorenal.card import hepatorenal_card
from models.training.hepatorenal.fit import check_rises, fit_curve
from models.training.options import Options

SYSTEM = "hepatorenal"
BUNDLE = "fat-hepatorenal"

LEAVE_ONE_OUT = 150
"""Up to so many patients each is left out alone; above, tenths are."""

EXAMPLES = 4
SHOWN = 200
"""Pixels that the shorter side of an example has at least, or nearly."""

UNFITTED = "index alone, nothing fitted"

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class IndexedPatients:
    """p patients with an index. cases : the frames that have one. owner : (n,) the patient of each.
    index, fat : (p,) median over the frames, and per cent. brightness : (p,) median of the mean
    echo level of the liver region, or of the whole picture where none is outlined. left_out : why
    frames have no index, and how many."""

    cases: tuple[Case, ...]
    owner: npt.NDArray[np.intp]
    index: npt.NDArray[np.float64]
    fat: npt.NDArray[np.float64]
    brightness: npt.NDArray[np.float64]
    left_out: dict[str, int]


def train(cases: Sequence[Case], options: Options) -> Path:
    """Fits the curve on all patients and writes the bundle ``options.out / 'fat-hepatorenal'``,
    with figures of leaving patients out unless ``options.folds`` is 0."""
    patients = indexed_patients(cases, options)
    evaluation = None if options.folds == 0 else _cross_validation(patients, options)
    curve = fit_curve(patients.index, patients.fat, options.seed)
    check_rises(curve)
    tensors = curve.tensors()
    card = hepatorenal_card(patients.fat, len(patients.cases), curve, evaluation, options)
    full = frozenset(tensors)
    return write_bundle(options.out / BUNDLE, tensors, card, full=full).folder


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle says of patients that it has not seen."""
    system = Hepatorenal.load(bundle, options.device)
    patients = indexed_patients(cases, options)
    found = _apply(system.curve, patients.index)
    return _judged(patients, found, bundle.title, "one bundle on unseen patients", options)


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Leave-one-patient-out, or ``options.folds``-fold by patient."""
    if options.folds == 0:
        raise TrainingError("cross-validation needs folds; give 2 or more, or leave them out")
    return _cross_validation(indexed_patients(cases, options), options)


def indexed_patients(cases: Sequence[Case], options: Options) -> IndexedPatients:
    """The patients of the cases that have a fat fraction and an index, given or computed from the
    outlines of liver and kidney. TrainingError where none is left."""
    if options.extra:
        raise TrainingError("hepatorenal learns from no extra cases: leave them out")
    used: list[Case] = []
    indices: list[float] = []
    levels: list[float] = []
    left_out: dict[str, int] = {}
    for number, case in enumerate(cases, start=1):
        options.progress("indices", number, len(cases))
        index, reason = _index(case, options)
        if index is None:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        used.append(case)
        indices.append(index)
        levels.append(_brightness(case, options))
    if not used:
        raise TrainingError(
            "no image has fat_percent and either hepatorenal_index or the outlines liver and "
            f"kidney: {_counted(left_out)}"
        )
    _, fat, owner = fat_of_participants(used)
    return IndexedPatients(
        cases=tuple(used),
        owner=owner,
        index=_medians(owner, indices),
        fat=fat,
        brightness=_medians(owner, levels),
        left_out=left_out,
    )


def _index(case: Case, options: Options) -> tuple[float | None, str]:
    if case.fat_percent is None:
        return None, "no fat_percent"
    if case.hepatorenal_index is not None:
        if case.hepatorenal_index <= 0:
            return None, "an index of zero"
        return case.hepatorenal_index, ""
    if case.liver is None or case.kidney is None:
        return None, "no hepatorenal_index, and not both outlines"
    reading = read_index(options.read(case), Regions(case.liver, case.kidney, case.masses))
    return reading.index, reading.reason or ""


def _brightness(case: Case, options: Options) -> float:
    image = options.read(case)
    if case.liver is None:
        return float(image.mean())
    region = outline_mask([case.liver], (image.shape[0], image.shape[1]))
    return float(image[region].mean()) if region.any() else float(image.mean())


def _cross_validation(patients: IndexedPatients, options: Options) -> Evaluation:
    if len(patients.fat) < 2:
        raise TrainingError("one patient leaves nothing to fit on; give more, or --folds 0")
    folds, words = _folds(len(patients.fat), patients.fat, options)
    found = np.full((len(patients.fat), 5), np.nan)
    everyone = np.arange(len(patients.fat))
    for number, held in enumerate(folds, start=1):
        train = np.setdiff1d(everyone, held)
        curve = fit_curve(patients.index[train], patients.fat[train], options.seed, resamples=1)
        found[held] = _apply(curve, patients.index[held])
        options.progress("folds", number, len(folds))
    return _judged(patients, found, None, words, options)


def _folds(count: int, fat: Floats, options: Options) -> tuple[list[list[int]], str]:
    wanted = options.folds or (count if count <= LEAVE_ONE_OUT else 10)
    if wanted >= count:
        return [[number] for number in range(count)], "leave one patient out"
    if wanted < 2:
        raise TrainingError(f"{wanted} fold leaves nothing to fit on; give 2 or more")
    strata = [str(value >= 5) for value in fat]
    if min(strata.count(value) for value in set(strata)) < wanted:
        strata = ["alike"] * count
    names = [str(number) for number in range(count)]
    return patient_folds(strata, names, wanted, options.seed), f"{wanted}-fold by patient"


def _apply(curve: HepatorenalCurve, index: Floats) -> npt.NDArray[np.float64]:
    """(n, 5) fat in %, P(>= 5 %), P(>= 10 %), and the interval of the fat."""
    rows = []
    for value in index:
        fat = curve.fat(float(value))
        p_5, p_10 = (curve.probability(float(value), cutoff).value for cutoff in (5, 10))
        rows.append((fat.value, p_5, p_10, fat.low, fat.high))
    return np.asarray(rows)


def _judged(
    patients: IndexedPatients,
    found: npt.NDArray[np.float64],
    bundle: str | None,
    protocol: str,
    options: Options,
) -> Evaluation:
    fat, estimates = patients.fat, found[:, :3]
    figures = fat_figures(fat, estimates) | _above_5(fat, estimates[:, 1])
    figures |= _intervals(fat, found[:, 3], found[:, 4])
    baseline = None
    rival: dict[str, Figure] = {}
    if len(fat) > 1:
        folds, _ = _folds(len(fat), fat, Options(out=options.out, seed=options.seed))
        baseline = baseline_estimates(patients.brightness[:, None], fat, folds)
        rival = fat_figures(fat, baseline) | _above_5(fat, baseline[:, 1])
        rival |= _intervals(fat, *_usual(fat, folds))
    return Evaluation(
        system=SYSTEM,
        bundle=bundle,
        protocol=protocol,
        n=len(patients.cases),
        figures=figures,
        baseline=rival,
        strata={UNFITTED: _ranks(fat, patients.index)},
        strata_baseline={UNFITTED: _ranks(fat, patients.brightness)},
        charts=fat_charts("hepatorenal index", fat, estimates, baseline),
        examples=_examples(patients, estimates[:, 0], options),
        notes=tuple(_notes(patients)),
    )


def _notes(patients: IndexedPatients) -> list[str]:
    at_5 = int((patients.fat == 5).sum())
    notes = [
        f"{len(patients.fat)} patients with {len(patients.cases)} frames; a patient's index is the "
        "median over the frames, intervals are bootstraps over patients",
        "fat_auc_5 asks for 5 % or more, fat_auc_above_5 for more than 5 %: "
        f"{at_5} patients have exactly 5 %",
        "fat_interval_coverage is the share of patients inside the interval meant for "
        f"{COVERED:.0%}, fat_interval_width its mean width in percent of fat; the baseline's is "
        "the interval that holds as many of the other patients, whatever is seen",
        "the baseline is the mean echo level of the liver region (or of the picture where none is "
        "outlined), which goes with gain and scanner, fitted out of fold; beside the index alone "
        "it is that level alone",
    ]
    if len(patients.fat) == 1:
        notes.append("one patient leaves nothing to fit a baseline on")
    if patients.left_out:
        notes.append(f"frames without an index: {_counted(patients.left_out)}")
    return notes


def _intervals(fat: Floats, low: Floats, high: Floats) -> dict[str, Figure]:
    inside = ((low <= fat) & (fat <= high)).astype(float)
    return {
        "fat_interval_coverage": bootstrap(_mean, inside),
        "fat_interval_width": bootstrap(_mean, high - low),
    }


def _usual(fat: Floats, folds: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
    """(n,) ends of the interval that holds the middle ``COVERED`` of the other folds' patients."""
    low, high = np.empty(len(fat)), np.empty(len(fat))
    for held in folds:
        others = np.delete(fat, list(held))
        low[held], high[held] = np.quantile(others, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return low, high


def _above_5(fat: Floats, score: Floats) -> dict[str, Figure]:
    """The area for more than 5 % fat, as biopsy studies call a liver fatty."""
    truth, known = known_rows(np.asarray(fat > 5, dtype=np.float64), score)
    if not 0 < truth.sum() < len(truth):
        return {}
    return {"fat_auc_above_5": bootstrap(area_under_curve, truth, known)}


def _ranks(fat: Floats, score: Floats) -> dict[str, Figure]:
    """What a score says by its order alone."""
    figures = _above_5(fat, score)
    if np.isfinite(spearman(fat, score)):
        figures["fat_spearman"] = bootstrap(spearman, fat, score)
    for cutoff in (5, 10):
        truth = at_least(fat, cutoff)
        if 0 < truth.sum() < len(truth):
            figures[f"fat_auc_{cutoff}"] = bootstrap(area_under_curve, truth, score)
    return figures


def _examples(patients: IndexedPatients, estimate: Floats, options: Options) -> tuple[Example, ...]:
    """A frame of the patients that were best and worst estimated, with the regions, where these
    are outlined; a patch as it is."""
    first: dict[int, int] = {}
    for place in range(len(patients.cases)):
        first.setdefault(int(patients.owner[place]), place)
    order = sorted(first, key=lambda one: abs(float(estimate[one] - patients.fat[one])))
    half = min(EXAMPLES, len(order) // 2)
    found = []
    for owner, good in [(one, True) for one in order[:half]] + [
        (one, False) for one in order[::-1][:half]
    ]:
        case = patients.cases[first[owner]]
        outlines = [line for line in (case.liver, case.kidney) if line]
        caption = (
            f"{case.id}: index {patients.index[owner]:.2f}, {estimate[owner]:.0f} %, reference "
            f"{patients.fat[owner]:g} %"
        )
        picture = draw(options.read(case), outlines=outlines)
        # A patch of a few pixels is shown large enough to be seen.
        times = max(1, SHOWN // min(picture.shape[:2]))
        found.append(Example(caption, picture.repeat(times, axis=0).repeat(times, axis=1), good))
    return tuple(found)


def _medians(owner: npt.NDArray[np.intp], values: Sequence[float]) -> npt.NDArray[np.float64]:
    rows = np.asarray(values, dtype=np.float64)
    return np.asarray([np.median(rows[owner == one]) for one in range(int(owner.max()) + 1)])


def _mean(values: Floats) -> float:
    return float(values.mean())


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count} x {reason}" for reason, count in reasons.items())
