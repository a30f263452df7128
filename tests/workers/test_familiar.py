"""Frames unlike those that the detector learned from: its answer stands, and what it is worth is
said wherever it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fat.scope import Scope
from models.frame.seen import Seen
from models.lesion.familiar import Familiar
from models.registry import load_bundle
from node.settings import Analysis
from tests.workers.results.studies import NOTHING
from workers.analysis.lesion import UNFAMILIAR, LesionPathway
from workers.answer import study_answer
from workers.findings import Frame, FrameRef, StudyFindings
from workers.snapshot import snapshot

NETWORK = "network"
SENTENCE = "unlike the images that the detector learned from"


@dataclass(frozen=True)
class Reading:
    probabilities: dict[str, float]
    window: tuple[int, int, int, int] = (0, 0, 20, 10)
    attention: NDArray[np.float32] = field(default_factory=lambda: np.float32([[0, 1]]))
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


class Detector:
    """A frame's probability is its level, in per cent; it knows frames at zero."""

    familiar: Familiar | None = Familiar(
        NETWORK,
        Scope(
            mean=np.zeros(1, np.float32),
            directions=np.ones((1, 1), np.float32),
            spread=np.ones(1, np.float32),
            outside=1.0,
            limit=1.0,
        ),
    )

    def read(self, images: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        return [Reading({"lesion": float(image[0, 0]) / 100}) for image in images]


def frame(number: int, level: int, place: float | None) -> Frame:
    """place : where it lies for the network, None where that has not seen it."""
    image = np.full((10, 20), level, np.uint8)
    ref = FrameRef("1.2.3", "1.2", "1.2.4", number, 3)
    seen = None
    if place is not None:
        pooled = np.array([place], np.float32)
        seen = Seen(NETWORK, pooled[:, None, None], pooled, (0, 0, 20, 10))
    return Frame(ref, image, np.stack([image] * 3, axis=2), (0, 0, 20, 10), None, seen=seen)


@pytest.fixture
def read(bundles: Path):  # type: ignore[no-untyped-def]
    def findings(*frames: Frame, detector: Detector | None = None) -> StudyFindings:
        pathway = LesionPathway(
            detector or Detector(), load_bundle("lesion-attention", [bundles]), 4
        )
        pathway.read(frames)
        said = pathway.conclude()
        return replace(
            NOTHING,
            readings=said.readings,
            lesions=said.lesions,
            heatmaps=said.heatmaps,
            thresholds=said.thresholds,
        )

    return findings


def test_of_each_frame_it_is_known_whether_the_detector_knows_its_sort(read) -> None:  # type: ignore[no-untyped-def]
    found = read(frame(1, 90, 0), frame(2, 80, 3), frame(3, 70, None))
    assert [one.familiar for one in found.readings] == [True, False, None]
    assert len(found.lesions) == 1
    answer = study_answer(found)
    assert answer is not None
    assert answer.untested.startswith(f"1 of 3 frames are {SENTENCE}")
    assert answer.untested in answer.sentences
    rows = snapshot(found, 1, Analysis())["findings"]["readings"]
    assert [row["familiar"] for row in rows] == [True, False, None]


def test_the_picture_of_such_a_frame_says_so(read) -> None:  # type: ignore[no-untyped-def]
    (unlike,) = read(frame(1, 90, 3)).heatmaps
    (like,) = read(frame(1, 90, 0)).heatmaps
    assert UNFAMILIAR in unlike.caption
    assert UNFAMILIAR not in like.caption


def test_a_detector_that_knows_no_sort_says_nothing_of_it(read) -> None:  # type: ignore[no-untyped-def]
    detector = Detector()
    detector.familiar = None
    found = read(frame(1, 90, 3), detector=detector)
    assert [one.familiar for one in found.readings] == [None]
    answer = study_answer(found)
    assert answer is not None
    assert answer.untested == ""
