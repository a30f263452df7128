"""The protocol of paper 5 (Byra et al. 2021): liver fat from four views on frozen features.

Per view an L1 logistic regression for each cut-off and a Lasso for the fat fraction, tuned by an
inner stratified four-fold grid search; judged by leaving participants out. About 0.1 s a frame for
the features and half a minute a fold of 135 participants, on one core.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.parallel import Parallel, delayed

from models.backbones import imagenet_backbone
from models.bundle import Bundle
from models.data import Case
from models.errors import TrainingError
from models.evaluation.fat import fat_charts, fat_figures, meng_test
from models.evaluation.fat_baseline import baseline_estimates, beside, participant_geometry
from models.evaluation.folds import patient_folds
from models.evaluation.metrics import Figure
from models.evaluation.multiview import EXAMPLES, SYSTEM, evaluate_readings
from models.evaluation.outcome import Evaluation, Example
from models.evaluation.participants import with_fat
from models.evaluation.picture import draw
from models.fat.multiview import ESTIMATORS, VIEWS, MultiviewFat
from models.training.card import write_bundle
from models.training.multiview.card import multiview_card
from models.training.multiview.frames import FatFrames, fat_frames
from models.training.multiview.heads import fat_strata
from models.training.multiview.model import (
    COMPOSITE,
    MULTIVIEW,
    ROWS,
    FatHeads,
    estimates,
    fit_heads,
    fit_scope,
)
from models.training.options import Options
from models.training.whole import written_whole

BUNDLE = "fat-multiview"
BACKBONE = "efficientnet_lite0"

LEAVE_ONE_OUT = 150
"""Up to so many participants each is left out alone, as in the paper (135); above, tenths are."""

Floats = npt.NDArray[np.floating]


def train(cases: Sequence[Case], options: Options) -> Path:
    """Fits heads and scope on all cases and writes the bundle ``options.out / 'fat-multiview'``.

    Figures come from ``cross_validate``'s protocol unless ``options.folds`` is 0.
    """
    name = options.backbone or BACKBONE
    cases = with_fat(cases)
    frames = _frames(cases, options)
    evaluation = None if options.folds == 0 else _evaluation(frames, cases, options)
    options.progress("heads", 0, 1)
    heads = fit_heads(frames)
    scope = fit_scope(frames)
    options.progress("heads", 1, 1)
    fitted = _head_tensors(heads) | scope.tensors()
    card = multiview_card(name, cases, heads, evaluation, options)
    network = imagenet_backbone(name, options.init).state_dict()
    full = frozenset(fitted)
    return write_bundle(options.out / BUNDLE, {**network, **fitted}, card, full=full).folder


def evaluate(bundle: Bundle, cases: Sequence[Case], options: Options) -> Evaluation:
    """What a bundle says of cases that it has not seen."""
    return evaluate_readings(MultiviewFat.load(bundle, options.device), cases, options)


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """Leave-one-participant-out, or ``options.repeats`` x ``options.folds``-fold by participant,
    with the grid search inside."""
    if options.folds == 0:
        raise TrainingError("cross-validation needs folds; give 2 or more, or leave them out")
    cases = with_fat(cases)
    return _evaluation(_frames(cases, options), cases, options)


def _frames(cases: Sequence[Case], options: Options) -> FatFrames:
    """Those of the cases, and after them those that are only learned from."""
    if {case.patient for case in cases} & {case.patient for case in options.extra}:
        raise TrainingError(
            "a patient is among the cases and among the extra ones; name them apart"
        )
    extra = with_fat(options.extra) if options.extra else []
    return fat_frames([*cases, *extra], options, options.backbone or BACKBONE)


def _evaluation(frames: FatFrames, cases: Sequence[Case], options: Options) -> Evaluation:
    judged = np.arange(len({case.patient for case in cases}))
    own = frames.of(judged)
    rounds, words = _rounds(own, options)
    everything = _out_of_fold(frames, rounds, options)
    geometry = participant_geometry(own.geometry, own.owner, own.view, len(judged))
    baseline = np.stack([baseline_estimates(geometry, own.fat, row) for row in rounds])
    main = everything[MULTIVIEW]
    return Evaluation(
        system=SYSTEM,
        bundle=None,
        protocol=f"{words}, inner stratified four-fold grid search, {options.backbone or BACKBONE}",
        n=len(cases),
        figures=fat_figures(own.fat, main),
        baseline=fat_figures(own.fat, baseline),
        strata=_strata(own.fat, everything),
        strata_baseline=_strata(
            own.fat, {name: beside(rows, baseline) for name, rows in everything.items()}
        ),
        charts=(
            *fat_charts("averaged multiview model", own.fat, main[0], baseline[0]),
            *fat_charts("composite multiview model", own.fat, everything[COMPOSITE][0])[:1],
        ),
        examples=_examples(own, cases, main[0][:, 0], options),
        notes=_notes(own, everything),
    )


def _examples(
    frames: FatFrames, cases: Sequence[Case], estimate: Floats, options: Options
) -> tuple[Example, ...]:
    """The first frame of the participants who were best and worst estimated by heads that did not
    see them; cases : those of ``frames``, in order."""
    _, first = np.unique(frames.owner, return_index=True)
    error = np.abs(estimate - frames.fat)
    order = [int(one) for one in np.argsort(error, kind="stable") if np.isfinite(error[one])]
    half = min(EXAMPLES, len(order) // 2)
    chosen = [(one, True) for one in order[:half]] + [(one, False) for one in order[::-1][:half]]
    return tuple(
        Example(
            f"{cases[first[one]].id}: {estimate[one]:.1f} % over the participant's views, "
            f"reference {frames.fat[one]:g} %",
            draw(options.read(cases[first[one]])),
            good,
        )
        for one, good in chosen
    )


def _rounds(frames: FatFrames, options: Options) -> tuple[list[list[list[int]]], str]:
    """The held-out participants of each fold of each repetition, and what to call it."""
    count = len(frames.participants)
    folds = options.folds or (count if count <= LEAVE_ONE_OUT else 10)
    if folds < 2:
        raise TrainingError(f"{folds} fold leaves nothing to fit on; give 2 or more")
    if folds >= count:
        return [[[index] for index in range(count)]], "leave one participant out"
    strata = [str(value) for value in fat_strata(frames.fat, folds)]
    rounds = [
        patient_folds(strata, frames.participants, folds, options.seed + number)
        for number in range(options.repeats)
    ]
    times = f"{options.repeats} x " if options.repeats > 1 else ""
    return rounds, f"{times}{folds}-fold by participant"


def _out_of_fold(
    frames: FatFrames, rounds: Sequence[Sequence[Sequence[int]]], options: Options
) -> dict[str, npt.NDArray[np.float64]]:
    """``multiview_model.estimates`` of each participant by heads that did not see it, (r, p, 3) of
    r repetitions. Folds are fitted side by side, ``options.workers`` at a time, and kept."""
    states = options.out / "states"
    states.mkdir(parents=True, exist_ok=True)
    content = hashlib.sha256(frames.features.tobytes() + frames.fat.tobytes())
    content.update(repr((frames.participants, frames.owner.tolist())).encode())
    tasks = [
        (number, np.asarray(held), states / f"fold-{_digest(content.hexdigest(), held)}.npz")
        for number, folds in enumerate(rounds)
        for held in folds
    ]
    collected = np.full((len(rounds), len(ROWS), sum(map(len, rounds[0])), 3), np.nan)
    run = Parallel(n_jobs=max(1, options.workers or 1), return_as="generator")
    jobs = (delayed(_fold)(frames, held, file) for _, held, file in tasks)
    for done, ((number, held, _), found) in enumerate(zip(tasks, run(jobs), strict=True), start=1):
        collected[number][:, held] = found
        options.progress("folds", done, len(tasks))
    return dict(zip(ROWS, collected.swapaxes(0, 1), strict=True))


def _fold(frames: FatFrames, held: npt.NDArray[np.intp], file: Path) -> npt.NDArray[np.float64]:
    """(rows, held, 3) estimates of the held-out participants; read from the file where there is
    one."""
    if not file.exists():
        train = np.setdiff1d(np.arange(len(frames.participants)), held)
        found = estimates(fit_heads(frames.of(train)), frames.of(held))
        with written_whole(file) as fresh:
            np.savez(fresh, estimates=np.stack([found[name] for name in ROWS]))
    with np.load(file, allow_pickle=False) as saved:
        return np.asarray(saved["estimates"])


def _strata(
    fat: Floats, everything: Mapping[str, npt.NDArray[np.float64]]
) -> dict[str, Mapping[str, Figure]]:
    """Figures of each estimator by itself, where it has estimates."""
    named = {**{view: view for view in ESTIMATORS}, COMPOSITE: "composite multiview"}
    rows = {title: fat_figures(fat, everything[key]) for key, title in named.items()}
    return {title: figures for title, figures in rows.items() if figures}


def _notes(frames: FatFrames, everything: Mapping[str, npt.NDArray[np.float64]]) -> tuple[str, ...]:
    notes = [
        f"{len(frames.participants)} participants with {len(frames.view)} frames; figures are per "
        "participant, intervals are bootstraps over participants",
        "sensitivity and specificity are those at probability 0.5; the paper takes the point of "
        "the same ROC curve nearest the upper left corner",
    ]
    unknown = int((frames.view == len(VIEWS)).sum())
    if unknown:
        notes.append(f"{unknown} frames of unknown view were read by the estimator for any view")
    if len(everything[MULTIVIEW]) > 1:
        notes.append("figures are means over the repetitions; charts and tests are of the first")
    ours = everything[MULTIVIEW][0, :, 0]
    for name in (*VIEWS, COMPOSITE):
        other = everything[name][0, :, 0]
        both = np.isfinite(ours) & np.isfinite(other)
        z, p = meng_test(frames.fat[both], ours[both], other[both])
        if np.isfinite(z):
            notes.append(
                f"averaged multiview against {name}, Spearman: Meng's z {z:.2f}, p {p:.3f}"
            )
    return tuple(notes)


def _head_tensors(heads: FatHeads) -> dict[str, torch.Tensor]:
    rows = list(heads.single.values())
    tensors = {
        "heads.weight": _tensor([[head.weight for head in row] for row in rows]),
        "heads.bias": _tensor([[head.bias for head in row] for row in rows]),
    }
    if heads.composite is not None:
        tensors["composite.weight"] = _tensor([head.weight for head in heads.composite])
        tensors["composite.bias"] = _tensor([head.bias for head in heads.composite])
    return tensors


def _tensor(values: Sequence[object]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _digest(content: str, held: Sequence[int]) -> str:
    return hashlib.sha256(f"{content} {list(held)}".encode()).hexdigest()[:16]
