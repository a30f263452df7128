"""Model bundles with random weights: the real systems, in no time and with no figures."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import torch

from models.backbones import BACKBONES, build_backbone
from models.fat.multiview import ESTIMATORS, QUANTITIES, VIEWS
from models.fat.scope import Scope
from models.frame.fan_liver_network import FanLiverNetwork
from models.frame.gate import Head
from models.frame.view import Head as ViewHead
from models.lesion.dcnn_us_network import LesionBackgroundNetwork
from models.lesion.network import AttentionNetwork
from models.lesion.roi_network import RoiNetwork
from models.training.card import write_bundle

BACKBONE = "efficientnet_lite0"
LABELS = ("lesion", "malignant")


def write_bundles(folder: Path, seed: int, *, version: str = "0.0.1") -> Path:
    """``lesion-attention``, ``fat-multiview`` and ``gate`` in ``folder``, drawn by ``seed``.

    The lesion threshold is 1 %, and neither the gate nor the fat model's scope has a limit, so that
    every study is read, shows a suspected lesion and has a fat estimate: what tests send are hearts
    mostly.
    """
    torch.manual_seed(seed)
    common = {
        "version": version,
        "backbone": BACKBONE,
        "lacks": ["training"],
        "validation_status": "simulated data only",
    }
    detector = AttentionNetwork(BACKBONE, LABELS, (1.0,))
    write_bundle(
        folder / "lesion-attention",
        detector.state_dict(),
        common
        | {
            "system": "lesion.attention",
            "labels": list(LABELS),
            "lacks": [],
            "preprocessing": {"focus": [1.0], "flip_average": False},
            "thresholds": {label: {"probability": 0.01} for label in LABELS},
        },
    )
    heads = (len(ESTIMATORS), len(QUANTITIES))
    channels = BACKBONES[BACKBONE].channels
    write_bundle(
        folder / "fat-multiview",
        build_backbone(BACKBONE).state_dict()
        | {
            "heads.weight": 0.01 * torch.randn(*heads, channels),
            "heads.bias": torch.tensor([12.0, 0.0, 0.0]).repeat(heads[0], 1),
            **_endless(channels).tensors(),
        },
        common | {"system": "fat.multiview", "labels": list(QUANTITIES), "preprocessing": {}},
    )
    open_gate = Head(np.zeros(channels, np.float32), 0.0, _endless(channels), np.inf)
    write_bundle(
        folder / "gate",
        build_backbone(BACKBONE).state_dict() | open_gate.tensors(),
        common | {"system": "frame.gate", "labels": ["foreign"], "preprocessing": {}},
    )
    return folder


def write_fan_liver(folder: Path, seed: int = 1, *, mass: float = 0.75) -> Path:
    """``fan-liver`` in ``folder``: fan and liver are everywhere, and so is a mass with this
    probability; the card's threshold is 0.4. The weights below, which say nothing, are drawn by
    ``seed``."""
    torch.manual_seed(seed)
    structures = ["fan", "liver", "mass"]
    network = FanLiverNetwork(BACKBONE, structures)
    with torch.no_grad():
        network.maps.weight.zero_()
        network.maps.bias.copy_(torch.tensor([9.0, 9.0, math.log(mass / (1 - mass))]))
    write_bundle(
        folder / "fan-liver",
        network.state_dict(),
        {
            "system": "frame.fan_liver",
            "version": "0.0.1",
            "backbone": BACKBONE,
            "labels": structures,
            "lacks": ["malignant"],
            "validation_status": "simulated data only",
            "preprocessing": {},
            "thresholds": {"mass": {"probability": 0.4}},
        },
    )
    return folder


def write_region_bundles(folder: Path, seed: int) -> Path:
    """``lesion-dcnn-us`` with a model LBC of age and hepatitis, and ``lesion-roi`` of three classes
    in ``folder``, the weights drawn by ``seed``."""
    torch.manual_seed(seed)
    common = {
        "version": "0.0.1",
        "backbone": BACKBONE,
        "lacks": [],
        "validation_status": "simulated data only",
        "preprocessing": {},
    }
    auc = {"value": 0.75, "interval_95": [0.5, 0.875], "cases": 9}
    write_bundle(
        folder / "lesion-dcnn-us",
        LesionBackgroundNetwork(BACKBONE, []).state_dict(),
        common
        | {
            "system": "lesion.dcnn_us",
            "labels": ["malignant"],
            "calibration": {"malignant": {"slope": 1.0, "intercept": 0.0}},
            "clinical": {
                "intercept": 0.5,
                "image": 2.0,
                "factors": {
                    "age": {"coefficient": 0.02, "mean": 50.0},
                    "hepatitis": {"coefficient": 1.5, "mean": 0.25},
                },
            },
            "figures": {
                "malignancy_auc": auc,
                "malignancy_auc_geometry_only": auc | {"value": 0.625},
            },
        },
        networks=2,
    )
    classes = ["none", "benign", "malignant"]
    network = RoiNetwork(BACKBONE, classes)
    write_bundle(
        folder / "lesion-roi",
        network.state_dict(),
        common | {"system": "lesion.roi", "labels": classes},
    )
    return folder


def write_view_bundle(folder: Path, seed: int, *, limit: float = 0.0) -> Path:
    """``view`` in ``folder``, drawn by ``seed``: it knows the view of every frame of which the
    likeliest has a probability of ``limit``."""
    generator = np.random.default_rng(seed)
    channels = BACKBONES[BACKBONE].channels
    head = ViewHead(
        generator.normal(size=(len(VIEWS), channels)).astype(np.float32),
        np.zeros(len(VIEWS), np.float32),
        _endless(channels),
        limit,
    )
    torch.manual_seed(seed)
    write_bundle(
        folder / "view",
        build_backbone(BACKBONE).state_dict() | head.tensors(),
        {
            "version": "0.0.1",
            "backbone": BACKBONE,
            "system": "frame.view",
            "labels": list(VIEWS),
            "lacks": [],
            "preprocessing": {},
            "validation_status": "simulated data only",
        },
    )
    return folder / "view"


def _endless(channels: int) -> Scope:
    """A scope in which everything is familiar."""
    return Scope(
        mean=np.zeros(channels, np.float32),
        directions=np.eye(1, channels, dtype=np.float32),
        spread=np.ones(1, np.float32),
        outside=1.0,
        limit=np.inf,
    )


def weights_digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
