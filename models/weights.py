"""Weights on disk: safetensors in half precision, never a pickle."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models.bundle import Bundle
from models.errors import BundleError


def read_weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    """A bundle's tensors on the CPU, floating point ones as float32."""
    try:
        tensors = load_file(bundle.weights)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"bundle {bundle.name!r}: its weights cannot be read ({error}); install it again"
        ) from error
    return {
        key: value.float() if value.is_floating_point() else value for key, value in tensors.items()
    }


def write_weights(
    tensors: dict[str, torch.Tensor], path: Path, *, full: frozenset[str] = frozenset()
) -> None:
    """Tensors to a safetensors file, floating point ones in half precision.

    full : keys that keep their precision, as small linear heads do.
    """
    save_file(
        {
            key: (value.half() if value.is_floating_point() and key not in full else value)
            .detach()
            .contiguous()
            for key, value in tensors.items()
        },
        path,
    )
    path.chmod(0o644)  # safetensors leaves it readable to its owner only


def fill(network: torch.nn.Module, tensors: dict[str, torch.Tensor], bundle: Bundle) -> None:
    """Loads tensors into a network of exactly their names and shapes; BundleError otherwise."""
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise BundleError(
            f"bundle {bundle.name!r}: its weights do not fit the {bundle.backbone} that its card "
            "names; install it again"
        ) from error
