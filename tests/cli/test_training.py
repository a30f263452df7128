"""Systems are trained and evaluated by command, with a system that does so in no time."""

from __future__ import annotations

import json
import re
import sys
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from models.data import Case
from models.evaluation.metrics import Figure
from models.evaluation.outcome import Evaluation, Scores
from models.registry import SHIPPED
from models.systems import System
from models.training.options import Options
from node.association.wrap import Study
from tests import bad_input
from tests.bundles import weights_digest, write_bundles
from tests.cli.conftest import Node


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A system that fits nothing; ``calls`` says how it was called."""
    module = types.ModuleType("tests.cli.toy_protocol")
    calls: list[tuple[str, list[Case], Options]] = []

    def train(cases: Sequence[Case], options: Options) -> Path:
        calls.append(("train", list(cases), options))
        print("a library's chatter")
        for epoch in range(3):
            options.progress("fold-0", epoch, 3)
        (options.out / "states").mkdir(exist_ok=True)
        (options.out / "states" / "final.csv").write_text("epoch,loss\n1,0.5\n2,0.4\n")
        return write_bundles(options.out, seed=3) / "lesion-attention"

    def found(bundle: str | None, cases: Sequence[Case], options: Options) -> Evaluation:
        print("a library's chatter")
        truth = np.array([case.labels["lesion"] for case in cases], float)
        level = np.array([options.read(case).mean() / 255 for case in cases])
        return Evaluation(
            system="toy",
            bundle=bundle,
            protocol="none",
            n=len(cases),
            figures={"detection_auc": Figure(0.75, 0.5, 1.0, len(cases))},
            baseline={"detection_auc": Figure(0.6, 0.4, 0.8, len(cases))},
            strata={"small": {"detection_auc": Figure(0.7, 0.5, 0.9, 4)}},
            strata_baseline={"small": {"detection_auc": Figure(0.5, 0.3, 0.7, 4)}},
            charts=(Scores("Detection", truth, level),),
            notes=("a toy",),
        )

    def evaluate(bundle: object, cases: Sequence[Case], options: Options) -> Evaluation:
        calls.append(("evaluate", list(cases), options))
        return found(bundle.title, cases, options)  # type: ignore[attr-defined]

    def cross_validate(cases: Sequence[Case], options: Options) -> Evaluation:
        calls.append(("cross_validate", list(cases), options))
        return found(None, cases, options)

    for name, value in locals().copy().items():
        if name not in ("module", "monkeypatch"):
            setattr(module, name, value)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    row = System(
        name="toy",
        title="a toy",
        paper="none",
        bundle="lesion-attention",
        reads="lesion.attention",
        protocol=module.__name__,
        wants="nothing",
    )
    monkeypatch.setattr("models.systems.SYSTEMS", {"toy": row})
    return module


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Eight pictures; the lighter ones show a lesion."""
    folder = tmp_path / "images"
    folder.mkdir()
    lines = ["id,image,patient,lesion"]
    for number in range(8):
        grey = np.full((120, 160), 40 + 20 * number, np.uint8)
        Image.fromarray(grey).save(folder / f"{number}.png")
        lines.append(f"image-{number},images/{number}.png,patient-{number // 2},{number // 4}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    return tmp_path / "manifest.csv"


def test_train_writes_a_bundle_and_says_nothing_else_on_standard_output(
    node: Node, toy: types.ModuleType, manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    others = tmp_path / "others.csv"
    others.write_text(manifest.read_text().replace("patient-", "other-"))
    answer = node(
        *("models", "train", "toy", "--data", str(manifest), "--out", str(out), "--json"),
        *("--device", "cpu", "--backbone", "resnet18", "--epochs", "2", "--folds", "0"),
        *("--seed", "7", "--workers", "1", "--extra", str(others), "--recipe", "short"),
    )
    assert answer.status == 0, answer.err
    assert answer.json["digest"] == weights_digest(out / "lesion-attention")
    assert "8 images of 4 patients" in answer.err
    assert "fold-0: 0 of 3" in answer.err
    assert "chatter" in answer.err
    assert (out / "curves.png").is_file()
    ((_, cases, options),) = toy.calls
    assert [case.id for case in cases] == [f"image-{number}" for number in range(8)]
    assert (options.device, options.backbone, options.epochs) == ("cpu", "resnet18", 2)
    assert (options.folds, options.seed, options.workers) == (0, 7, 1)
    assert (options.recipe, len(options.extra)) == ("short", 8)
    assert options.about.kind == "local"
    assert node("models", "install", str(out)).status == 1  # it holds two
    assert node("models", "install", str(out / "lesion-attention")).status == 0


def test_a_patient_who_counts_in_a_figure_is_not_learned_from_as_an_extra(
    node: Node, toy: types.ModuleType, manifest: Path, tmp_path: Path
) -> None:
    others = tmp_path / "others.csv"
    others.write_text(re.sub("patient-[02]", "other", manifest.read_text()))
    for verb in ("train", "evaluate"):
        answer = node(
            *("models", verb, "toy", "--data", str(manifest), "--extra", str(others)),
            *("--out", str(tmp_path / verb)),
        )
        assert answer.status == 1
        assert f"{others} is only learned from" in answer.err
        assert "in lines 4, 5, 8, 9:" in answer.err
    assert toy.calls == []


def test_bad_rows_are_named_before_anything_runs(
    node: Node, toy: types.ModuleType, manifest: Path, tmp_path: Path
) -> None:
    with manifest.open("a") as stream:
        stream.write("\nimage-9,images/nowhere.png,p,1\nimage-1,images/1.png,p,7\n")
    answer = node("models", "train", "toy", "--data", str(manifest), "--out", str(tmp_path / "r"))
    assert answer.status == 1
    assert "line 10: there is no image" in answer.err
    assert "line 11: lesion 7" in answer.err
    assert toy.calls == []


def test_an_unknown_system_or_device_is_named(
    node: Node, toy: types.ModuleType, manifest: Path, tmp_path: Path
) -> None:
    data = ("--data", str(manifest), "--out", str(tmp_path / "r"))
    answer = node("models", "train", "nobody", *data)
    assert answer.status == 2
    assert "toy" in answer.err
    import torch

    if not torch.cuda.is_available():
        answer = node("models", "train", "toy", *data, "--device", "cuda")
        assert answer.status == 1
        assert "torch sees no GPU" in answer.err


def test_an_interruption_says_that_the_same_command_goes_on(
    node: Node, toy: types.ModuleType, manifest: Path, tmp_path: Path
) -> None:
    def interrupted(cases: object, options: object) -> None:
        raise KeyboardInterrupt

    toy.train = interrupted  # type: ignore[attr-defined]
    answer = node("models", "train", "toy", "--data", str(manifest), "--out", str(tmp_path / "r"))
    assert answer.status == 130
    assert "the same command goes on" in answer.err


@pytest.mark.parametrize("by", ["name", "folder", "run folder", "system"])
def test_a_bundle_is_evaluated_on_what_it_has_not_seen(
    node: Node, toy: types.ModuleType, manifest: Path, trained: Path, tmp_path: Path, by: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "lesion-attention").symlink_to(trained / "one" / "lesion-attention")
    chosen = {
        "name": ["lesion-attention"],
        "folder": [str(trained / "one" / "lesion-attention")],
        "run folder": [str(run)],
        "system": ["toy", "--protocol", "held-out"],
    }[by]
    answer = node("models", "evaluate", *chosen, "--data", str(manifest), "--json")
    assert answer.status == 0, answer.err
    found = answer.json
    assert {"system", "bundle", "n", "figures", "baseline"} <= set(found)
    assert found["n"] == 8
    assert found["strata"]["small"]["detection_auc"]["value"] == 0.7
    assert found["strata_baseline"]["small"]["detection_auc"]["value"] == 0.5
    assert found["figures"]["detection_auc"]["high"] == 1.0
    installed = by in ("folder", "run folder")
    folder = trained / "one" if installed else SHIPPED
    assert weights_digest(folder / "lesion-attention")[:12] in found["bundle"]
    assert [call[0] for call in toy.calls] == ["evaluate"]


def test_the_help_of_evaluate_names_every_key_of_its_json(node: Node) -> None:
    words = set(re.findall(r"[a-z_]+", node("models", "evaluate", "--help").out))
    assert set(Evaluation("toy", None, "none", 0, {}).as_json()) <= words


def test_a_system_is_cross_validated_and_has_a_page(
    node: Node, toy: types.ModuleType, manifest: Path, tmp_path: Path
) -> None:
    asked = ("models", "evaluate", "toy", "--data", str(manifest), "--folds", "3")
    out = tmp_path / "out"
    answer = node(*asked, "--repeats", "2", "--out", str(out))
    assert answer.status == 0, answer.err
    row = next(line for line in answer.out.splitlines() if "detection_auc" in line)
    assert "0.750 (0.500 to 1.000)" in row
    assert "0.600 (0.400 to 0.800)" in row
    assert str(out / "evaluation.html") in answer.out
    assert "<h1>a toy</h1>" in (out / "evaluation.html").read_text()
    assert json.loads((out / "evaluation.json").read_text())["notes"] == ["a toy"]
    assert (out / "01-detection-roc.png").is_file()
    ((what, _, options),) = toy.calls
    assert (what, options.folds, options.repeats, options.out) == ("cross_validate", 3, 2, out)


def test_a_cross_validation_without_a_folder_has_one_by_the_system_s_name(
    node: Node,
    toy: types.ModuleType,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ("models", "evaluate", "toy", "--data", str(manifest), "--protocol", "cross-validation")
    answer = node(*asked, "--json")
    assert answer.status == 0, answer.err
    assert answer.json["system"] == "toy"
    assert "toy-evaluation/evaluation.html" in answer.err
    assert (tmp_path / "toy-evaluation" / "evaluation.json").is_file()


def test_images_that_were_learned_from_are_counted(
    node: Node, toy: types.ModuleType, manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert node("models", "train", "toy", "--data", str(manifest), "--out", str(out)).status == 0
    folder = tmp_path / "images"
    Image.new("L", (120, 160), 9).save(folder / "new.png")
    rows = "id,image,lesion\na,images/new.png,0\nb,images/0.png,0\nc,images/7.png,1\n"
    (tmp_path / "other.csv").write_text(rows)
    asked = ("--data", str(tmp_path / "other.csv"), "--json")
    notes = node("models", "evaluate", str(out / "lesion-attention"), *asked).json["notes"]
    assert notes[0].startswith("The bundle has learned from 2 of these 3 images")
    assert notes[-1] == "a toy"
    (out / "lesion-attention" / "seen.txt").unlink()
    notes = node("models", "evaluate", str(out / "lesion-attention"), *asked).json["notes"]
    assert "does not say" in notes[0]
    (tmp_path / "other.csv").write_text(rows.partition("b,")[0])
    node("models", "train", "toy", "--data", str(manifest), "--out", str(out))
    notes = node("models", "evaluate", str(out / "lesion-attention"), *asked).json["notes"]
    assert notes == ["a toy"]


def test_a_bundle_is_evaluated_as_it_is(node: Node, toy: types.ModuleType, manifest: Path) -> None:
    asked = ("models", "evaluate", "lesion-attention", "--data", str(manifest))
    for option in (("--epochs", "3"), ("--repeats", "2"), ("--extra", str(manifest))):
        answer = node(*asked, *option)
        assert answer.status == 2
        assert "these options fit networks" in " ".join(answer.err.split())
    assert node(*asked, "--protocol", "sideways").status == 2
    assert node("models", "evaluate", "nobody", "--data", str(manifest)).status == 2
    answer = node("models", "evaluate", "fat-multiview", "--data", str(manifest))
    assert answer.status == 1
    assert "nothing here evaluates the system 'fat.multiview'" in answer.err


def test_an_option_that_a_system_does_not_have_is_refused(
    node: Node, manifest: Path, tmp_path: Path
) -> None:
    asked = ("--data", str(manifest), "--out", str(tmp_path / "run"))
    for command in ("train", "evaluate"):
        answer = node("models", command, "hepatorenal", *asked, "--recipe", "x", "--epochs", "3")
        assert answer.status == 1
        assert "hepatorenal has no --recipe and no --epochs" in answer.err
    answer = node("models", "train", "multiview-fat", *asked, "--recipe", "paper")
    assert "multiview-fat has no --recipe" in answer.err


def test_dicom_frames_are_read_as_the_worker_reads_them(
    node: Node, toy: types.ModuleType, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    grey = generator.integers(0, 255, (200, 300), np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Study().wrap(tmp_path / "a.png", tmp_path / "a.dcm", mm_per_pixel=0.3)
    (tmp_path / "m.csv").write_text("id,image,lesion\na,a.dcm,1\nb,a.png,0\n")
    answer = node("models", "evaluate", "lesion-attention", "--data", str(tmp_path / "m.csv"))
    assert answer.status == 0, answer.err
    ((_, (dicom, picture), options),) = toy.calls
    assert options.read(dicom).shape == (200, 300)
    assert np.array_equal(options.read(dicom), options.read(picture))


def test_dicom_files_that_a_worker_could_not_read_are_named_before_anything_runs(
    node: Node, toy: types.ModuleType, tmp_path: Path
) -> None:
    Image.new("L", (300, 200), 90).save(tmp_path / "a.png")
    Study().wrap(tmp_path / "a.png", tmp_path / "a.dcm", mm_per_pixel=0.3)
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:400])
    rows = "id,image,lesion,frame\na,a.dcm,1,5\nb,a.dcm,1,1\nc,cut.dcm,0,1\n"
    (tmp_path / "m.csv").write_text(rows)
    answer = node("models", "evaluate", "lesion-attention", "--data", str(tmp_path / "m.csv"))
    assert answer.status == 1
    assert f"line 2: {tmp_path / 'a.dcm'}, frame 5: the file has 1" in answer.err
    assert "line 3" not in answer.err
    assert f"line 4: {tmp_path / 'cut.dcm'}, frame 1" in answer.err
    assert toy.calls == []


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_images_that_break_off_are_named_before_anything_runs(
    node: Node, toy: types.ModuleType, tmp_path: Path, command: str
) -> None:
    """A JPEG, a PNG, and DICOM files of a JPEG and of plain pixels; the header of each is whole."""
    grey = np.random.default_rng(0).integers(0, 255, (200, 300), np.uint8)
    for name in ("good.png", "cut.png", "cut.jpg"):
        Image.fromarray(grey).save(tmp_path / name)
    for name in ("cut.png", "cut.jpg"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-2000])
    codestream = bad_input.truncated_jpeg(tmp_path).name
    Study().wrap(tmp_path / "good.png", tmp_path / "cut.dcm", mm_per_pixel=0.3)
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "cut.dcm").read_bytes()[:-2000])
    images = ["good.png", "cut.jpg", "cut.png", codestream, "cut.dcm", "good.png", "cut.jpg"]
    rows = [f"{number},{image},{number % 2}" for number, image in enumerate(images)]
    (tmp_path / "m.csv").write_text("\n".join(["id,image,lesion", *rows, "7,good.png,9"]))
    asked = ("--data", str(tmp_path / "m.csv"), "--out", str(tmp_path / "run"))
    answer = node("models", command, "toy", *asked)
    assert answer.status == 1
    assert answer.out == ""
    for line, image in enumerate(images, start=2):
        said = f"line {line}: {tmp_path / image}, frame 1: "
        assert (said in answer.err) == (image != "good.png")
    assert "line 9: lesion 9" in answer.err
    assert answer.err.count("image file is truncated") == 3, "of the JPEG twice, of the PNG once"
    assert "images decoded: 4 of 4" in answer.err, "plain pixels are counted without that"
    assert toy.calls == []


def test_age_sex_and_spacing_are_those_of_the_dicom_file_unless_the_manifest_says_them(
    node: Node, toy: types.ModuleType, tmp_path: Path
) -> None:
    Image.new("L", (300, 200), 90).save(tmp_path / "a.png")
    Study().wrap(tmp_path / "a.png", tmp_path / "a.dcm", mm_per_pixel=0.3)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.PatientAge, dataset.PatientSex = "063Y", "F"
    dataset.save_as(tmp_path / "a.dcm")
    rows = "id,image,lesion,age,spacing\na,a.dcm,1,,\nb,a.dcm,1,40,0.5\nc,a.png,1,,\n"
    (tmp_path / "m.csv").write_text(rows)
    answer = node("models", "evaluate", "lesion-attention", "--data", str(tmp_path / "m.csv"))
    assert answer.status == 0, answer.err
    ((_, cases, _),) = toy.calls
    assert [case.clinical for case in cases] == [{"age": 63, "sex": 0}, {"age": 40, "sex": 0}, {}]
    assert [case.spacing for case in cases] == [pytest.approx(0.3), 0.5, None]


def test_a_folder_that_cannot_be_made_is_named(
    node: Node, toy: types.ModuleType, manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    wrong = str(tmp_path / "file" / "run")
    answer = node("models", "train", "toy", "--data", str(manifest), "--out", wrong)
    assert answer.status == 1
    assert "name another --out" in answer.err


def test_simulated_participants_are_a_manifest(node: Node, tmp_path: Path) -> None:
    out = tmp_path / "simulated"
    asked = ("models", "simulate", "--out", str(out), "--participants", "1", "--processes", "1")
    answer = node(*asked, "--json")
    assert answer.status == 0, answer.err
    assert answer.json["images"] == 4
    assert len(list((out / "images").glob("*.png"))) == 4
    again = node(*asked)
    assert again.status == 1
    assert "name a new folder" in again.err
    assert node(*asked, "--kind", "wart").status == 1
