"""Each system trained, cross-validated and evaluated by its commands on real images, in small."""

from __future__ import annotations

import csv
import json
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from models.evaluation.metrics import RESAMPLES, bootstrap
from models.registry import SHIPPED, load_bundle
from models.systems import SYSTEMS
from tests.cli.conftest import Node
from tests.peers import shared

Rows = Sequence[Mapping[str, Any]]

LEARNED, UNSEEN = 6, 5
"""Images of normal livers, of benign and of malignant masses each."""


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals by a fortieth of the resamples: they take most of the time, and their width is not
    what is shown here."""
    assert bootstrap.__kwdefaults__["resamples"] == RESAMPLES
    monkeypatch.setitem(bootstrap.__kwdefaults__, "resamples", RESAMPLES // 40)


def lesions() -> tuple[Rows, Rows]:
    """Images of AUL to learn from, and others; each is a patient's only one."""
    folder = shared() / "data" / "aul"
    rows = [json.loads(line) for line in (folder / "annotations.jsonl").read_text().splitlines()]
    groups = [
        [
            row | {"image": str(folder / "images" / f"{row['id']}.jpg")}
            for row in rows
            if row["class"] == name and ("mass" in row or name == "normal")
        ]
        for name in ("normal", "benign", "malignant")
    ]
    learned = [row for group in groups for row in group[:LEARNED]]
    return learned, [row for group in groups for row in group[LEARNED:][:UNSEEN]]


def patches() -> tuple[Rows, Rows]:
    """One patch of each patient with a biopsy: of two of three to learn from, and of the others."""
    folder = shared() / "data" / "byra-rois"
    with (folder / "frames.csv").open() as stream:
        found = {row["patient"]: row for row in csv.DictReader(stream)}
    wanted = ("patient", "fat_percent", "hepatorenal_index")
    rows = [
        {"id": row["patch"], "image": str(folder / "patches" / row["patch"])}
        | {key: row[key] for key in wanted}
        for row in found.values()
    ]
    unseen = rows[::3]
    return [row for row in rows if row not in unseen], unseen


@dataclass(frozen=True)
class Trial:
    """A system, what it is shown, the figure that matters, and whether it counts epochs."""

    system: str
    images: Callable[[], tuple[Rows, Rows]]
    figure: str
    epochs: bool = True


TRIALS = (
    Trial("attention", lesions, "detection_auc"),
    Trial("dcnn-us", lesions, "malignancy_auc"),
    Trial("roi", lesions, "accuracy"),
    Trial("joint", lesions, "mass_jaccard_box"),
    Trial("fan-liver", lesions, "mass_dice"),
    Trial("multiview-fat", patches, "fat_mae", epochs=False),
    Trial("hepatorenal", patches, "fat_mae", epochs=False),
)


def test_no_system_is_left_out() -> None:
    """The gate and what learns from simulated frames have tests of their own, below."""
    assert {*(trial.system for trial in TRIALS), "gate", "view", "kidney"} == set(SYSTEMS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.system)
def test_a_system_is_trained_and_evaluated_by_command(
    node: Node, tmp_path: Path, trial: Trial
) -> None:
    learned, unseen = trial.images()
    data = written(tmp_path / "learned.jsonl", learned)
    run = tmp_path / "run"
    chosen = ["--data", str(data), "--out", str(run), "--device", "cpu", "--json", "--folds", "2"]
    if trial.epochs:
        chosen += ["--epochs", "1"]

    trained = node("models", "train", trial.system, *chosen)
    assert trained.status == 0, trained.err
    row = SYSTEMS[trial.system]
    card = tomllib.loads((run / row.bundle / "card.toml").read_text())
    assert card["system"] == row.reads
    assert card["figures"]
    assert len((run / row.bundle / "seen.txt").read_text().split()) == len(learned)

    crossed = node("models", "evaluate", trial.system, *chosen)
    assert crossed.status == 0, crossed.err
    found = crossed.json
    assert found["bundle"] is None
    assert "2-fold" in found["protocol"]
    check(found, trial.figure, len(learned))
    assert found["baseline"]
    assert (run / "evaluation.html").is_file()

    others = written(tmp_path / "unseen.jsonl", unseen)
    out = tmp_path / "out"
    held = node("models", "evaluate", str(run), "--data", str(others), "--out", str(out), "--json")
    assert held.status == 0, held.err
    found = held.json
    assert trained.json["digest"][:12] in found["bundle"]
    assert not any("learned from" in note for note in found["notes"])
    check(found, trial.figure, len(unseen))
    assert json.loads((out / "evaluation.json").read_text()) == found


def test_the_gate_is_trained_and_evaluated_by_command(node: Node, tmp_path: Path) -> None:
    learned, unseen = lesions()
    livers = written(tmp_path / "livers.jsonl", [*learned, *unseen])
    folder, run = tmp_path / "foreign", tmp_path / "run"
    made = node(
        *("models", "foreign", "--liver", str(livers)),
        *("--out", str(folder), "--copies", "2"),
    )
    assert made.status == 0, made.err
    chosen = ["--data", str(folder), "--out", str(run), "--device", "cpu", "--json"]
    trained = node("models", "train", "gate", *chosen)
    assert trained.status == 0, trained.err
    assert (run / "gate" / "seen.txt").is_file()
    crossed = node("models", "evaluate", "gate", *chosen)
    assert crossed.status == 0, crossed.err
    figure = crossed.json["figures"]["gate_auroc"]
    assert 0.8 < figure["low"] <= figure["value"] <= figure["high"] <= 1
    assert "gate_auroc" in crossed.json["baseline"]
    held = node("models", "evaluate", str(run), "--data", str(folder), "--json")
    assert held.status == 0, held.err
    assert held.json["figures"]["gate_auroc"]["value"] > 0.95
    assert any("learned from" in note for note in held.json["notes"])


@pytest.mark.timeout(600)
def test_the_views_are_trained_and_evaluated_by_command(node: Node, tmp_path: Path) -> None:
    folders = simulated(node, tmp_path, 6, 2)
    run = tmp_path / "run"
    chosen = ["--data", str(folders[0]), "--out", str(run), "--device", "cpu", "--json"]
    chosen += ["--folds", "2"]
    trained = node("models", "train", "view", *chosen)
    assert trained.status == 0, trained.err
    assert trained.json["validation_status"] == "simulated data only"
    assert len((run / "view" / "seen.txt").read_text().split()) == 24
    crossed = node("models", "evaluate", "view", *chosen)
    assert crossed.status == 0, crossed.err
    check(crossed.json, "accuracy", 24)
    assert "2-fold" in crossed.json["protocol"]
    assert crossed.json["baseline"]["accuracy"]
    assert (run / "evaluation.html").is_file()
    held = node("models", "evaluate", str(run), "--data", str(folders[1]), "--json")
    assert held.status == 0, held.err
    check(held.json, "accuracy", 8)
    assert held.json["figures"]["accuracy"]["value"] > 0.5, "a guess is right once in four"
    assert not any("learned from" in note for note in held.json["notes"])


@pytest.mark.timeout(600)
def test_the_kidney_is_trained_and_evaluated_by_command(node: Node, tmp_path: Path) -> None:
    learned, unseen = simulated(node, tmp_path, 4, 2)
    run = tmp_path / "run"
    chosen = ["--data", str(learned), "--out", str(run), "--device", "cpu", "--json"]
    chosen += ["--folds", "2", "--epochs", "1"]
    trained = node("models", "train", "kidney", *chosen)
    assert trained.status == 0, trained.err
    assert trained.json["validation_status"] == "simulated data only"
    card = tomllib.loads((run / "kidney" / "card.toml").read_text())
    assert card["initial_weights"]["sha256"] == load_bundle("fan-liver").digest
    assert "acknowledged" in card["initial_weights"]["attribution"]
    assert card["data"]["images_with_kidney"] == 4
    crossed = node("models", "evaluate", "kidney", *chosen)
    assert crossed.status == 0, crossed.err
    check(crossed.json, "kidney_dice", 16)
    assert set(crossed.json["baseline"]) == set(crossed.json["figures"])
    held = node("models", "evaluate", str(run), "--data", str(unseen), "--json")
    assert held.status == 0, held.err
    check(held.json, "kidney_dice", 8)
    refused = node("models", "train", "kidney", *chosen, "--init", str(SHIPPED / "gate"))
    assert refused.status == 1
    assert "of the system 'frame.gate'" in refused.err
    assert "--init" in refused.err


def simulated(node: Node, folder: Path, *people: int) -> list[Path]:
    """A folder for each number of simulated participants."""
    folders = [folder / f"{number}-people" for number in people]
    for number, made in zip(people, folders, strict=True):
        counted = ("--participants", str(number), "--seed", str(number), "--processes", "1")
        answer = node("models", "simulate", "--out", str(made), *counted)
        assert answer.status == 0, answer.err
    return folders


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("bundle", "named"),
    [
        ("lesion-attention", {"detection_auc", "malignancy_auc"}),
        ("lesion-dcnn-us", {"malignancy_auc"}),
        ("lesion-roi", {"accuracy", "malignancy_auc"}),
        ("lesion-joint", {"mass_jaccard_box", "mass_jaccard_click", "malignancy_auc"}),
        ("fan-liver", {"fan_iou", "liver_dice"}),
    ],
)
def test_a_shipped_bundle_is_evaluated_on_a_folder_that_nobody_has_seen(
    bundle: str, named: set[str], node: Node, tmp_path: Path
) -> None:
    """Livers in the mirror: the files are in no bundle's list of what it learned from."""
    folder = str(SHIPPED / bundle)  # fan-liver alone would be the system of that name
    answer = node("models", "evaluate", folder, "--data", str(mirrored(tmp_path)), "--json")
    assert answer.status == 0, answer.err
    assert {"system", "bundle", "n", "figures", "baseline"} <= set(answer.json)
    assert answer.json["bundle"].startswith(bundle)
    assert answer.json["n"] > 0
    assert named <= set(answer.json["figures"])
    for name in named:
        figure = answer.json["figures"][name]
        assert figure["low"] <= figure["value"] <= figure["high"]


def mirrored(folder: Path) -> Path:
    """A folder of the form of AUL: three images of each class, left and right exchanged."""
    (folder / "images").mkdir()
    learned, _ = lesions()
    lines = []
    for row in learned[::2]:
        with Image.open(row["image"]) as image:
            ImageOps.mirror(image).save(folder / "images" / f"{row['id']}.png")
        outlines = {
            name: [[row["width"] - 1 - x, y] for x, y in row[name]]
            for name in ("outline", "liver", "mass")
            if name in row
        }
        kept = {name: row[name] for name in ("id", "class", "width", "height")}
        lines.append(json.dumps(kept | outlines | {"image": f"images/{row['id']}.png"}))
    (folder / "annotations.jsonl").write_text("\n".join(lines))
    return folder


def check(found: Mapping[str, Any], name: str, most: int) -> None:
    """The figure is a number inside its interval, and of no more cases than were given."""
    assert 0 < found["n"] <= most
    figure = found["figures"][name]
    assert all(math.isfinite(figure[key]) for key in ("value", "low", "high"))
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert 0 < figure["cases"] <= most


def written(file: Path, rows: Rows) -> Path:
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file
