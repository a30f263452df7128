"""The whole way from a frame to its findings, cross-validated: the protocol ``findings``.

The node asks the detector (paper 1) whether there is a lesion, the map of masses where, and the
joint system (paper 4) for its outline. What each is worth alone does not say what they are worth
together. Here all three learn from the same patients, and read the others as the node does.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from models.data import Case
from models.errors import TrainingError
from models.evaluation.folds import case_folds
from models.evaluation.metrics import youden_threshold
from models.evaluation.outcome import Evaluation
from models.images.overlap import Mask
from models.lesion.clicks import Prompt
from models.lesion.proposals import is_same, over_image, propose
from models.training import attention, fan_liver, joint
from models.training.fan_liver.assessment import best_level, find
from models.training.findings.figures import Read, clipped_logit, evaluation_of, read_of
from models.training.options import Options, fold_count

FOLDS = 3


def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
    """What the node would find in each case, by systems that learned from none of its patient's.

    ``options.out`` holds a run folder of each system, by its name: fits that lie there already are
    taken as they are. The detector's threshold and the map's level come from the other folds.
    """
    missing = [case.id for case in cases if "lesion" not in case.labels]
    if missing or not any(case.masses for case in cases):
        wrong = f"{', '.join(missing[:5])} do not say" if missing else "no mass is outlined"
        raise TrainingError(
            "findings need outlined masses, and of every image whether it has a lesion (column "
            f"class or lesion): {wrong}"
        )
    folds = case_folds(cases, fold_count(options, FOLDS, fewest=2), options.seed)
    detector = attention.held_out_readings(cases, _within(options, "attention"))
    truth = np.array([float(case.labels["lesion"]) for case in cases])
    score = detector.logits[:, detector.labels.index("lesion")]
    readers = list(fan_liver.fold_readers(cases, _within(options, "fan-liver")))
    segmenters = list(joint.fold_segmenters(cases, _within(options, "joint")))
    maps = {
        place: row
        for fold in readers
        for place, row in zip(
            fold.held, find(fold.reader, cases, fold.held, fold.shapes, options), strict=True
        )
    }
    read: dict[int, Read] = {}
    for held, fold, segmenter in zip(folds, readers, segmenters, strict=True):
        others = sorted(set(range(len(cases))) - set(held))
        threshold = youden_threshold(truth[others], score[others])
        level = best_level([maps[place] for place in others])
        for number, place in enumerate(held):
            if number % 20 == 0:
                options.progress("frames outlined", number, len(held))
            grey = options.read(cases[place])
            (anatomy,) = fold.reader.read([grey])
            shape = (grey.shape[0], grey.shape[1])
            heat = over_image(detector.attention[place], detector.windows[place], shape)
            said = dict(zip(detector.labels, detector.logits[place].tolist(), strict=True))
            assert anatomy.mass is not None  # some case has a mass, so that there is a map
            proposals = propose(anatomy.mass, anatomy.tissue(shape), heat, level)
            prompts = [Prompt(box=one.box) for one in proposals.kept]
            outlined = segmenter.read_all(grey, prompts) if prompts else []
            read[place] = read_of(
                cases[place],
                shape,
                _distinct(one.mask for one in outlined),
                suspected=bool(score[place] >= threshold),
                map_alone=maps[place][level],
                logits={
                    "lesion": (said["lesion"], clipped_logit(maps[place][level].lesion)),
                    "malignant": (
                        said.get("malignant", math.nan),
                        clipped_logit(maps[place][level].malignant),
                        outlined[0].logits.get("malignant", math.nan) if outlined else math.nan,
                    ),
                },
            )
    protocol = (
        f"detector, map of masses and outlines together; 1 x {len(folds)}-fold cross-validation by "
        "patient"
    )
    return evaluation_of(cases, [read[place] for place in range(len(cases))], folds, protocol)


def _distinct(masks: Iterable[Mask | None]) -> list[Mask]:
    """Those that show something, each lesion once, as the node reports them."""
    kept: list[Mask] = []
    for mask in masks:
        if mask is not None and mask.any() and not any(is_same(mask, one) for one in kept):
            kept.append(mask)
    return kept


def _within(options: Options, name: str) -> Options:
    out = options.out / name
    out.mkdir(parents=True, exist_ok=True)
    return replace(options, out=out)
