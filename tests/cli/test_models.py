"""Models are listed, verified, installed and returned to, trained and evaluated by command."""

from __future__ import annotations

import hashlib
import json
import shutil
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
from models.registry import SHIPPED, load_bundle
from models.systems import SYSTEMS, System
from models.training.options import Options
from node.association.wrap import Study
from node.settings import load
from tests.bundles import write_bundles
from tests.cli.conftest import Node
from workers.analysis import LoadedModels

KEYS = {
    "name",
    "system",
    "module",
    "version",
    "labels",
    "lacks",
    "validation_status",
    "digest",
    "origin",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders ``one`` and ``two``, each with two bundles."""
    folder = tmp_path_factory.mktemp("runs")
    write_bundles(folder / "one", seed=11, version="1.1.0")
    write_bundles(folder / "two", seed=12, version="1.2.0")
    return folder


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def in_force(node: Node, name: str = "lesion-attention") -> tuple[str, str, str]:
    found = {row["name"]: row for row in node("models", "list", "--json").json}[name]
    return found["origin"], found["version"], found["digest"]


def test_shipped_bundles_are_listed_with_their_digests(node: Node) -> None:
    answer = node("models", "list", "--json")
    assert answer.status == 0
    rows = {row["name"]: row for row in answer.json}
    assert {"lesion-attention", "fat-multiview"} <= set(rows)
    for name, row in rows.items():
        assert set(row) >= KEYS
        assert row["digest"] == digest(SHIPPED / name)
        assert row["origin"] == "shipped"
    assert rows["lesion-attention"]["reads_for"] == ["lesion"]
    for row in SYSTEMS.values():
        if row.bundle in rows:
            found = rows[row.bundle]
            assert (found["system"], found["module"]) == (row.name, row.reads)
    text = node("models", "list").out
    assert rows["fat-multiview"]["digest"][:12] in text
    assert "shipped" in text


def test_a_card_is_shown_as_a_person_reads_it(node: Node) -> None:
    text = node("models", "show", "lesion-attention").out
    card = load_bundle("lesion-attention").card
    assert card["limits"] in text
    auc = card["figures"]["lesion"]["auc"]
    row = next(line for line in text.splitlines() if line.startswith("lesion.auc "))
    low, high = auc["interval_95"]
    assert row.split() == ["lesion.auc", f"{auc['value']:g}", f"{low:g}", "to", f"{high:g}", "600"]
    found = node("models", "show", "lesion-attention", "--json").json
    assert found["card"]["figures"]["lesion"]["auc"] == auc
    assert found["installed"] == []
    unknown = node("models", "show", "nobody")
    assert unknown.status == 2
    assert "lesion-attention" in unknown.err


def test_an_installed_bundle_reads_for_the_node_at_once(node: Node, trained: Path) -> None:
    settings = load(node.config)
    models = LoadedModels(settings.analysis, settings.bundle_folders)
    before = models.verify("lesion-attention")
    answer = node("models", "install", str(trained / "one" / "lesion-attention"))
    assert answer.status == 0, answer.err
    assert "lesion-attention 1.1.0" in answer.out
    assert "reads for: lesion" in answer.out
    new = digest(trained / "one" / "lesion-attention")
    assert in_force(node) == ("installed", "1.1.0", new)
    assert before is not None
    assert before.digest != new
    after = models.verify("lesion-attention")
    assert after is not None
    assert after.digest == new
    assert models.system(after) is not models.system(before)
    assert f"1.1.0 ({new[:12]})" in node("doctor").out


def test_one_returns_to_what_was_before_and_before_that(node: Node, trained: Path) -> None:
    shipped = in_force(node)
    digests = {run: digest(trained / run / "lesion-attention") for run in ("one", "two")}
    for run in ("one", "two"):
        assert node("models", "install", str(trained / run / "lesion-attention")).status == 0
    found = node("models", "show", "lesion-attention", "--json").json
    assert [(one["version"], one["current"]) for one in found["installed"]] == [
        ("1.1.0", False),
        ("1.2.0", True),
    ]
    shown = node("models", "show", "lesion-attention").out
    assert [line.split()[:3] for line in shown.splitlines() if "in force" in line] == [
        ["in", "force", "1.2.0"]
    ]
    assert node("models", "install", "--previous", "lesion-attention").status == 0
    assert in_force(node) == ("installed", "1.1.0", digests["one"])
    assert node("models", "install", "--previous", "lesion-attention").status == 0
    assert in_force(node) == shipped
    answer = node("models", "install", "--previous", "lesion-attention")
    assert answer.status == 1
    assert "no bundle 'lesion-attention' is installed" in answer.err
    kept = {one["digest"]: one for one in found["installed"]}
    assert set(kept) == set(digests.values())
    again = node("models", "install", kept[digests["two"]]["folder"])
    assert again.status == 0, again.err
    assert in_force(node) == ("installed", "1.2.0", digests["two"])


def test_another_card_on_the_same_weights_is_another_version(
    node: Node, trained: Path, tmp_path: Path
) -> None:
    source = write_bundles(tmp_path / "run", seed=11, version="1.1.0") / "lesion-attention"
    node("models", "install", str(source))
    settings = load(node.config)
    models = LoadedModels(settings.analysis, settings.bundle_folders)
    first = models.verify("lesion-attention")
    assert first is not None
    opened = models.system(first)
    card = source / "card.toml"
    card.write_text(card.read_text().replace('version = "1.1.0"', 'version = "1.1.1"'))
    node("models", "install", str(source))
    second = models.verify("lesion-attention")
    assert second is not None
    assert (first.digest, second.version) == (second.digest, "1.1.1")
    assert models.system(second) is not opened
    assert first.folder != second.folder
    assert first.weights.is_file(), "what a worker opened before stays where it was"


def test_a_run_folder_and_another_name_will_do(node: Node, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "states").mkdir(parents=True)
    (run / "lesion-attention").symlink_to(trained / "one" / "lesion-attention")
    answer = node("models", "install", str(run), "--as", "ours", "--json")
    assert answer.json["name"] == "ours"
    assert answer.json["reads_for"] == []
    assert "analysis.lesion_bundle" in node("models", "install", str(run), "--as", "ours").out
    both = node("models", "install", str(trained / "one"))
    assert both.status == 1
    assert "fat-multiview, gate, lesion-attention" in both.err


def test_a_joint_bundle_that_only_classifies_is_not_installed_to_outline(
    node: Node, tmp_path: Path
) -> None:
    shutil.copytree(SHIPPED / "lesion-joint", tmp_path / "lesion-joint")
    card = tmp_path / "lesion-joint" / "card.toml"
    card.write_text(card.read_text().replace('    "mask",\n', "", 1))
    answer = node("models", "install", str(tmp_path / "lesion-joint"))
    assert answer.status == 1
    assert "outlines nothing" in answer.err


def test_a_bundle_that_reads_no_index_is_not_installed_to_read_them(node: Node) -> None:
    folder = str(SHIPPED / "lesion-joint")
    answer = node("models", "install", folder, "--as", "fat-hepatorenal")
    assert answer.status == 1
    assert "what reads with the one cannot read with the other" in answer.err


def test_what_cannot_read_is_not_installed(node: Node, trained: Path, tmp_path: Path) -> None:
    fat, lesion = trained / "one" / "fat-multiview", trained / "one" / "lesion-attention"
    wrong = node("models", "install", str(fat), "--as", "lesion-attention")
    assert wrong.status == 1
    assert "'fat.multiview'" in wrong.err
    bare = write_bundles(tmp_path / "bare", seed=11) / "lesion-attention"
    card = (bare / "card.toml").read_text()
    (bare / "card.toml").write_text(card.replace("[thresholds.", "[others."))
    refused = node("models", "install", str(bare))
    assert refused.status == 1
    assert "the lesion pathway needs 'thresholds' in its card" in refused.err
    damaged = write_bundles(tmp_path / "run", seed=11) / "lesion-attention"
    with (damaged / "model.safetensors").open("ab") as stream:
        stream.write(b"x")
    assert "sha256" in node("models", "install", str(damaged)).err
    assert "no bundle" in node("models", "install", str(tmp_path)).err
    for name in ("../out", ".hidden", ""):
        assert node("models", "install", str(lesion), "--as", name).status == 1, name
    assert node("models", "install").status == 2
    assert node("models", "install", str(lesion), "--previous", "lesion-attention").status == 2
    assert in_force(node)[0] == "shipped"


def test_verify_names_what_is_wrong(node: Node, trained: Path) -> None:
    assert node("models", "verify", "lesion-attention").status == 0
    node("models", "install", str(trained / "one" / "lesion-attention"))
    link = load(node.config).bundle_store / "lesion-attention"
    weights = link.resolve() / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    answer = node("models", "verify", "--json")
    assert answer.status == 1
    states = {row["name"]: row["state"] for row in answer.json}
    assert states.pop("lesion-attention") == "wrong"
    assert states["fat-multiview"] == "ok"
    assert set(states.values()) == {"ok"}
    assert "sha256" in node("models", "verify", "lesion-attention").out
    listed = node("models", "list")
    assert listed.status == 1
    assert "sha256" in listed.err
    mended = node("models", "install", str(trained / "one" / "lesion-attention"))
    assert mended.status == 0, mended.err
    assert node("models", "verify").status == 0
    assert node("models", "verify", "nobody").status == 2


def test_a_link_that_leads_nowhere_never_gives_another_model(node: Node, trained: Path) -> None:
    node("models", "install", str(trained / "one" / "lesion-attention"))
    link = load(node.config).bundle_store / "lesion-attention"
    link.resolve().rename(link.resolve().with_name("moved"))
    answer = node("models", "verify", "lesion-attention")
    assert answer.status == 1
    assert "cannot be read" in answer.out


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
    answer = node(
        *("models", "train", "toy", "--data", str(manifest), "--out", str(out), "--json"),
        *("--device", "cpu", "--backbone", "resnet18", "--epochs", "2", "--folds", "0"),
        *("--seed", "7", "--workers", "1", "--extra", str(manifest), "--recipe", "short"),
    )
    assert answer.status == 0, answer.err
    assert answer.json["digest"] == digest(out / "lesion-attention")
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
    assert set(found) >= {"system", "bundle", "n", "figures", "baseline"}
    assert found["n"] == 8
    assert found["figures"]["detection_auc"]["high"] == 1.0
    installed = by in ("folder", "run folder")
    folder = trained / "one" if installed else SHIPPED
    assert digest(folder / "lesion-attention")[:12] in found["bundle"]
    assert [call[0] for call in toy.calls] == ["evaluate"]


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


def test_age_and_sex_are_those_of_the_dicom_file_unless_the_manifest_says_them(
    node: Node, toy: types.ModuleType, tmp_path: Path
) -> None:
    Image.new("L", (300, 200), 90).save(tmp_path / "a.png")
    Study().wrap(tmp_path / "a.png", tmp_path / "a.dcm", mm_per_pixel=0.3)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.PatientAge, dataset.PatientSex = "063Y", "F"
    dataset.save_as(tmp_path / "a.dcm")
    (tmp_path / "m.csv").write_text("id,image,lesion,age\na,a.dcm,1,\nb,a.dcm,1,40\nc,a.png,1,\n")
    answer = node("models", "evaluate", "lesion-attention", "--data", str(tmp_path / "m.csv"))
    assert answer.status == 0, answer.err
    ((_, cases, _),) = toy.calls
    assert [case.clinical for case in cases] == [{"age": 63, "sex": 0}, {"age": 40, "sex": 0}, {}]


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
