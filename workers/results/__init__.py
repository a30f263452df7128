"""DICOM objects that say what was found, by which model, how sure it is, and what was not judged.

One file per kind of result (``heatmap``, ``segmentation``, ``report``), gathered in ``registry``.
"""

from workers.results.encoding import encode
from workers.results.objects import FrameSource, ResultContext, ResultInputs, ResultObject
from workers.results.registry import BUILDERS, build

__all__ = [
    "BUILDERS",
    "FrameSource",
    "ResultContext",
    "ResultInputs",
    "ResultObject",
    "build",
    "encode",
]
