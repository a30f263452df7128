"""What the gate is worth, beside what image size and fan geometry alone would refuse."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.data import Case
from models.evaluation.geometry import geometry_scores
from models.evaluation.metrics import Figure, area_under_curve, bootstrap
from models.evaluation.outcome import Distribution, Evaluation, Example
from models.evaluation.picture import draw
from models.training.gate.fit import refusals
from models.training.gate.samples import GateSamples
from models.training.options import Options

SYSTEM = "gate"
EXAMPLES = 4
_SHOWN = 20

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """scores : (own,) of each image, larger is more foreign. refused : (own,). limit : over all."""

    scores: Floats
    refused: npt.NDArray[np.bool_]
    limit: float


@dataclass(frozen=True)
class _Subjects:
    """s patients and foreign subjects. kinds : '' for a liver. hardest : (s,) the score of the
    image that the gate judges worst: a liver's largest, a foreign subject's smallest. passed :
    (s,) 1 where every image of a liver was let through, or any image of what is foreign."""

    kinds: npt.NDArray[np.str_]
    hardest: Floats
    passed: Floats

    def figures(self) -> dict[str, Figure]:
        """Of all, and of the foreign images that are none of simulation or drawing."""
        foreign = self.kinds != ""
        found = {"false_refusals": self._refused(~foreign)} | self.of_foreign(foreign)
        real = foreign & np.array(["(" not in kind for kind in self.kinds])
        if real.any():  # without any there is nothing to draw a bootstrap from
            apart = self.of_foreign(real)
            found |= {f"{name}_real_images": figure for name, figure in apart.items()}
        return found

    def of_foreign(self, chosen: npt.NDArray[np.bool_]) -> dict[str, Figure]:
        """The livers against the chosen foreign subjects."""
        kept = chosen | (self.kinds == "")
        truth = (self.kinds != "").astype(np.float64)
        return {
            "gate_auroc": bootstrap(area_under_curve, truth[kept], self.hardest[kept]),
            "foreign_refused": self._refused(chosen),
        }

    def _refused(self, chosen: npt.NDArray[np.bool_]) -> Figure:
        """The share of subjects that were refused: for what is foreign, with every image."""
        return bootstrap(_mean, 1.0 - self.passed[chosen])


def evaluation_of(
    samples: GateSamples,
    judged: Judged,
    folds: Sequence[Sequence[int]],
    cases: Sequence[Case],
    options: Options,
    *,
    bundle: str | None,
    protocol: str,
    known: tuple[Judged, Sequence[Sequence[int]]] | None = None,
) -> Evaluation:
    """Figures per patient and foreign subject, charts and examples.

    folds : held-out places, the baseline's too. known : the same images judged by heads that knew
    their kind from other subjects, and the folds of that.
    """
    names = sorted(set(samples.kinds[: samples.own]) - {""})
    subjects = _subjects(samples, judged.scores, judged.refused)
    geometry = _by_geometry(samples, folds)
    figures, baseline = subjects.figures(), geometry.figures()
    if known is not None:
        again = _subjects(samples, known[0].scores, known[0].refused).figures()
        other = _by_geometry(samples, known[1]).figures()
        figures |= {f"{name}_known_kinds": figure for name, figure in again.items()}
        baseline |= {f"{name}_known_kinds": figure for name, figure in other.items()}
    return Evaluation(
        system=SYSTEM,
        bundle=bundle,
        protocol=protocol,
        n=samples.own,
        figures=figures,
        baseline=baseline,
        strata={name: subjects.of_foreign(subjects.kinds == name) for name in names},
        strata_baseline={name: geometry.of_foreign(geometry.kinds == name) for name in names},
        charts=(_distribution(samples, judged),),
        examples=_examples(samples, judged, cases, options),
        notes=_notes(samples, judged),
    )


def _by_geometry(samples: GateSamples, folds: Sequence[Sequence[int]]) -> _Subjects:
    """What image size and fan crop would refuse, as many livers being let through."""
    foreign = samples.foreign[: samples.own]
    scores = geometry_scores(samples.geometry[: samples.own], foreign.astype(np.float64), folds)
    return _subjects(samples, scores, refusals(scores, foreign, folds))


def _subjects(samples: GateSamples, scores: Floats, refused: npt.NDArray[np.bool_]) -> _Subjects:
    places: dict[tuple[str, str], list[int]] = {}
    owners = zip(samples.kinds[: samples.own], samples.patients, strict=False)
    for place, owner in enumerate(owners):
        places.setdefault(owner, []).append(place)
    hardest = [
        scores[own].min() if kind else scores[own].max() for (kind, _), own in places.items()
    ]
    passed = [
        float((~refused[own]).any() if kind else (~refused[own]).all())
        for (kind, _), own in places.items()
    ]
    kinds = np.array([kind for kind, _ in places])
    return _Subjects(kinds, np.asarray(hardest), np.asarray(passed))


def _distribution(samples: GateSamples, judged: Judged) -> Distribution:
    kinds = np.array(samples.kinds[: samples.own])
    values = {kind or "liver": judged.scores[kinds == kind] for kind in sorted(set(kinds.tolist()))}
    return Distribution("Score by kind", "score", values)


def _notes(samples: GateSamples, judged: Judged) -> tuple[str, ...]:
    foreign = samples.foreign[: samples.own]
    livers = len({p for p, k in zip(samples.patients, samples.kinds, strict=True) if not k})
    wrong = [samples.ids[p] for p in np.flatnonzero(judged.refused & ~foreign)]
    passed = [samples.ids[p] for p in np.flatnonzero(~judged.refused & foreign)]
    return (
        f"{int((~foreign).sum())} images of livers and {int(foreign.sum())} of "
        f"{len(set(samples.kinds) - {''})} other kinds count; {livers} patients with a liver are "
        "learned from in all",
        "figures are per patient and foreign subject: of several images the one that the gate "
        "judges worst; intervals are bootstraps over them",
        f"limit {judged.limit:.3f}",
        f"livers refused: {_listed(wrong)}",
        f"foreign images let through: {_listed(passed)}",
        "baseline: logistic regression on image size and fan crop, same folds, its limit set "
        "by the livers of the other folds as the gate's is",
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more


def _examples(
    samples: GateSamples, judged: Judged, cases: Sequence[Case], options: Options
) -> tuple[Example, ...]:
    """Foreign images that look least and livers that look most foreign, and the reverse."""
    foreign = samples.foreign[: samples.own]
    error = np.where(foreign, -judged.scores, judged.scores)
    order = np.argsort(error, kind="stable")
    half = min(EXAMPLES, len(order) // 2)
    chosen = [(int(place), True) for place in order[:half]]
    chosen += [(int(place), False) for place in order[::-1][:half]]
    return tuple(
        Example(
            f"{cases[place].id}, {cases[place].kind or 'liver'}: score {judged.scores[place]:.2f}",
            draw(options.read(cases[place])),
            good,
        )
        for place, good in chosen
    )


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean())
