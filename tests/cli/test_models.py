"""Models are listed, verified, installed and returned to by command."""

from __future__ import annotations

import shutil
from pathlib import Path

from models.registry import SHIPPED, load_bundle
from models.systems import SYSTEMS
from node.settings import load
from tests.bundles import weights_digest, write_bundles
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
        assert row["digest"] == weights_digest(SHIPPED / name)
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
    new = weights_digest(trained / "one" / "lesion-attention")
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
    digests = {run: weights_digest(trained / run / "lesion-attention") for run in ("one", "two")}
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
