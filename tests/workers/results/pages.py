"""Heatmaps, their words, and the pictures on their pages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from tests.workers.results.studies import CONTEXT, by_uid
from workers.findings import StudyFindings
from workers.results import ResultContext, ResultObject, build
from workers.results.header import clean
from workers.results.heatmap import labels_of
from workers.results.objects import ResultInputs
from workers.results.picture import Labels, arranged


def heatmaps(
    findings: StudyFindings,
    headers: dict,
    pixels: NDArray[np.uint8],
    context: ResultContext = CONTEXT,
) -> list[ResultObject]:
    results = build(context, findings, headers, lambda _: pixels)
    return [result for result in results if result.kind == "heatmap"]


def words(findings: StudyFindings, header: Dataset, index: int = 0) -> Labels:
    inputs = ResultInputs(findings, by_uid(header), clean(header), lambda _: np.zeros(()))
    return labels_of(CONTEXT, inputs, findings.heatmaps[index])


def pictures(
    findings: StudyFindings, header: Dataset, pixels: NDArray[np.uint8], index: int = 0
) -> list[NDArray[np.int64]]:
    """The original and what is drawn beside it, as they stand on the page."""
    finding = findings.heatmaps[index]
    x0, y0, x1, y1 = finding.window
    labels, scaled = words(findings, header, index), finding.values is not None
    layout = arranged((x1 - x0, y1 - y0), labels, scaled=scaled)
    page = heatmaps(findings, by_uid(header), pixels)[index].preview
    assert page is not None
    assert page.shape[1::-1] == layout.page
    width, height = layout.size
    corners = (layout.original, layout.drawn)
    return [page[y : y + height, x : x + width].astype(int) for x, y in corners]
