"""The picture of a heatmap: arrays and text in, one RGB array out; nothing of DICOM here."""

from workers.results.picture.marks import Marks
from workers.results.picture.page import Labels, draw

__all__ = ["Labels", "Marks", "draw"]
