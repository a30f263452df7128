"""The kinds of result. A new kind is one new file and one line here.

The order is the order of delivery: the report comes last, so that whoever has the report has
everything that it speaks of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pydicom.dataset import Dataset

from node.errors import ResultError
from workers.findings import FrameRef, StudyFindings
from workers.results import header, heatmap, report
from workers.results.objects import FrameSource, ResultContext, ResultInputs, ResultObject

Builder = Callable[[ResultContext, ResultInputs], Iterator[ResultObject]]

BUILDERS: dict[str, Builder] = {
    "heatmap": heatmap.build,
    "report": report.build,
}


def build(
    context: ResultContext,
    findings: StudyFindings,
    headers: Mapping[str, Dataset],
    source_of: FrameSource,
) -> Iterator[ResultObject]:
    """Every result object of one run, heatmaps first, the report last.

    headers : by SOP Instance UID, without pixels, every instance of the study
    source_of : the whole frame, (rows, columns, 3) uint8 RGB

    The same arguments give the same bytes. Raises ResultError when no instance says which study
    this is, and whatever ``source_of`` raises.
    """
    source = header.clean(_first(findings.frames, headers))
    inputs = ResultInputs(findings, headers, source, source_of)
    for builder in BUILDERS.values():
        yield from builder(context, inputs)


def _first(frames: tuple[FrameRef, ...], headers: Mapping[str, Dataset]) -> Dataset:
    """The header that speaks for the study: of the first frame used, else of the first instance."""
    order = [*(frame.sop_instance_uid for frame in frames), *sorted(headers)]
    for uid in order:
        if uid in headers:
            return headers[uid]
    raise ResultError("a run has no instance: there is no study to report on")
