"""What the worker computes with: the device and the models."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

from node.cli.checks.finding import Finding
from node.settings import Settings


def device(settings: Settings) -> Iterator[Finding]:
    wanted = settings.analysis.device
    if importlib.util.find_spec("torch") is None:
        yield Finding(
            "wrong",
            "device",
            "torch is not installed: nothing can be analysed here",
            "install hepanode with its dependencies where the worker runs",
        )
        return
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cpu" or (wanted == "auto" and not count):
        threads = settings.analysis.threads or os.cpu_count()
        why = "" if wanted == "cpu" else ", as there is no GPU"
        yield Finding("ok", "device", f"CPU, {threads} threads{why}")
        return
    number = int(wanted.partition(":")[2] or 0)
    if number < count:
        yield Finding("ok", "device", f"GPU {number}: {torch.cuda.get_device_name(number)}")
    else:
        yield Finding(
            "wrong",
            "device",
            f"analysis.device = {wanted!r}, but torch {torch.__version__} sees {count} GPUs",
            "set analysis.device = 'auto', or mend the driver",
        )


def models(settings: Settings) -> Iterator[Finding]:
    from models.errors import BundleError
    from models.registry import load_bundle

    analysis = settings.analysis
    for name in (
        analysis.lesion_bundle,
        analysis.fat_bundle,
        analysis.joint_bundle,
        analysis.hepatorenal_bundle,
    ):
        try:
            bundle = load_bundle(name, settings.bundle_folders)
        except BundleError as error:
            yield Finding("wrong", "model", str(error))
        else:
            yield Finding("ok", "model", f"{bundle.title}: {bundle.validation_status}")
