"""Annotated images: what a hospital hands to training and evaluation."""

from models.data.about import About, read_about
from models.data.case import (
    Box,
    Case,
    Clinical,
    Grey,
    ImageHeader,
    Outline,
    bounding_box,
    picture_header,
    read_picture,
)
from models.data.decoding import undecodable
from models.data.manifest import COLUMNS, read_manifest

__all__ = [
    "COLUMNS",
    "About",
    "Box",
    "Case",
    "Clinical",
    "Grey",
    "ImageHeader",
    "Outline",
    "bounding_box",
    "picture_header",
    "read_about",
    "read_manifest",
    "read_picture",
    "undecodable",
]
