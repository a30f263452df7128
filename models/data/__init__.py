"""Annotated images: what a hospital hands to training and evaluation."""

from models.data.case import Box, Case, Clinical, Grey, Outline, bounding_box, read_picture
from models.data.manifest import COLUMNS, read_manifest

__all__ = [
    "COLUMNS",
    "Box",
    "Case",
    "Clinical",
    "Grey",
    "Outline",
    "bounding_box",
    "read_manifest",
    "read_picture",
]
