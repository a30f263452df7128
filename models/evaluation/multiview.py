"""What a multi-view fat bundle is worth on frames that it has not seen (paper 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image

from models.data import Case, Grey
from models.evaluation.fat import fat_charts, fat_figures
from models.evaluation.fat_baseline import baseline_estimates, beside, participant_geometry
from models.evaluation.folds import patient_folds
from models.evaluation.geometry import geometry_features
from models.evaluation.outcome import Evaluation, Example
from models.evaluation.participants import fat_of_participants, with_fat
from models.fat.multiview import ESTIMATORS, VIEWS, FatEstimate, FatReading, MultiviewFat
from models.training.options import Options

SYSTEM = "multiview-fat"
EXAMPLES = 4
_OPACITY = 0.5
_BASELINE_FOLDS = 5


@dataclass(frozen=True)
class _Frame:
    case: Case
    reading: FatReading
    geometry: npt.NDArray[np.float64]


def evaluate_readings(fat: MultiviewFat, cases: Sequence[Case], options: Options) -> Evaluation:
    """Figures per participant: the mean over the views, each estimator by itself, the composite
    model where the bundle has it, and what is left when unfamiliar frames are refused as the node
    does."""
    given, cases = len(cases), with_fat(cases)
    participants, reference, owner = fat_of_participants(cases)
    frames = [_read(fat, case, number, len(cases), options) for number, case in enumerate(cases)]
    groups = [
        [frame.reading for frame, own in zip(frames, owner, strict=True) if own == number]
        for number in range(len(participants))
    ]
    main = _rows([fat.combine(group) for group in groups])
    view = np.asarray([_estimator(frame.reading.view) for frame in frames])
    baseline = _baseline(frames, reference, owner, view, options.seed)
    familiar = [[row for row in group if row.familiar] for group in groups]
    found = {
        **{
            name: [_some(fat, [row for row in group if row.view == name]) for group in groups]
            for name in VIEWS
        },
        "unknown view": [_some(fat, [r for r in group if r.view is None]) for group in groups],
        "composite multiview": [fat.composite(group) for group in groups],
        "familiar frames only": [_some(fat, group) for group in familiar],
    }
    estimates = {name: _rows(rows) for name, rows in found.items()}
    strata = {name: fat_figures(reference, rows) for name, rows in estimates.items()}
    strata = {name: figures for name, figures in strata.items() if figures}
    return Evaluation(
        system=SYSTEM,
        bundle=fat.bundle.title,
        protocol="one bundle on unseen cases, mean over views",
        n=len(cases),
        figures=fat_figures(reference, main),
        baseline={} if baseline is None else fat_figures(reference, baseline),
        strata=strata,
        strata_baseline={}
        if baseline is None
        else {name: fat_figures(reference, beside(estimates[name], baseline)) for name in strata},
        charts=fat_charts("averaged multiview model", reference, main, baseline),
        examples=_examples(frames, options),
        notes=_notes(frames, reference, baseline, given - len(cases)),
    )


def _read(fat: MultiviewFat, case: Case, number: int, total: int, options: Options) -> _Frame:
    options.progress("frames", number + 1, total)
    image = options.read(case)
    reading = fat.read([image], [case.view])[0]
    size = (image.shape[1], image.shape[0])
    return _Frame(case, reading, geometry_features([size], [reading.window])[0])


def _estimator(view: str | None) -> int:
    return len(VIEWS) if view is None else ESTIMATORS.index(view)


def _some(fat: MultiviewFat, readings: Sequence[FatReading]) -> FatEstimate | None:
    return fat.combine(readings) if readings else None


def _rows(found: Sequence[FatEstimate | None]) -> npt.NDArray[np.float64]:
    """(p, 3), not numbers where there is no estimate."""
    nothing = (np.nan, np.nan, np.nan)
    return np.asarray(
        [nothing if row is None else (row.fat_percent, row.p_5, row.p_10) for row in found]
    )


def _baseline(
    frames: Sequence[_Frame],
    reference: npt.NDArray[np.float64],
    owner: npt.NDArray[np.intp],
    view: npt.NDArray[np.intp],
    seed: int,
) -> npt.NDArray[np.float64] | None:
    """What geometry says of these participants, fitted on the others among them."""
    count = len(reference)
    if count < 2 * _BASELINE_FOLDS:
        return None
    geometry = np.stack([frame.geometry for frame in frames])
    features = participant_geometry(geometry, owner, view, count)
    strata = [str(value >= 5) + str(value >= 10) for value in reference]
    if min(strata.count(value) for value in set(strata)) < _BASELINE_FOLDS:
        strata = ["alike"] * count
    names = [str(number) for number in range(count)]
    return baseline_estimates(
        features, reference, patient_folds(strata, names, _BASELINE_FOLDS, seed)
    )


def _notes(
    frames: Sequence[_Frame],
    reference: npt.NDArray[np.float64],
    baseline: npt.NDArray[np.float64] | None,
    left_out: int,
) -> tuple[str, ...]:
    familiar = sum(frame.reading.familiar for frame in frames)
    notes = [
        f"{len(reference)} participants; figures are per participant",
        f"{familiar} of {len(frames)} frames are like those that the bundle was fitted on; the "
        "node refuses the others, and 'familiar frames only' has the figures that are left",
        "sensitivity and specificity are those at probability 0.5",
    ]
    if left_out:
        notes.append(f"{left_out} images without a fat_percent were left out")
    unknown = sum(frame.reading.view is None for frame in frames)
    if unknown:
        notes.append(
            f"{unknown} frames were read by the estimator for any view; they count only where "
            "their participant has no frame of a known view"
        )
    for cutoff in (5, 10):
        above = int((reference >= cutoff).sum())
        if above in (0, len(reference)):
            notes.append(
                f"{above} of {len(reference)} participants have {cutoff} % fat or more: there is "
                "no area under the curve"
            )
    if baseline is None:
        notes.append(
            f"no geometry-only baseline with fewer than {2 * _BASELINE_FOLDS} participants"
        )
    return tuple(notes)


def _examples(frames: Sequence[_Frame], options: Options) -> tuple[Example, ...]:
    """The frames whose fat fraction was best and worst estimated, with their activation maps."""
    error = [abs(row.reading.fat_percent - (row.case.fat_percent or 0.0)) for row in frames]
    order = np.argsort(error, kind="stable")
    half = min(EXAMPLES, len(frames) // 2)
    chosen = [(int(place), True) for place in order[:half]]
    chosen += [(int(place), False) for place in order[::-1][:half]]
    return tuple(_example(frames[place], options, good) for place, good in chosen)


def _example(frame: _Frame, options: Options, good: bool) -> Example:
    reading, case = frame.reading, frame.case
    caption = (
        f"{case.id}, {reading.view or 'unknown view'}: {reading.fat_percent:.1f} %, reference "
        f"{case.fat_percent:g} %" + ("" if reading.familiar else "; unlike the fitted frames")
    )
    picture = draw_activation(options.read(case), reading.cam, reading.window)
    return Example(caption, picture, good)


def draw_activation(
    grey: Grey, cam: npt.NDArray[np.floating], window: tuple[int, int, int, int]
) -> npt.NDArray[np.uint8]:
    """(H, W, 3): a frame with its signed class activation map; red speaks for fat, blue against."""
    picture = Image.fromarray(grey).convert("RGB")
    x0, y0, x1, y1 = window
    small = Image.fromarray(np.asarray(cam, np.float32))
    values = np.asarray(small.resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC))
    values = np.clip(values / max(float(np.abs(cam).max()), 1e-6), -1.0, 1.0)
    colours = matplotlib.colormaps["bwr"](0.5 + 0.5 * values)[..., :3]
    over = Image.fromarray((colours * 255).astype(np.uint8))
    mask = Image.fromarray((np.abs(values) * _OPACITY * 255).astype(np.uint8))
    picture.paste(over, (x0, y0), mask)
    return np.asarray(picture)
