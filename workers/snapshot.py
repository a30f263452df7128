"""What a run keeps of itself: for ``hepanode runs explain`` and for whoever asks years later."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from node import tracking
from node.settings import Analysis
from workers.answer import study_answer
from workers.findings import (
    FoundLesion,
    LesionFinding,
    OutlinedLesion,
    PromptedLesion,
    StudyFindings,
)
from workers.key import analysis_settings, code


def snapshot(
    findings: StudyFindings,
    version: int,
    settings: Analysis,
    prompts: Sequence[tracking.Prompt] = (),
    factors: Mapping[str, float] | None = None,
    writing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All that the key is made of, and the findings: every frame used, every frame dropped and why,
    prompts, factors, models, settings and code; no pixels.

    As JSON has it: None where a model gave no number, for PostgreSQL refuses NaN and infinity.
    """
    models = {
        "lesion": findings.lesion_model,
        "fat": findings.fat_model,
        "joint": findings.joint_model,
        "fan_liver": findings.fan_liver_model,
        "gate": findings.gate_model,
        "view": findings.view_model,
        "hepatorenal": findings.hepatorenal_model,
    }
    record: dict[str, Any] = {
        "version": version,
        "frames": [asdict(frame) for frame in findings.frames],
        "dropped": [asdict(drop) for drop in findings.dropped],
        "prompts": [_given(one) for one in prompts],
        "factors": dict(factors or {}),
        "models": {name: asdict(model) for name, model in models.items() if model}
        | {f"region {model.name}": asdict(model) for model in findings.region_models},
        "settings": analysis_settings(settings) | {"results": dict(writing or {})},
        "code": code(),
        "findings": {
            "readings": [
                {
                    "sop_instance_uid": reading.frame.sop_instance_uid,
                    "frame": reading.frame.number,
                    "probabilities": reading.probabilities,
                    "bounds": reading.bounds,
                    "familiar": reading.familiar,
                }
                for reading in findings.readings
            ],
            "answer": _answer(findings),
            "lesions": [_lesion(lesion) for lesion in findings.lesions],
            "prompted": [_prompted(lesion) for lesion in findings.prompted],
            "hepatorenal": asdict(findings.hepatorenal) if findings.hepatorenal else None,
            "fat": _fat(findings),
            "thresholds": findings.thresholds,
            "abstentions": [asdict(abstention) for abstention in findings.abstentions],
        },
        "notes": list(findings.notes),
    }
    finite: dict[str, Any] = _finite(record)
    return finite


def _given(prompt: tracking.Prompt) -> dict[str, Any]:
    return {
        "id": prompt.id,
        "sop_instance_uid": prompt.sop_instance_uid,
        "frame": prompt.frame,
        "kind": prompt.kind,
        "coordinates": prompt.coordinates,
        "stands": prompt.taken_back_at is None,
    }


def _answer(findings: StudyFindings) -> dict[str, Any] | None:
    """Of the study, with the sentences that the report has."""
    if (answer := study_answer(findings)) is None:
        return None
    said = {"suspected": answer.suspected, "sentences": answer.sentences}
    return said | asdict(answer)


def _lesion(lesion: LesionFinding) -> dict[str, Any]:
    record = {
        "tracking_id": lesion.tracking_id,
        "sop_instance_uid": lesion.frame.sop_instance_uid,
        "frame": lesion.frame.number,
        "probabilities": lesion.probabilities,
        "bounds": lesion.bounds,
        "outline": lesion.outline,
        "outline_kind": lesion.outline_kind,
    }
    if isinstance(lesion, FoundLesion):
        record |= _outlined(lesion) | {
            "box": lesion.box,
            "mass": lesion.mass,
            "seen_in": [frame.number for frame in lesion.seen_in],
        }
    return record


def _prompted(lesion: PromptedLesion) -> dict[str, Any]:
    return {
        "tracking_id": lesion.tracking_id,
        "sop_instance_uid": lesion.frame.sop_instance_uid,
        "frame": lesion.frame.number,
        "prompt": asdict(lesion.prompt),
        "probabilities": lesion.probabilities,
        "bounds": lesion.bounds,
        "outline": lesion.outline,
    } | _outlined(lesion)


def _outlined(lesion: OutlinedLesion) -> dict[str, Any]:
    """Its size, and what further models say of it."""
    return {
        "readings": [
            {
                "model": reading.model.name,
                "probabilities": reading.probabilities,
                "bounds": reading.bounds,
                "conditions": reading.conditions,
            }
            for reading in lesion.readings
        ],
        "diameters": asdict(lesion.diameters) if lesion.diameters else None,
        "area_pixels": lesion.area_pixels,
        "area_mm2": lesion.area_mm2,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fat(findings: StudyFindings) -> dict[str, Any] | None:
    if findings.fat is None:
        return None
    return {
        "fat_percent": findings.fat.fat_percent,
        "p_5": findings.fat.p_5,
        "p_10": findings.fat.p_10,
        "views": findings.fat.views,
        "frames_of_unknown_view": findings.fat.frames_of_unknown_view,
        "frames_not_counted": findings.fat.frames_not_counted,
        "frames_of_named_view": findings.fat.frames_of_named_view,
    }
