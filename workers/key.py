"""What a result set is made from, as one digest: the same key means nothing new in the PACS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from node.settings import Analysis, Results
from node.tracking import Prompt
from workers.analysis import Plan
from workers.findings import Dropped, FrameRef, Reason
from workers.messages import Language

FORMAT = 8  # raised when the same findings would be written differently

_IRRELEVANT = {"device", "threads", "time_limit", "bundle_folders"}


def analysis_settings(settings: Analysis) -> dict[str, Any]:
    """The settings that can change a result; the digests of the bundles stand for their names."""
    names = {key for key in type(settings).model_fields if key.endswith("_bundle")}
    return settings.model_dump(mode="json", exclude=_IRRELEVANT | names)


def result_settings(settings: Results, language: Language) -> dict[str, Any]:
    """Those that are not as they come; a table of messages counts by its content."""
    chosen = settings.model_dump(mode="json", exclude={"messages"}, exclude_defaults=True)
    return chosen | ({"messages": language.digest} if language.digest else {})


def code() -> dict[str, Any]:
    """The program that makes results now; of it only the format counts for the key."""
    return {"hepanode": version("hepanode"), "format": FORMAT}


def result_key(
    study_instance_uid: str,
    frames: Sequence[FrameRef],
    dropped: Sequence[Dropped],
    chosen: Plan,
    settings: Analysis,
    prompts: Sequence[Prompt] = (),
    factors: Mapping[str, float] | None = None,
    writing: Mapping[str, Any] | None = None,
) -> str:
    """SHA-256 in hex over inputs, models (weights and cards) and settings.

    The node's own results do not count as input: their return must not make a new version. Nor do
    the models of prompts that a study does not have: its key is the one it had before there were
    any of that sort; ``chosen`` does not hold the models then. A prompt that was taken back counts,
    see ``node.tracking.prompts``. factors : only those that a chosen model reads. writing : as
    ``result_settings`` has them.
    """
    material: dict[str, Any] = {
        "format": FORMAT,
        "study": study_instance_uid,
        "frames": [(frame.sop_instance_uid, frame.number) for frame in frames],
        "dropped": [
            (drop.sop_instance_uid, drop.number, drop.reason, drop.detail)
            for drop in dropped
            if drop.reason is not Reason.OWN_RESULT
        ],
        # All that may read: which of them will is known only once the frames are read.
        "models": chosen.digests,
        "settings": analysis_settings(settings),
    }
    if prompts:
        material["prompts"] = [
            (one.sop_instance_uid, one.frame, one.kind, one.coordinates, one.taken_back_at is None)
            for one in prompts
        ]
    if factors:
        material["factors"] = factors
    if writing:
        material["results"] = writing
    text = json.dumps(material, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
