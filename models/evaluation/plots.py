"""Charts of an evaluation as matplotlib figures, each with a sentence that says what it shows."""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from scipy.stats import pearsonr, spearmanr

from models.evaluation.classes import confusion
from models.evaluation.curves import (
    GRID,
    calibration,
    limits_of_agreement,
    net_benefit,
    roc_with_band,
    share,
)
from models.evaluation.metrics import area_under_curve
from models.evaluation.nomogram import Nomogram
from models.evaluation.nomogram_plot import draw_nomogram
from models.evaluation.outcome import Agreement, Chart, Confusion, Distribution, Scores
from models.evaluation.style import BLUE, GREY, INK, ORANGE, legend, panels

Floats = npt.NDArray[np.floating]
Owners = npt.NDArray[np.str_] | None


@dataclass(frozen=True)
class Plot:
    """title : what kind of chart it is. says : what can be read from it, for those who do not see
    it too. figure : None where it cannot be drawn, and ``says`` says why."""

    title: str
    says: str
    figure: Figure | None


@singledispatch
def plots(chart: Chart) -> tuple[Plot, ...]:
    """What a chart is drawn as; one that holds too little gives a plot without a figure."""
    raise TypeError(f"there is no drawing of a {type(chart).__name__}")


@plots.register
def _scores(chart: Scores) -> tuple[Plot, ...]:
    known = np.isfinite(chart.truth) & np.isfinite(chart.probability)
    truth, probability = chart.truth[known], chart.probability[known]
    unknown = f" {np.count_nonzero(~known)} cases without an answer are left out."
    unknown = "" if known.all() else unknown
    if len(np.unique(truth)) < 2:
        why = f"Not drawn: the {len(truth)} cases do not hold both classes."
        return (Plot("ROC", why + unknown, None),)
    baseline = None if chart.baseline is None else chart.baseline[known]
    patients = None if chart.patients is None else np.asarray(chart.patients)[known]
    called = probability >= 0.5 if chart.called is None else chart.called[known] == 1
    from_half = " Positive is called from a probability of 0.5 on." if chart.called is None else ""
    counts = confusion(truth.astype(int), called.astype(int), 2)
    figure, says = _counted(counts, ("negative", "positive"))
    drawn = {
        "ROC": _roc(truth, probability, baseline, patients),
        "Calibration": _calibration(truth, probability, chart.prior, patients),
        "Confusion matrix": (figure, says + from_half),
        "Decision curve": _decision(truth, probability, chart.prior, patients),
    }
    return tuple(Plot(title, says + unknown, figure) for title, (figure, says) in drawn.items())


def _roc(
    truth: Floats, probability: Floats, baseline: Floats | None, patients: Owners
) -> tuple[Figure, str]:
    figure, (axes,) = panels()
    curve = roc_with_band(truth, probability, patients)
    area = area_under_curve(truth, probability)
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (1, 3)), label="chance")
    says = f"Area under the curve {area:.3f} over {len(truth)} cases"
    if baseline is not None and np.isfinite(baseline).all():
        confound = roc_with_band(truth, baseline, resamples=2)
        low = area_under_curve(truth, baseline)
        label = f"confound baseline, AUC {low:.3f}"
        axes.plot(
            confound.false_positive, confound.true_positive, c=ORANGE, ls="--", lw=1.6, label=label
        )
        says += f", of the confound baseline {low:.3f}"
    axes.fill_between(GRID, curve.low, curve.high, color=BLUE, alpha=0.18, lw=0, label="95 % band")
    axes.plot(
        curve.false_positive, curve.true_positive, c=BLUE, lw=2.2, label=f"model, AUC {area:.3f}"
    )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="1 − specificity", ylabel="sensitivity")
    legend(axes, loc="lower right", reverse=True)
    drawn = "cases" if patients is None else "patients"
    return figure, f"{says}. The band is pointwise, resampling {drawn}."


def _calibration(
    truth: Floats, probability: Floats, prior: float | None, patients: Owners
) -> tuple[Figure, str]:
    figure, (axes, below) = panels(rows=(4.5, 1))
    bins = calibration(truth, probability, prior, patients)
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (1, 3)), label="ideal")
    errors = np.maximum(0, [bins.observed - bins.low, bins.high - bins.observed])
    axes.errorbar(
        bins.predicted, bins.observed, errors, color=BLUE, marker="o", ms=6, lw=2, elinewidth=1.4,
        capsize=3, label="model, 95 % intervals",
    )  # fmt: skip
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02), ylabel="observed share")
    legend(axes, loc="upper left")
    edges = np.linspace(0, 1, 21)
    heights = [np.histogram(probability[truth == kind], edges)[0] for kind in (1, 0)]
    top = max(1, max(int(height.max()) for height in heights))
    for height, sign, colour in zip(heights, (1, -1), (BLUE, ORANGE), strict=True):
        below.bar(edges[:-1], sign * height, width=0.045, align="edge", color=colour, lw=0)
    below.axhline(0, color=GREY, lw=0.8)
    below.set(xlim=(-0.01, 1.01), ylim=(-1.1 * top, 1.1 * top), xlabel="predicted probability")
    below.set_yticks([top / 2, -top / 2], ["positive", "negative"])
    below.tick_params(axis="y", length=0)
    axes.tick_params(labelbottom=False)
    below.grid(visible=False)
    says = f"Cases in {len(bins.count)} bins of about {round(float(bins.count.mean()))}. "
    return figure, says + _reckoned(truth, prior)


def _decision(
    truth: Floats, probability: Floats, prior: float | None, patients: Owners
) -> tuple[Figure, str]:
    figure, (axes,) = panels()
    curve = net_benefit(truth, probability, prior, patients)
    reckoned = share(truth, prior)
    axes.fill_between(curve.thresholds, curve.low, curve.high, color=BLUE, alpha=0.18, lw=0)
    axes.plot(curve.thresholds, curve.model, color=BLUE, lw=2.2, label="model, 95 % band")
    axes.plot(curve.thresholds, curve.treat_all, c=ORANGE, ls="--", lw=1.6, label="treat all")
    axes.axhline(0, color=INK, lw=1.2, ls=(0, (4, 2, 1, 2)), label="treat none")
    axes.set(xlim=(0, 1), ylim=(-0.12 * reckoned, 1.18 * reckoned))
    axes.set(xlabel="threshold probability", ylabel="net benefit")
    legend(axes, loc="upper right", ncols=3, columnspacing=1.2)
    better = (curve.low > np.maximum(curve.treat_all, 0)).nonzero()[0]
    says = "Nowhere shown to be better than treating all or none"
    if better.size:
        first, last = curve.thresholds[better[[0, -1]]]
        says = f"Better than treating all or none between thresholds {first:.2f} and {last:.2f}"
        says += ", not everywhere between" if better.size < better[-1] - better[0] + 1 else ""
    return figure, f"{says} (by the lower end of the band). {_reckoned(truth, prior)}"


def _reckoned(truth: Floats, prior: float | None) -> str:
    among = f"{100 * np.mean(truth):.0f} % of the cases are positive"
    if prior is None:
        return f"As many positive as in the data: {among}."
    return f"Weighed as if {100 * prior:.0f} % were positive, as the model was calibrated; {among}."


@plots.register
def _confusion(chart: Confusion) -> tuple[Plot, ...]:
    counts = np.asarray(chart.counts)
    if not counts.sum():
        return (Plot("Confusion matrix", "Not drawn: there is no case.", None),)
    figure, says = _counted(counts, chart.classes)
    return (Plot("Confusion matrix", says, figure),)


def _counted(counts: npt.NDArray[np.integer], classes: tuple[str, ...]) -> tuple[Figure, str]:
    total, right = int(counts.sum()), int(np.trace(counts))
    size = 1.8 + 0.8 * len(classes)
    figure, (axes,) = panels(width=size + 1.0, height=size)
    of_class = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(of_class, 1)
    axes.imshow(shares, cmap=_light_blues(), vmin=0, vmax=1)
    places = range(len(classes))
    for row in places:
        for column in places:
            text = f"{counts[row, column]}"
            text += f"\n{100 * shares[row, column]:.0f} %" if of_class[row, 0] else ""
            colour = "white" if shares[row, column] > 0.6 else INK
            weight = "bold" if row == column else "normal"
            axes.text(
                column, row, text, ha="center", va="center", c=colour, weight=weight, size=10.5
            )
    names = [name.replace(" ", "\n", 1) for name in classes]
    turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if len(names) > 3 else {}
    axes.set_xticks(places, classes if turned else names, **turned)
    axes.set_yticks(places, names)
    axes.set(xlabel="called", ylabel="true")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    says = f"{right} of {total} cases were called right ({100 * right / total:.1f} %). "
    says += "Percentages are of each true class, row by row."
    return figure, says


def _light_blues() -> Any:
    """From white to the house's blue, evenly in lightness."""
    return LinearSegmentedColormap.from_list("share", ["#F7FAFD", BLUE])


@plots.register
def _agreement(chart: Agreement) -> tuple[Plot, ...]:
    known = np.isfinite(chart.reference) & np.isfinite(chart.estimate)
    reference, estimate = chart.reference[known], chart.estimate[known]
    if len(reference) < 3:
        why = f"Not drawn: {len(reference)} cases are too few."
        return (Plot("Agreement", why, None),)
    figure, (scatter, bland) = panels(columns=(1, 1), width=10.4, height=4.4)
    ends = float(min(reference.min(), estimate.min())), float(max(reference.max(), estimate.max()))
    room = 0.05 * ((ends[1] - ends[0]) or 1.0)
    ends = (ends[0] - room, ends[1] + room)
    scatter.plot(ends, ends, color=GREY, lw=1, ls=(0, (1, 3)))
    _points(scatter, reference, estimate)
    scatter.set(xlim=ends, ylim=ends, aspect="equal")
    scatter.set(xlabel=f"reference ({chart.unit})", ylabel=f"estimate ({chart.unit})")
    says = f"{len(reference)} cases. {_correlations(reference, estimate)}"
    agree = limits_of_agreement(reference, estimate)
    _points(bland, (reference + estimate) / 2, estimate - reference)
    bland.axhline(0, color=GREY, lw=1, ls=(0, (1, 3)))
    for level, name, colour, dash in (
        (agree.upper, "+1.96 SD", ORANGE, "--"),
        (agree.bias, "bias", BLUE, "-"),
        (agree.lower, "−1.96 SD", ORANGE, "--"),
    ):
        bland.axhspan(level.low, level.high, color=colour, alpha=0.12, lw=0)
        bland.axhline(level.value, color=colour, lw=1.6, ls=dash)
        bland.annotate(
            f"{name}\n{_signed(level.value)}", (1.01, level.value), c=colour, va="center", size=10,
            xycoords=("axes fraction", "data"), annotation_clip=False,
        )  # fmt: skip
    bland.set(xlabel=f"mean of both ({chart.unit})")
    bland.set(ylabel=f"estimate − reference ({chart.unit})")
    bias, lower, upper = agree.bias, agree.lower, agree.upper
    says += (
        f" Bias {_signed(bias.value)} {chart.unit} ({_signed(bias.low)} to {_signed(bias.high)}), "
        f"limits of agreement {_signed(lower.value)} to {_signed(upper.value)}; shaded: their "
        "95 % intervals."
    )
    return (Plot("Agreement with the reference, and after Bland and Altman", says, figure),)


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")


def _correlations(reference: Floats, estimate: Floats) -> str:
    if np.ptp(reference) == 0 or np.ptp(estimate) == 0:
        return "No correlation: one of both does not vary."
    ranks, linear = spearmanr(reference, estimate), pearsonr(reference, estimate)
    return f"Spearman {ranks.statistic:.2f}, Pearson {linear.statistic:.2f}."


def _points(axes: Any, x: Floats, y: Floats) -> None:
    alpha = 0.7 if len(x) <= 200 else 0.35
    axes.plot(x, y, "o", ms=5, mfc=BLUE, mec="white", mew=0.5, alpha=alpha, ls="none")


@plots.register
def _distribution(chart: Distribution) -> tuple[Plot, ...]:
    values = {name: row[np.isfinite(row)] for name, row in chart.values.items()}
    values = {name: row for name, row in values.items() if len(row)}
    if not values:
        return (Plot("Distribution", "Not drawn: there is no value.", None),)
    figure, (axes,) = panels(width=6.4, height=1.5 + 0.7 * len(values))
    generator = np.random.default_rng(0)  # the jitter is the same in every drawing
    for place, row in enumerate(values.values()):
        jitter = place + generator.uniform(-0.2, 0.2, len(row))
        alpha = 0.45 if len(row) <= 200 else 0.2
        axes.plot(row, jitter, "o", ms=3.6, mfc=BLUE, mec="none", alpha=alpha, ls="none")
    axes.boxplot(
        list(values.values()), positions=range(len(values)), orientation="horizontal", widths=0.5,
        showfliers=False, boxprops={"color": INK, "lw": 1.3}, whiskerprops={"color": INK},
        capprops={"color": INK}, medianprops={"color": ORANGE, "lw": 2.4},
    )  # fmt: skip
    axes.set_yticks(range(len(values)), list(values))
    axes.set(ylim=(len(values) - 0.4, -0.6), xlabel=chart.unit)
    axes.grid(axis="y", visible=False)
    medians = (f"{name} {np.median(row):.3g} (n {len(row)})" for name, row in values.items())
    says = f"Medians: {', '.join(medians)}. Boxes hold the middle half, whiskers reach 1.5 times it"
    return (Plot("Distribution", says + ".", figure),)


@plots.register
def _nomogram(chart: Nomogram) -> tuple[Plot, ...]:
    says = "The points above each factor's value add up to the total, which stands above the "
    says += f"probability of {chart.outcome}. {chart.note}".rstrip()
    return (Plot("Nomogram", says, draw_nomogram(chart)),)
