"""The view of frames of which DICOM says none, named by a model where one is configured.

What DICOM says is never asked again. A frame that the model does not know keeps its unknown view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.errors import BundleError
from workers.analysis.loaded import identity
from workers.analysis.seen import seen_by
from workers.findings import Frame
from workers.messages import say

SUBJECT = "liver view"
_SYSTEM = "frame.view"


class FrameViews:
    """Names views; a bundle of another system is a BundleError."""

    def __init__(self, classifier: Any, bundle: Bundle) -> None:
        check_views(bundle)
        self.model = identity(bundle)
        self._classifier = classifier
        self._asked = self._named = 0

    def name(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames, in order, those of unknown view with the view that the model knows."""
        silent = [frame for frame in frames if frame.view is None]
        if not silent:
            return [*frames]
        self._asked += len(silent)
        readings = iter(self._read(silent))
        return [
            self._told(frame, next(readings)) if frame.view is None else frame for frame in frames
        ]

    def notes(self) -> tuple[str, ...]:
        """What the report says of it; nothing where DICOM named every view."""
        if not self._asked:
            return ()
        words = say(
            "DICOM names no view of {asked} of the frames. {model} {version} ({standing}) named "
            "that of {named}; of the other {others} it is not known.",
            asked=self._asked,
            model=self.model.name,
            version=self.model.version,
            standing=say(self.model.validation_status),
            named=self._named,
            others=self._asked - self._named,
        )
        return (words,)

    def _told(self, frame: Frame, reading: Any) -> Frame:
        if reading.view is None:
            return frame
        self._named += 1
        probability = reading.probabilities[reading.view]
        model = f"{self.model.name} {self.model.version} ({self.model.validation_status})"
        note = f"named by {model}, probability {probability:.2f}"
        both = "; ".join(filter(None, (frame.view_note, note)))
        return replace(frame, view=reading.view, view_note=both, view_by_model=True)

    def _read(self, frames: Sequence[Frame]) -> Sequence[Any]:
        seen = seen_by(self._classifier.features, frames)
        return self._classifier.of_features(np.stack([one.pooled for one in seen]))  # type: ignore[no-any-return]


def check_views(bundle: Bundle) -> None:
    """Raises BundleError for a bundle that names no views."""
    if bundle.system != _SYSTEM:
        raise BundleError(
            f"bundle {bundle.name!r} of the system {bundle.system!r} names no liver view: name one "
            f"of {_SYSTEM!r} in analysis.view_bundle, or none"
        )
