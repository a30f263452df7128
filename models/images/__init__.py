"""What the papers call preprocessing: fan crop, echo normalisation and resizing.

Training and inference use these same functions.
"""

from models.images.fan import Window, content_window, crop
from models.images.normalisation import echo_scale, normalise_echo
from models.images.resizing import imagenet_tensor, resize, standardised

__all__ = [
    "Window",
    "content_window",
    "crop",
    "echo_scale",
    "imagenet_tensor",
    "normalise_echo",
    "resize",
    "standardised",
]
