"""The protocol of paper 5: features, folds, heads, bundle and evaluation, on tiny frames."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from models.backbones import BACKBONES, Backbone
from models.data import About, Case, Grey, read_manifest, read_picture
from models.errors import TrainingError
from models.evaluation.metrics import bootstrap
from models.evaluation.multiview import draw_activation
from models.evaluation.outcome import Agreement
from models.fat.multiview import ANY_VIEW, VIEWS, MultiviewFat
from models.registry import load_bundle, read_bundle
from models.systems import SYSTEMS, protocol
from models.training.multiview import frames as multiview_frames
from models.training.multiview.frames import VARIANTS, fat_frames
from models.training.multiview.model import COMPOSITE, MULTIVIEW, estimates, fit_heads
from models.training.options import Options
from tests.peers import shared

SYSTEM = protocol(SYSTEMS["multiview-fat"])
FAT = (1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 12, 14, 16, 18, 22, 26, 11, 30)


class Tiny(nn.Module):
    """(N, 3, H, W) to (N, 8, H / 32, W / 32): mean level and contrast per cell, among noise."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 8, 1, bias=False)
        torch.nn.init.normal_(self.mix.weight, generator=torch.Generator().manual_seed(0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(nn.functional.avg_pool2d(self.mix(images), 32))


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Backbone(
        channels=8,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        origin="test",
        build=Tiny,
        imagenet=lambda _: dict(Tiny().state_dict()),
    )
    monkeypatch.setitem(BACKBONES, "tiny", row)
    quick = functools.partial(bootstrap, resamples=40)
    monkeypatch.setattr("models.evaluation.fat.bootstrap", quick)
    monkeypatch.setattr("models.training.multiview.heads.CLASSIFIER_GRID", (0.02, 0.16))
    monkeypatch.setattr("models.training.multiview.heads.LASSO_GRID", (0.1, 1.0))


def frame(fat: float, seed: int) -> Grey:
    """A fan of speckle that grows brighter with fat."""
    generator = np.random.default_rng(seed)
    image = np.zeros((90, 120), np.uint8)
    level = 40 + 4 * fat + generator.normal(0, 8)
    image[10:80, 15:105] = np.clip(generator.rayleigh(level / 1.25, (70, 90)), 5, 255)
    return image


def participants(folder: Path, fats: Sequence[float] = FAT, prefix: str = "p") -> list[Case]:
    cases = []
    for number, fat in enumerate(fats):
        for place, view in enumerate(VIEWS):
            name = f"{prefix}{number}-{place}"
            file = folder / f"{name}.png"
            Image.fromarray(frame(fat, hash((number, place)) % 2**31)).save(file)
            patient = f"{prefix}{number}"
            cases.append(Case(id=name, patient=patient, image=file, view=view, fat_percent=fat))
    return cases


def options(folder: Path, **keys: object) -> Options:
    return replace(Options(out=folder / "out", backbone="tiny", folds=3), **keys)  # type: ignore[arg-type]


def test_train_bundle_evaluate(tmp_path: Path) -> None:
    cases = participants(tmp_path)
    about = About("toy frames", kind="simulated")
    folder = SYSTEM.train(cases, options(tmp_path, about=about))
    assert folder == tmp_path / "out" / "fat-multiview"
    bundle = read_bundle(folder)
    assert bundle.system == SYSTEMS["multiview-fat"].reads
    assert bundle.validation_status == "simulated data only"
    assert bundle.card["data"]["participants"] == len(FAT)
    assert bundle.card["figures"]["multiview"]["spearman"]["value"] > 0.7
    for name in ("multiview", *VIEWS, "composite multiview"):
        assert "spearman_geometry_only" in bundle.card["figures"][name]
    assert bundle.card["protocol"]["evaluation"].startswith("3-fold by participant")

    unseen = tmp_path / "unseen"
    unseen.mkdir()
    others = participants(unseen, FAT[::-1], "q")
    others.append(replace(others[0], id="unlabelled", patient="nobody", fat_percent=None))
    evaluation = SYSTEM.evaluate(bundle, others, options(tmp_path))
    assert any("1 images without a fat_percent" in note for note in evaluation.notes)
    assert evaluation.bundle == bundle.title
    assert evaluation.n == 4 * len(FAT)
    figures = evaluation.figures
    assert {"fat_spearman", "fat_pearson", "fat_auc_5", "fat_auc_10", "fat_mae"} <= set(figures)
    assert figures["fat_auc_10"].value > 0.8
    assert {*VIEWS, "composite multiview"} <= set(evaluation.strata)
    assert set(evaluation.baseline) == set(figures)
    assert set(evaluation.strata_baseline) == set(evaluation.strata)
    for name, row in evaluation.strata_baseline.items():
        cases = {key: figure.cases for key, figure in evaluation.strata[name].items()}
        assert {key: figure.cases for key, figure in row.items()} == cases
    assert len(evaluation.examples) == 8
    assert evaluation.examples[0].picture.shape == (90, 120, 3)


def test_leave_one_out_keeps_each_participant_from_its_own_heads(tmp_path: Path) -> None:
    """A participant whose label is absurd is not followed by the heads that leave it out."""
    fats = (2, 1, 3, 4, 2, 1, 12, 14, 18, 22, 26)
    cases = [row for row in participants(tmp_path, fats) if row.view in VIEWS[:2]]
    odd = [replace(row, fat_percent=49.0) if row.patient == "p0" else row for row in cases]
    evaluation = SYSTEM.cross_validate(odd, options(tmp_path, folds=None))
    assert evaluation.protocol.startswith("leave one participant out, inner stratified four-fold")
    agreement = next(chart for chart in evaluation.charts if isinstance(chart, Agreement))
    assert agreement.reference[0] == 49.0
    assert agreement.estimate[0] < 25.0
    assert any("Meng" in note for note in evaluation.notes)


def test_an_interrupted_run_goes_on_from_kept_features_and_folds(tmp_path: Path) -> None:
    cases = participants(tmp_path)
    first = SYSTEM.cross_validate(cases, options(tmp_path))

    assert len(first.examples) == 8
    assert [example.good for example in first.examples] == [True] * 4 + [False] * 4
    read: list[str] = []

    def counted(case: Case) -> Grey:
        read.append(case.id)
        return read_picture(case)

    again = SYSTEM.cross_validate(cases, options(tmp_path, read=counted))
    assert again.as_json() == first.as_json()
    assert len(read) == len(again.examples), "only what is shown is read again"
    SYSTEM.cross_validate(cases, options(tmp_path, read=counted, seed=1))
    assert len(read) == 2 * len(again.examples) + len(cases)


def test_heads_learn_eight_participants_by_heart(tmp_path: Path) -> None:
    fats = (1, 2, 3, 4, 12, 18, 24, 30)
    cases = participants(tmp_path, fats)
    frames = fat_frames(cases, options(tmp_path), "tiny")
    found = estimates(fit_heads(frames), frames)
    for name in (MULTIVIEW, COMPOSITE, ANY_VIEW):
        assert ((found[name][:, 1] > 0.5) == (frames.fat >= 5)).all(), name
        assert np.corrcoef(found[name][:, 0], frames.fat)[0, 1] > 0.9, name


def test_the_bundle_says_what_the_fitted_heads_say(tmp_path: Path) -> None:
    cases = participants(tmp_path)
    folder = SYSTEM.train(cases, options(tmp_path, folds=0))
    bundle = read_bundle(folder)
    assert bundle.validation_status == "not validated"
    assert bundle.card["figures"] == {}
    frames = fat_frames(cases, options(tmp_path), "tiny")
    fitted = estimates(fit_heads(frames), frames)
    fat = MultiviewFat.load(bundle)
    own = [row for row in cases if row.patient == "p7"]
    readings = fat.read([frame(FAT[7], hash((7, place)) % 2**31) for place in range(4)], VIEWS)
    assert [row.id for row in own] == [f"p7-{place}" for place in range(4)]
    estimate, composite = fat.combine(readings), fat.composite(readings)
    assert composite is not None
    for name, row in ((MULTIVIEW, estimate), (COMPOSITE, composite)):
        expected = fitted[name][7]
        assert [row.fat_percent, row.p_5, row.p_10] == pytest.approx(expected, abs=2e-2), name
    assert fat.composite(readings[:3]) is None


def test_a_view_without_frames_has_no_estimator(tmp_path: Path) -> None:
    cases = [
        replace(row, view=None) if row.view == VIEWS[1] else row
        for row in participants(tmp_path)
        if row.view in VIEWS[:2]
    ]
    bundle = read_bundle(SYSTEM.train(cases, options(tmp_path)))
    assert bundle.card["estimators"] == [VIEWS[0], ANY_VIEW]
    assert "composite multiview" not in bundle.card["figures"]
    fat = MultiviewFat.load(bundle)
    known, other = fat.read([frame(9, 1)] * 2, [VIEWS[0], VIEWS[3]])
    assert (known.view, other.view) == (VIEWS[0], None)
    assert fat.composite([known, other]) is None


def test_extra_cases_are_learned_from_and_never_judged(tmp_path: Path) -> None:
    cases = participants(tmp_path)
    other = tmp_path / "extra"
    other.mkdir()
    extra = tuple(participants(other, FAT[:6], "x"))
    evaluation = SYSTEM.cross_validate(cases, options(tmp_path, extra=extra))
    assert evaluation.n == len(cases)
    assert evaluation.figures["fat_mae"].cases == len(FAT)
    alone = SYSTEM.cross_validate(cases, options(tmp_path))
    assert alone.figures["fat_mae"].value != evaluation.figures["fat_mae"].value
    with pytest.raises(TrainingError, match="among the extra"):
        SYSTEM.cross_validate(cases, options(tmp_path, extra=(cases[0],)))


def _without_fat(cases: list[Case]) -> list[Case]:
    return [replace(row, fat_percent=None) for row in cases]


def _two_fractions(cases: list[Case]) -> list[Case]:
    return [replace(cases[0], fat_percent=40.0), *cases[1:]]


def _lean(cases: list[Case]) -> list[Case]:
    return [row for row in cases if (row.fat_percent or 0) < 7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_fat, "no image has a fat_percent"),
        (_two_fractions, "another image of the same patient"),
        (_lean, "give more participants"),
    ],
)
def test_cases_that_hold_too_little_are_refused(
    tmp_path: Path, change: Callable[[list[Case]], list[Case]], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        SYSTEM.train(change(participants(tmp_path)), options(tmp_path))


def test_variants_are_the_frame_its_mirror_and_a_sideways_crop(tmp_path: Path) -> None:
    cases = participants(tmp_path, (3.0, 8.0))
    frames = fat_frames(cases, options(tmp_path), "tiny")
    assert frames.features.shape == (8, VARIANTS, 8)
    assert np.allclose(frames.features[:, 0], frames.features[:, 1], rtol=1e-4)
    assert not np.allclose(frames.features[:, 0], frames.features[:, 2], rtol=1e-4)
    window = (15, 10, 105, 80)
    assert multiview_frames._shifted(window, 120, 10) == (25, 10, 115, 80)
    assert multiview_frames._shifted(window, 120, -20) == (0, 10, 85, 80)


def test_red_speaks_for_fat_and_blue_against() -> None:
    cam = np.array([[1.0, -1.0]], np.float32)
    picture = draw_activation(np.full((20, 40), 100, np.uint8), cam, (0, 0, 40, 20))
    left, right = picture[10, 2].astype(int), picture[10, 37].astype(int)
    assert left[0] > left[2] + 50
    assert right[2] > right[0] + 50


def test_the_shipped_bundle_takes_no_real_frame_for_one_of_its_own(tmp_path: Path) -> None:
    """What ``hepanode models evaluate fat-multiview`` prints for the ten real lean livers."""
    folder = shared() / "data" / "byra-ten"
    lines = ["image,patient,view,fat_percent"]
    for file in sorted(folder.glob("*-fat-*.jpg")):
        percent = file.stem.rsplit("-", 1)[1]
        lines.append(f"{file},{file.stem},liver/kidney,{percent}")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join(lines))
    bundle = load_bundle("fat-multiview")
    evaluation = SYSTEM.evaluate(bundle, read_manifest(manifest), Options(out=tmp_path))
    assert bundle.card["validation_status"] == "simulated data only"
    assert evaluation.n == len(lines) - 1
    assert "fat_auc_5" not in evaluation.figures
    assert "familiar frames only" not in evaluation.strata
    assert any("0 of 10 frames are like" in note for note in evaluation.notes)
