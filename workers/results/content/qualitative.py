"""What holds for the whole report: its standing, what was not answered, what was not analysed."""

from __future__ import annotations

from collections.abc import Iterable

from highdicom.sr import ContainerContentItem, ContentItem, ContentSequence

from workers.findings import Abstention, Dropped, Reason, StudyFindings, explained
from workers.messages import counted, say
from workers.results import codes
from workers.results.content.items import CONTAINS, PROPERTY, code, number, text, with_properties
from workers.results.objects import ResultContext

DETAILS = 5
"""Distinct details listed for one reason; a study of 900 frames must not fill the report."""


def evaluations(
    context: ResultContext, findings: StudyFindings, header_changes: Iterable[str]
) -> ContainerContentItem:
    """Qualitative Evaluations (TID 1500, row 12): never empty, so a report is always valid."""
    container = ContainerContentItem(name=codes.QUALITATIVE_EVALUATIONS, relationship_type=CONTAINS)
    container.ContentSequence = ContentSequence(
        [
            code(codes.REVIEW_STATUS, codes.NOT_REVIEWED),
            code(codes.INTENDED_USE, codes.INVESTIGATIONAL),
            *(_abstention(abstention) for abstention in findings.abstentions),
            *_not_analysed(findings.dropped),
            *(text(codes.COMMENT, note) for note in findings.notes),
            *(text(codes.HEADER_CHANGE, change) for change in header_changes),
            text(codes.PROCESSING_RUN, _run(context)),
        ]
    )
    return container


def _abstention(abstention: Abstention) -> ContentItem:
    name = codes.SUBJECT.get(abstention.subject, codes.NOT_ANSWERED)
    details = [] if abstention.subject in codes.SUBJECT else [say(abstention.subject)]
    if abstention.detail:
        details.append(abstention.detail)
    return with_properties(
        code(name, codes.REASON.get(abstention.reason, codes.OTHER_REASON)),
        *_details(abstention.reason, details),
    )


def _not_analysed(dropped: Iterable[Dropped]) -> list[ContentItem]:
    """One item per reason, most frequent first, with the number of instances and frames."""
    by_reason: dict[Reason, list[Dropped]] = {}
    for drop in dropped:
        by_reason.setdefault(drop.reason, []).append(drop)
    items = []
    for reason, drops in sorted(by_reason.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        instances = {drop.sop_instance_uid for drop in drops}
        frames = [drop for drop in drops if drop.number is not None]
        counts = [number(codes.INSTANCES_NOT_ANALYSED, len(instances), codes.INSTANCES, PROPERTY)]
        if frames:
            counts.append(number(codes.FRAMES_NOT_ANALYSED, len(frames), codes.FRAMES, PROPERTY))
        details = sorted({drop.detail for drop in drops if drop.detail})
        items.append(
            with_properties(
                code(codes.NOT_ANALYSED, codes.REASON.get(reason, codes.OTHER_REASON)),
                *counts,
                *_details(reason, details),
            )
        )
    return items


def _details(reason: Reason, details: list[str]) -> list[ContentItem]:
    if reason not in codes.REASON:
        details = [explained(reason), *details]
    shown = details[:DETAILS]
    if (further := len(details) - DETAILS) > 0:
        shown.append(counted("and {n} more", "and {n} more", further))
    return [text(codes.DETAIL, detail, PROPERTY) for detail in shown]


def _run(context: ResultContext) -> str:
    return say(
        "run {run} of node {node}, version {version}, result key {key}",
        run=context.run_id,
        node=context.node_name,
        version=context.version,
        key=context.result_key,
    )
