"""An evaluation becomes numbers, pictures and one page that needs nothing else."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from models.evaluation.curves import (
    GRID,
    calibration,
    limits_of_agreement,
    net_benefit,
    roc_with_band,
)
from models.evaluation.metrics import Figure
from models.evaluation.nomogram import Nomogram, Scale
from models.evaluation.outcome import (
    Agreement,
    Chart,
    Confusion,
    Distribution,
    Evaluation,
    Example,
    Scores,
)
from models.evaluation.page import figure_title, write_page
from models.evaluation.plots import plots
from models.evaluation.robustness import Shift
from models.training.curves import draw_curves


def question(count: int = 200, share: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    truth = (generator.random(count) < share).astype(float)
    return truth, 1 / (1 + np.exp(1 - 2 * truth - generator.normal(size=count)))


def evaluation(*charts: Chart, **given: object) -> Evaluation:
    fields: dict[str, object] = {
        "system": "attention",
        "bundle": "own 1.0.0 (0123456789ab)",
        "protocol": "held out",
        "n": 200,
        "figures": {"detection_auc": Figure(0.9, 0.85, 0.94, 200), "bias": Figure(-3, -4, -2, 9)},
        "baseline": {"detection_auc": Figure(0.8, 0.7, 0.9, 200)},
    }
    return Evaluation(**(fields | given), charts=charts)  # type: ignore[arg-type]


class Page(HTMLParser):
    """What a page shows, and what it would load."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.sources: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        assert tag != "img" or dict(attrs).get("alt")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_band_holds_its_curve_and_narrows_with_cases() -> None:
    truth, score = question()
    curve = roc_with_band(truth, score, resamples=200)
    along = np.interp(GRID, curve.false_positive, curve.true_positive)
    inside = (curve.low - 0.02 <= along) & (along <= curve.high + 0.02)
    assert inside.mean() > 0.95
    area = np.trapezoid(curve.true_positive, curve.false_positive)
    assert area == pytest.approx(roc_auc_score(truth, score))
    many = roc_with_band(*question(2000), resamples=200)
    assert (many.high - many.low).mean() < 0.6 * (curve.high - curve.low).mean()


def test_bands_resample_patients_whose_cases_are_alike() -> None:
    """Each case four times over tells no more than once."""
    truth, score = question()
    patients = [str(number) for number in range(len(truth))] * 4
    once, four = (truth, score), (np.tile(truth, 4), np.tile(score, 4))

    def width(*columns: np.ndarray, patients: list[str] | None = None) -> tuple[float, ...]:
        curve = roc_with_band(*columns, patients, resamples=200)
        benefit = net_benefit(*columns, patients=patients, resamples=200)
        bins = calibration(*columns, patients=patients)
        return tuple(float((band.high - band.low).mean()) for band in (curve, benefit, bins))

    assert width(*four, patients=patients) == pytest.approx(width(*once), rel=0.15)
    assert max(width(*four)) < 0.7 * max(width(*once))


def test_calls_are_counted_as_they_were_made() -> None:
    truth, probability = question()
    called = np.zeros(len(truth))
    own, half = (
        next(plot for plot in plots(chart) if plot.title == "Confusion matrix").says
        for chart in (
            Scores("Detection", truth, probability, called=called),
            Scores("Detection", truth, probability),
        )
    )
    assert own.startswith(f"{int((truth == 0).sum())} of 200 cases were called right")
    right = int(((probability >= 0.5) == (truth == 1)).sum())
    assert half.startswith(f"{right} of 200 cases were called right")
    assert "from a probability of 0.5 on" in half


def test_net_benefit_is_that_of_vickers_and_elkin() -> None:
    truth = np.array([1.0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    probability = np.array([0.9, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1])
    found = net_benefit(truth, probability, resamples=20)
    at = int(np.flatnonzero(np.isclose(found.thresholds, 0.2))[0])
    # 3 of 10 found, 1 of 10 treated for nothing at odds of 0.2 / 0.8
    assert found.model[at] == pytest.approx(0.3 - 0.1 * 0.25)
    assert found.treat_all[at] == pytest.approx(0.4 - 0.6 * 0.25)
    equal = net_benefit(truth, probability, prior=0.5, resamples=20)
    assert equal.model[at] == pytest.approx(0.5 * 3 / 4 - 0.5 / 6 * 0.25)


def test_calibration_counts_both_classes_as_the_prior_says() -> None:
    truth = np.array([1.0] * 15 + [0.0] * 5)
    probability = np.full(20, 0.5)
    plain = calibration(truth, probability)
    assert plain.observed.tolist() == [0.75]
    assert plain.low[0] < 0.75 < plain.high[0]
    assert plain.count.tolist() == [20]
    equal = calibration(truth, probability, prior=0.5)
    assert equal.observed.tolist() == [pytest.approx(0.5)]
    # Wilson's limits for 15 of 20 are 0.5313 and 0.8881; their odds are divided by 3
    assert plain.low[0] == pytest.approx(0.5313, abs=1e-4)
    assert equal.low[0] == pytest.approx(0.5313 / (0.5313 + 3 * (1 - 0.5313)), abs=1e-4)


def test_perfectly_calibrated_answers_lie_on_the_diagonal() -> None:
    generator = np.random.default_rng(0)
    probability = generator.random(20000)
    truth = (generator.random(20000) < probability).astype(float)
    found = calibration(truth, probability)
    assert len(found.count) == 10
    assert np.abs(found.observed - found.predicted).max() < 0.04


def test_limits_of_agreement_are_those_of_bland_and_altman() -> None:
    found = limits_of_agreement(np.zeros(4), np.array([1.0, 2, 3, 4]))
    deviation = np.sqrt(5 / 3)
    assert found.bias.value == pytest.approx(2.5)
    assert found.upper.value == pytest.approx(2.5 + 1.96 * deviation)
    margin = 3.182446 * deviation * np.sqrt(3 / 4)  # Student's t for 3 degrees of freedom
    assert found.lower.low == pytest.approx(2.5 - 1.96 * deviation - margin, abs=1e-5)


def test_a_page_needs_no_scripts_and_no_network(tmp_path: Path) -> None:
    truth, probability = question()
    picture = np.zeros((40, 60, 3), np.uint8)
    found = evaluation(
        Scores("Detection", truth, probability, baseline=probability[::-1]),
        Confusion("Kinds", ("cyst", "haemangioma"), np.array([[3, 1], [0, 0]])),
        Agreement("Fat", "%", np.arange(9.0), np.arange(9.0)[::-1]),
        Distribution("Overlap", "Jaccard index", {"box": probability, "nothing": np.array([])}),
        Nomogram("malignancy", 0.0, (Scale("age", 0.1, 20, 80, ((20, "20"), (80, "80"))),)),
        examples=(Example("the best", picture, True), Example("the worst", picture, False)),
        strata={
            "small": {"detection_auc": Figure(0.7, 0.6, 0.8, 30)},
            "middling": {"detection_auc": Figure(0.75, 0.65, 0.85, 40)},
            "large": {},
        },
        strata_baseline={"small": {"detection_auc": Figure(0.5, 0.4, 0.6, 30)}},
        notes=("read this first",),
    )
    file = write_page(found, tmp_path / "new" / "folder", "a detector")
    page = Page(file)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert len(page.sources) == 8 + 2
    assert all(source.startswith("data:image/") for source in page.sources)
    for words in (
        "a detector",
        "own 1.0.0 (0123456789ab)",
        "read this first",
        "0.900 0.850 to 0.940",
        "0.800 0.700 to 0.900",
        "−3.000 −4.000 to −2.000",
        "large: too few cases",
        "Lesion detection, AUC small 0.700 0.600 to 0.800 0.500 0.400 to 0.600 30",
        "middling 0.750 0.650 to 0.850 – 40",
        "a dash where there is none",
        "the worst",
    ):
        assert words in page.text
    drawn = sorted(path.name for path in file.parent.glob("*.png"))
    assert drawn[:4] == [
        "01-detection-calibration.png",
        "01-detection-confusion.png",
        "01-detection-decision.png",
        "01-detection-roc.png",
    ]
    assert len(drawn) == 8
    for path in file.parent.glob("*.png"):
        with Image.open(path) as image:
            assert image.width > 500
            assert len(image.convert("L").getcolors() or []) > 10, "an empty picture"


def test_a_page_marks_the_changes_that_move_a_figure_too_far(tmp_path: Path) -> None:
    area = Figure(0.8, 0.7, 0.9, 200)
    found = evaluation(
        robustness={
            "flip": {"detection_auc": Shift(area, Figure(0.03, 0.01, 0.05, 200))},
            "no_fan_mask": {"detection_auc": Shift(area, Figure(-0.031, -0.05, -0.01, 200))},
        }
    )
    text = Page(write_page(found, tmp_path)).text
    assert "left and right exchanged 0.800 0.700 to 0.900 0.030 0.010 to 0.050 200" in text
    assert "tissue in the corners 0.800 0.700 to 0.900 −0.031 −0.050 to −0.010 ✱ 200" in text
    assert "Robustness" not in Page(write_page(evaluation(), tmp_path / "without")).text


def test_the_json_beside_a_page_is_the_evaluation(tmp_path: Path) -> None:
    nothing = Figure(float("nan"), float("nan"), float("nan"), 0)
    found = evaluation(figures={"accuracy": nothing})
    page = Page(write_page(found, tmp_path))
    written = (tmp_path / "evaluation.json").read_text()
    assert "NaN" not in written
    assert json.loads(written) == found.as_json()
    assert found.as_json()["figures"]["accuracy"]["value"] is None
    assert "– – to –" in page.text


def test_words_of_the_data_are_never_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    truth, probability = question(40)
    found = evaluation(Scores(evil, truth, probability), notes=(evil,), bundle=evil)
    page = Page(write_page(found, tmp_path, evil))
    assert "script" not in page.tags
    assert page.text.count(evil) >= 4


@pytest.mark.parametrize(
    "chart",
    [
        Scores("one class", np.ones(5), np.full(5, 0.3)),
        Scores("nothing", np.array([]), np.array([])),
        Scores("no answers", np.array([0.0, 1.0]), np.array([np.nan, 0.5])),
        Confusion("nothing", ("a", "b"), np.zeros((2, 2), int)),
        Agreement("two", "%", np.array([1.0, 2.0]), np.array([1.0, 2.0])),
        Distribution("nothing", "", {"none": np.array([np.nan])}),
    ],
    ids=lambda chart: f"{type(chart).__name__}-{chart.title}",
)
def test_what_cannot_be_drawn_says_why(chart: Chart, tmp_path: Path) -> None:
    assert "Not drawn: " in Page(write_page(evaluation(chart), tmp_path)).text
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    "chart",
    [
        Scores("two", np.array([0.0, 1.0]), np.array([0.5, 0.5])),
        Scores("sure", np.array([0.0, 1, 1]), np.array([0.0, 1, 1]), prior=None),
        Agreement("constant", "%", np.full(4, 2.0), np.full(4, 2.0)),
        Agreement("gaps", "%", np.array([1.0, 2, np.nan, 4]), np.array([1.0, 2, 3, 5])),
        Distribution("one", "", {"value": np.array([0.5])}),
        Confusion("many", tuple("abcdefgh"), np.eye(8, dtype=int)),
    ],
    ids=lambda chart: f"{type(chart).__name__}-{chart.title}",
)
def test_little_data_is_drawn_all_the_same(chart: Chart, tmp_path: Path) -> None:
    drawn = plots(chart)
    assert all(plot.figure is not None for plot in drawn)
    write_page(evaluation(chart), tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == len(drawn)


def test_an_empty_evaluation_is_a_page(tmp_path: Path) -> None:
    page = Page(write_page(Evaluation("joint", None, "none", 0, {}), tmp_path))
    assert "No figure applies to these cases" in page.text


def test_the_same_evaluation_gives_the_same_page(tmp_path: Path) -> None:
    found = evaluation(Scores("Detection", *question(60)))
    first, second = (write_page(found, tmp_path / name).read_bytes() for name in "ab")
    assert first == second


def test_figures_are_called_in_words() -> None:
    assert figure_title("detection_auc") == "Lesion detection, AUC"
    assert figure_title("fat_auc_5") == "Fat of 5 % or more, AUC"
    assert figure_title("fat_sensitivity_above_10") == "Fat above 10 %, sensitivity"
    assert figure_title("balanced_accuracy_at_youden") == "Balanced accuracy at youden"


@pytest.mark.parametrize("fits", [2, 9])
def test_curves_of_a_run_are_drawn(tmp_path: Path, fits: int) -> None:
    assert draw_curves(tmp_path) is None
    states = tmp_path / "states"
    states.mkdir()
    for fit in ["final", *(f"fold-{number}" for number in range(fits - 1))]:
        (states / f"{fit}.csv").write_text("epoch,loss\n1,0.9\n2,0.5\n3,0.4\n")
    assert draw_curves(tmp_path) == tmp_path / "curves.png"
    whole = (tmp_path / "curves.png").read_bytes()
    (states / "cut.csv").write_text("epoch,loss\n1,0.9\n2,0.")
    (states / "empty.csv").write_text("")
    draw_curves(tmp_path)
    assert (tmp_path / "curves.png").read_bytes() != whole
    with Image.open(tmp_path / "curves.png") as image:
        assert image.height > 500
