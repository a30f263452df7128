"""The gate before the pathways: what shows no liver is read by no model.

Without its model the frames are read all the same, and the report says that nobody looked whether
they show a liver: a radiologist sees at a glance that an image is a heart, but not what a node that
withheld every answer would have found. Who wants no gate turns it off, and no report speaks of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.errors import BundleError
from models.frame.seen import Seen
from models.images import Window
from workers.analysis.loaded import identity
from workers.analysis.seen import seen_by
from workers.findings import Dropped, Frame, FrameRef, Prompt, Reason
from workers.messages import say

SUBJECT = "liver check"
_SYSTEM = "frame.gate"


class FrameGate:
    """Says which frames may be read; a bundle that is no gate is a BundleError."""

    def __init__(self, gate: Any, bundle: Bundle) -> None:
        check_gate(bundle)
        self.model = identity(bundle)
        self._gate = gate
        self._verdicts: dict[tuple[FrameRef, Window], Any] = {}

    def split(self, frames: Sequence[Frame]) -> tuple[list[Frame], list[Dropped]]:
        """The frames that show a liver, and the others, each with its score."""
        passed: list[Frame] = []
        refused: list[Dropped] = []
        for frame, seen, verdict in self._judged(frames):
            self._verdicts[frame.ref, frame.window] = verdict
            if verdict.is_liver:
                passed.append(replace(frame, seen=seen))
            else:
                ref = frame.ref
                why = Dropped(ref.sop_instance_uid, ref.number, Reason.NOT_LIVER, _words(verdict))
                refused.append(why)
        return passed, refused

    def note(self, prompt: Prompt, frame: Frame) -> str | None:
        """What the report says of a frame in which an operator pointed, who is not overruled; None
        where it shows a liver."""
        verdict = self._verdicts.get((frame.ref, frame.window))
        if verdict is None:  # a frame that the study's selection left out, or another region of it
            ((_, _, verdict),) = self._judged([frame])
        if verdict.is_liver:
            return None
        return say(
            "Prompt {prompt} points at a frame that does not look like a liver ({score}); it was "
            "read because an operator asked for it.",
            prompt=prompt.id,
            score=_words(verdict),
        )

    def _judged(self, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Seen, Any]]:
        """Each frame with what the network makes of it and the verdict."""
        seen = seen_by(self._gate.features, frames)
        verdicts = self._gate.of_features(np.stack([one.pooled for one in seen]))
        return zip(frames, seen, verdicts, strict=True)


def _words(verdict: Any) -> str:
    return say(
        "score {score:.2f}, a liver has at most {limit:.2f}",
        score=verdict.score,
        limit=verdict.limit,
    )


def check_gate(bundle: Bundle) -> None:
    """Raises BundleError for a bundle that is no gate."""
    if bundle.system != _SYSTEM:
        raise BundleError(
            f"bundle {bundle.name!r} of the system {bundle.system!r} refuses nothing: name one of "
            f"{_SYSTEM!r} in analysis.gate_bundle, or none"
        )
