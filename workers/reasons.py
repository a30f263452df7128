"""Why something was not analysed or not answered, and the sentence that says so."""

from __future__ import annotations

from enum import StrEnum

from workers.messages import marked, say


class Reason(StrEnum):
    """Why something was not analysed. Each has a sentence in ``EXPLANATION``."""

    NOT_ULTRASOUND = "not-ultrasound"
    NOT_AN_IMAGE = "not-an-image"
    OWN_RESULT = "own-result"
    NO_PIXELS = "no-pixels"
    UNREADABLE = "unreadable"
    UNDECODABLE = "undecodable"
    UNSUPPORTED_CODEC = "unsupported-codec"
    TOO_LARGE = "too-large"
    NOT_SAMPLED = "not-sampled"
    DOPPLER = "doppler"
    M_MODE = "m-mode"
    NOT_B_MODE = "not-b-mode"
    TOO_DARK = "too-dark"
    TOO_SMALL = "too-small"
    NO_FRAMES = "no-frames"
    UNFAMILIAR = "unfamiliar"
    NO_NUMBER = "no-number"
    MODEL_UNAVAILABLE = "model-unavailable"
    NOT_MEASURED = "not-measured"
    OUTSIDE_REGION = "outside-region"
    NOTHING_OUTLINED = "nothing-outlined"
    BOX_NEEDED = "box-needed"
    NOT_LIVER = "not-liver"
    REGIONS_OVERLAP = "regions-overlap"
    REGIONS_APART = "regions-apart"
    REGION_DARK = "region-dark"
    REGION_SATURATED = "region-saturated"
    BEYOND_FITTED = "beyond-fitted"
    NOT_OUTLINED = "not-outlined"
    NOT_LEARNED = "not-learned"


EXPLANATION: dict[Reason, str] = {
    Reason.NOT_ULTRASOUND: marked("not an ultrasound image"),
    Reason.NOT_AN_IMAGE: marked("an object without an image, kept as received"),
    Reason.OWN_RESULT: marked("a result of this node that came back"),
    Reason.NO_PIXELS: marked("the image holds no pixel data"),
    Reason.UNREADABLE: marked("the file's header cannot be read or contradicts itself"),
    Reason.UNDECODABLE: marked("the pixel data cannot be decoded"),
    Reason.UNSUPPORTED_CODEC: marked("no decoder for this transfer syntax"),
    Reason.TOO_LARGE: marked("decoded, the frame would exceed the configured limit"),
    Reason.NOT_SAMPLED: marked("other frames of the same loop stand for it"),
    Reason.DOPPLER: marked("colour or spectral Doppler"),
    Reason.M_MODE: marked("M-mode"),
    Reason.NOT_B_MODE: marked("no grey B-mode region was found"),
    Reason.TOO_DARK: marked("the image is too dark to judge"),
    Reason.TOO_SMALL: marked("the B-mode region is too small to judge"),
    Reason.NO_FRAMES: marked("no frame of the study could be analysed"),
    Reason.UNFAMILIAR: marked("the frames are unlike those that the model was fitted on"),
    Reason.NO_NUMBER: marked("the model's answer was no number"),
    Reason.MODEL_UNAVAILABLE: marked("the model is not available on this node"),
    Reason.NOT_MEASURED: marked(
        "no model on this node outlines the lesion, so it was not measured"
    ),
    Reason.OUTSIDE_REGION: marked("the prompt lies outside of the B-mode region"),
    Reason.NOTHING_OUTLINED: marked("the model outlines nothing there"),
    Reason.BOX_NEEDED: marked(
        "the model was validated for this with boxes only, and clicks were given"
    ),
    Reason.NOT_LIVER: marked("does not look like a liver"),
    Reason.REGIONS_OVERLAP: marked("the liver and the kidney region overlap"),
    Reason.REGIONS_APART: marked("the liver and the kidney region lie at too different depths"),
    Reason.REGION_DARK: marked(
        "a region is black in part: beyond the fan, in a vessel or in a shadow"
    ),
    Reason.REGION_SATURATED: marked("a region is saturated"),
    Reason.BEYOND_FITTED: marked("the index lies beyond those that the model was fitted on"),
    Reason.NOT_OUTLINED: marked("not outlined: no part of the map of masses reaches its threshold"),
    Reason.NOT_LEARNED: marked("the model was never taught it, for want of labels"),
}


def explained(reason: Reason) -> str:
    """Its sentence, said."""
    return say(EXPLANATION[reason])
