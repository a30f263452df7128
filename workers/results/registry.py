"""The kinds of result. A new kind is one new file and one line here.

Every run makes them all, so that a key stands for one set; a destination gets those that its
``kinds`` name. The order is the order of delivery: the report comes after all that it speaks of, so
that whoever has the report has that too; only then is put away what this version replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from pydicom.dataset import Dataset

from node.errors import ResultError
from node.identity import MARKS, is_ours
from workers.findings import FrameRef, StudyFindings
from workers.results import (
    document,
    header,
    heatmap,
    key_objects,
    presentation,
    rejection,
    report,
    segmentation,
    summary,
)
from workers.results.objects import FrameSource, ResultContext, ResultInputs, ResultObject

_KEPT = 16
"""Whole frames that are kept: the summary shows again what the heatmaps were drawn on."""

Builder = Callable[[ResultContext, ResultInputs], Iterator[ResultObject]]

BUILDERS: dict[str, Builder] = {
    "heatmap": heatmap.build,
    "segmentation": segmentation.build,
    "presentation": presentation.build,
    "summary": summary.build,
    "document": document.build,
    "key-objects": key_objects.build,
    "report": report.build,
    "rejection": rejection.build,
}


def build(
    context: ResultContext,
    findings: StudyFindings,
    headers: Mapping[str, Dataset],
    source_of: FrameSource,
) -> Iterator[ResultObject]:
    """Every result object of one run, of all kinds, in the order of delivery.

    headers : by SOP Instance UID, without pixels, every instance of the study
    source_of : the whole frame, (rows, columns, 3) uint8 RGB

    The same arguments give the same bytes. Raises ResultError when no instance says which study
    this is, and whatever ``source_of`` raises.
    """
    foreign = {uid: h for uid, h in headers.items() if not _is_own(h)} or headers
    source = header.clean(_first(findings.frames, foreign))
    inputs = ResultInputs(findings, foreign, source, lru_cache(_KEPT)(source_of))
    for builder in BUILDERS.values():
        yield from builder(context, inputs)


def _is_own(instance: Dataset) -> bool:
    """``node.identity.is_own`` for headers that pydicom may not accept; it suffices here."""
    return is_ours(*(header.read(instance, keyword) for keyword in MARKS))


def _first(frames: tuple[FrameRef, ...], headers: Mapping[str, Dataset]) -> Dataset:
    """The header that speaks for the study: of the first frame used, else of an instance.

    A header without Study Instance UID, as of a truncated file, speaks for nothing.
    """
    order = [*(frame.sop_instance_uid for frame in frames), *sorted(headers)]
    for uid in order:
        if uid in headers and header.read(headers[uid], "StudyInstanceUID"):
            return headers[uid]
    raise ResultError(
        f"none of {len(headers)} instances has a valid Study Instance UID: no result can be filed"
    )
