"""Key objects: the frames to look at first, and the heatmaps drawn on them, as one selection."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.uid import SecondaryCaptureImageStorage

from workers.messages import say
from workers.results import codes
from workers.results.capture import WARNING
from workers.results.content.references import by_instance
from workers.results.envelope import contributing_equipment
from workers.results.heatmap import heatmaps
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.selection import image, select

KIND = "key-objects"


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One document (113000, DCM, "Of Interest") that names the key frames, then the heatmaps; none
    where there is no key frame."""
    findings = inputs.findings
    shown = [one.frame for one in findings.heatmaps]
    frames = by_instance(shown + [one.frame for one in (*findings.prompted, *findings.lesions)])
    if not frames:
        return
    drawn = heatmaps(context, findings)
    selected = select(
        KIND,
        context,
        inputs,
        title=codes.OF_INTEREST,
        offset=12,
        series_description=say("AI key frames"),
        description=say(
            "Key frames of the AI, and the heatmaps drawn on them. {warning}.",
            warning=say(WARNING),
        ),
        references=[
            *(
                image(
                    one.sop_class_uid,
                    one.sop_instance_uid,
                    numbers if one.number_of_frames > 1 else None,
                )
                for one, numbers in frames.items()
            ),
            *(image(SecondaryCaptureImageStorage, one.sop_instance_uid) for one in drawn),
        ],
        evidence=[
            *((f.series_instance_uid, f.sop_class_uid, f.sop_instance_uid) for f in frames),
            *(
                (one.series_instance_uid, SecondaryCaptureImageStorage, one.sop_instance_uid)
                for one in drawn
            ),
        ],
    )
    selected.dataset.ContributingEquipmentSequence = contributing_equipment(findings.models)
    yield selected
