"""Bundles are found, verified by digest and opened by system name."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.errors import BundleError
from models.lesion.attention import AttentionDetector
from models.lesion.network import AttentionNetwork
from models.registry import find_bundles, load_bundle, open_system, read_bundle
from models.training.card import write_bundle

CARD = {
    "system": "lesion.attention",
    "version": "9",
    "backbone": "efficientnet_lite0",
    "labels": ["lesion"],
    "lacks": ["cyst"],
    "validation_status": "simulated data only",
    "preprocessing": {"focus": [1.0]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "own", {"local.bias": torch.ones(1)}, CARD)
    return tmp_path


def test_own_bundles_stand_beside_the_shipped_ones(folder: Path) -> None:
    assert {"own", "lesion-attention", "fat-multiview"} <= set(find_bundles([folder]))
    bundle = load_bundle("own", [folder])
    assert (bundle.labels, bundle.lacks, bundle.version) == (("lesion",), ("cyst",), "9")
    assert bundle.digest[:12] in bundle.title


def test_exchanged_weights_are_refused(folder: Path) -> None:
    weights = folder / "own" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(BundleError, match=r"'own'.*sha256.*install the bundle again"):
        load_bundle("own", [folder])


def test_a_missing_bundle_names_those_there_are(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"'nowhere': not found.*own"):
        load_bundle("nowhere", [folder])


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / "own" / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"model\.safetensors is missing"):
        read_bundle(folder / "own")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('version = "9"', "", "needs 'version' as a str"),
        ("simulated data only", "trust me", "validation_status 'trust me' is not one of"),
        ('version = "9"', "version = ", "cannot be read"),
    ],
)
def test_a_bad_card_is_refused(folder: Path, old: str, new: str, message: str) -> None:
    card = folder / "own" / "card.toml"
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(BundleError, match=message):
        read_bundle(folder / "own")


@pytest.mark.parametrize("system", ["lesion.nothing", "os.path", "lesion.network", "../evil"])
def test_an_unknown_system_is_refused(tmp_path: Path, system: str) -> None:
    write_bundle(tmp_path / "odd", {"x": torch.ones(1)}, {**CARD, "system": system})
    with pytest.raises(BundleError, match="has no system"):
        open_system(read_bundle(tmp_path / "odd"))


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match="do not fit"):
        open_system(load_bundle("own", [folder]))


def test_a_detector_says_only_what_its_bundle_has(tmp_path: Path) -> None:
    network = AttentionNetwork("efficientnet_lite0", ["lesion"])
    bundle = write_bundle(tmp_path / "one", network.state_dict(), CARD)
    detector = open_system(bundle)
    assert isinstance(detector, AttentionDetector)
    image = torch.randint(0, 255, (120, 160), dtype=torch.uint8).numpy()
    assert list(detector.read([image])[0].probabilities) == ["lesion"]


def test_listing_bundles_does_not_import_torch() -> None:
    code = (
        "import sys, models.registry as r; assert len(r.find_bundles()) >= 2;"
        "[r.load_bundle(n) for n in r.find_bundles()]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
