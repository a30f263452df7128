"""An evaluation as a folder: ``evaluation.json``, a PNG per chart, and one page that needs nothing
else, neither scripts nor network."""

import base64
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from models.evaluation.changes import TITLES as CHANGED
from models.evaluation.metrics import Figure
from models.evaluation.outcome import Evaluation, Example
from models.evaluation.plots import Plot, plots
from models.evaluation.robustness import TOLERATED, Shift
from models.evaluation.style import save

PAGE = "evaluation.html"
TITLES: Mapping[str, str] = {
    "detection_auc": "Lesion detection, AUC",
    "malignancy_auc": "Malignancy, AUC",
    "mass_jaccard_box": "Mass outline from a box, Jaccard index",
    "mass_jaccard_box_tight": "Mass outline from a tight box, Jaccard index",
    "mass_jaccard_click": "Mass outline from one click, Jaccard index",
    "lesion_recall": "Lesions found, share",
    "fan_iou": "Fan outline, Jaccard index",
    "liver_dice": "Liver outline, Dice index",
    "fat_spearman": "Fat, Spearman correlation",
    "fat_pearson": "Fat, Pearson correlation",
    "fat_mae": "Fat, mean absolute error (%)",
    "fat_bias": "Fat, bias (%)",
    "fat_limit_low": "Fat, lower limit of agreement (%)",
    "fat_limit_high": "Fat, upper limit of agreement (%)",
    "fat_interval_width": "Fat, interval width (%)",
    "gate_auroc": "Image is a liver, AUC",
    "named": "Frames that get a view, share",
    "named_of_unsaid_view": "Of frames whose view nobody said, share that gets one",
}
"""What a page calls a figure; others are called by their name."""

_OF_CUT = re.compile(r"fat_(auc|sensitivity|specificity)_(above_)?(\d+)")
_WORDS = {"auc": "AUC", "auroc": "AUC", "hcc": "HCC", "fnh": "FNH", "iou": "IoU"}

_PIXELS_AN_INCH = 88
"""All charts are shown to one scale, so that their letters are of one size."""

_WIDEST = 720
"""Pixels of an example's longer side."""


@dataclass(frozen=True)
class _Row:
    name: str
    title: str
    model: Figure | None
    baseline: Figure | None

    @property
    def on_scale(self) -> bool:
        """Whether the row's numbers lie between 0 and 1, and so on the scale that is drawn."""
        numbers = [x for f in (self.model, self.baseline) if f for x in (f.value, f.low, f.high)]
        return all(0 <= x <= 1 for x in numbers)


@dataclass(frozen=True)
class _Picture:
    title: str
    says: str
    source: str
    width: int


def write_page(evaluation: Evaluation, folder: Path, title: str = "") -> Path:
    """Writes an evaluation into a folder and returns the page's path.

    title : the system's, in words. A chart that cannot be drawn is replaced by the reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(evaluation.as_json(), indent=2, ensure_ascii=False)
    (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    charts = [
        (chart.title, [_drawn(plot, number, chart.title, folder) for plot in plots(chart)])
        for number, chart in enumerate(evaluation.charts, start=1)
    ]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    page = environment.get_template("page.html.jinja").render(
        evaluation=evaluation,
        title=title or evaluation.system,
        rows=_rows(evaluation.figures, evaluation.baseline),
        strata=_by_figure(evaluation.strata, evaluation.strata_baseline),
        robustness=_by_change(evaluation.robustness),
        tolerated=TOLERATED,
        charts=charts,
        examples=[
            (heading, [_example(one) for one in evaluation.examples if one.good is good])
            for heading, good in (("Among the best", True), ("Among the worst", False))
        ],
    )
    (folder / PAGE).write_text(page, encoding="utf-8")
    return folder / PAGE


def figure_title(name: str) -> str:
    """A figure's name in words."""
    if name in TITLES:
        return TITLES[name]
    if found := _OF_CUT.fullmatch(name):
        kind, above, cut = found.groups()
        cases = f"above {cut} %" if above else f"of {cut} % or more"
        return f"Fat {cases}, {_WORDS.get(kind, kind)}"
    words = [_WORDS.get(word, word) for word in name.replace("_", " ").split()]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _rows(figures: Mapping[str, Figure], baseline: Mapping[str, Figure]) -> list[_Row]:
    """Every figure, and what only the baseline has, in order."""
    names = [*figures, *(name for name in baseline if name not in figures)]
    return [_Row(n, figure_title(n), figures.get(n), baseline.get(n)) for n in names]


def _by_figure(
    strata: Mapping[str, Mapping[str, Figure]], baseline: Mapping[str, Mapping[str, Figure]]
) -> list[tuple[str, list[_Row]]]:
    """Each figure over the groups that have it, for a reader compares the groups."""
    names = list(dict.fromkeys(name for figures in strata.values() for name in figures))
    return [
        (
            figure_title(name),
            [
                _Row(name, group, row[name], baseline.get(group, {}).get(name))
                for group, row in strata.items()
                if name in row
            ],
        )
        for name in names
    ]


def _by_change(
    robustness: Mapping[str, Mapping[str, Shift]],
) -> list[tuple[str, list[tuple[str, Shift]]]]:
    """Each figure over the changes of the images."""
    names = list(dict.fromkeys(name for row in robustness.values() for name in row))
    return [
        (
            figure_title(name),
            [(CHANGED[change], row[name]) for change, row in robustness.items() if name in row],
        )
        for name in names
    ]


def _number(value: float) -> str:
    """Three digits after the point, fewer for large numbers; a dash for what is no number."""
    if not math.isfinite(value):
        return "–"
    digits = 3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:.{digits}f}".replace("-", "−")


def _drawn(plot: Plot, number: int, about: str, folder: Path) -> _Picture:
    if plot.figure is None:
        return _Picture(plot.title, plot.says, "", 0)
    words = f"{about} {plot.title.partition(' ')[0]}".lower()
    file = folder / f"{number:02}-{re.sub('[^a-z0-9]+', '-', words)}.png"
    save(plot.figure, file)
    width = round(plot.figure.get_figwidth() * _PIXELS_AN_INCH)
    return _Picture(plot.title, plot.says, _inlined("png", file.read_bytes()), width)


def _example(example: Example) -> _Picture:
    image = Image.fromarray(example.picture)
    image.thumbnail((_WIDEST, _WIDEST))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=88)
    return _Picture(example.caption, "", _inlined("jpeg", stream.getvalue()), image.width)


def _inlined(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
