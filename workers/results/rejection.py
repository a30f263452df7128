"""The rejection note: a PACS after IHE's IOCM profile puts away what this version replaces.

No destination gets it unless its ``kinds`` name it: a PACS that does not know the profile files it
as one more key object selection, and one that does may hide what somebody has reported on. It goes
last, and nothing waits for it (``node.tracking.deliveries``).
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.uid import SecondaryCaptureImageStorage, SegmentationStorage

from workers.messages import say
from workers.results import codes
from workers.results.objects import ResultContext, ResultInputs, ResultObject
from workers.results.selection import composite, image, select

KIND = "rejection"
_IMAGES = (SecondaryCaptureImageStorage, SegmentationStorage)


def build(context: ResultContext, inputs: ResultInputs) -> Iterator[ResultObject]:
    """One document that names every object of the study's earlier versions; none for a first one.

    Its title is (113001, DCM, "Rejected for Quality Reasons"). Of the four that IOCM knows, two are
    untrue of a result that a better one replaces (a wrong worklist entry, a retention that has
    expired), and the fourth, for patient safety, forbids the PACS to show it ever again, where a
    radiologist may want to see what they were told. CID 7011, from which a reason may be added, has
    faults of images and apparatus only, and the description says it instead.

    An object is named by the UID that it was made under. A report that a destination took in an
    older class has another one there, which is not named: that report stays in sight. Objects that
    a destination never got are named all the same, for it is one document for all destinations: of
    a PACS that does not act on it for that reason, the delivery fails and says so.
    """
    if not context.replaced:
        return
    yield select(
        KIND,
        context,
        inputs,
        title=codes.REJECTED,
        offset=13,
        series_description=say("Rejection of earlier AI results"),
        description=say(
            "Replaced by version {version} of the AI results of this study.",
            version=context.version,
        ),
        references=[
            image(sop_class, uid) if sop_class in _IMAGES else composite(sop_class, uid)
            for _, sop_class, uid in context.replaced
        ],
        evidence=context.replaced,
        unreviewed=False,
    )
