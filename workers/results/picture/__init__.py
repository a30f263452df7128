"""The pictures of heatmap and summary: arrays and text in, one RGB array or PDF out; nothing
of DICOM."""

from workers.results.picture.document import write_document
from workers.results.picture.marks import Marks
from workers.results.picture.page import Labels, arranged, draw
from workers.results.picture.sheet import (
    Banner,
    Block,
    Rulers,
    Scale,
    Table,
    Thumbnail,
    Thumbnails,
    Words,
    draw_sheet,
)

__all__ = [
    "Banner",
    "Block",
    "Labels",
    "Marks",
    "Rulers",
    "Scale",
    "Table",
    "Thumbnail",
    "Thumbnails",
    "Words",
    "arranged",
    "draw",
    "draw_sheet",
    "write_document",
]
