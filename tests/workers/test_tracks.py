"""Which outlines in the frames of one image are the same lesion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.lesion.region import Region
from tests.workers.results.pieces import JOINT_MODEL, LESION_MODEL
from tests.workers.results.studies import blank_header, frame_of
from workers.analysis.found import Sighting
from workers.analysis.tracks import GAP, Tracks
from workers.findings import FoundLesion

HEADER = blank_header(NumberOfFrames=30)
SIDE = 40


def at(x: int, number: int, rank: float = 0.5) -> Sighting:
    """A square of 40 pixels whose left side is at ``x``."""
    mask = np.zeros((100, 400), bool)
    mask[20 : 20 + SIDE, x : x + SIDE] = True
    lesion = FoundLesion(
        tracking_id="",
        frame=frame_of(HEADER, number),
        outline=(),
        outline_kind="segmentation",
        probabilities={"lesion": 0.9},
        model=LESION_MODEL,
        mask=mask,
        area_pixels=int(mask.sum()),
        area_mm2=None,
        outlined_by=JOINT_MODEL,
        conditions={},
        box=((0.0, 0.0), (1.0, 1.0)),
        mass=rank,
        located_by=JOINT_MODEL,
        seen_in=(frame_of(HEADER, number),),
    )
    return Sighting(lesion, rank, (0.0, 0.0, 1.0, 1.0))


def numbers(*frames: tuple[Sighting, ...]) -> list[list[int]]:
    """By lesion, the frames that show it."""
    tracks = Tracks()
    for place, sightings in enumerate(frames):
        tracks.add(place, sightings)
    return [[one.number for one in track.sighting.lesion.seen_in] for track in tracks]


def test_outlines_that_overlap_from_frame_to_frame_are_one_lesion() -> None:
    assert numbers((at(0, 1),), (at(10, 2),), (at(20, 3),), (at(30, 4),)) == [[1, 2, 3, 4]]


def test_two_that_lie_apart_are_two_lesions() -> None:
    assert numbers((at(0, 1), at(200, 1)), (at(205, 2), at(5, 2))) == [[1, 2], [1, 2]]


def test_a_lesion_that_was_seen_twice_is_held_with_less_overlap_than_one_is_begun_with() -> None:
    far = 28  # shares 12 of 40 columns: Jaccard 0.18
    assert numbers((at(0, 1),), (at(far, 2),)) == [[1], [2]]
    assert numbers((at(0, 1),), (at(0, 2),), (at(far, 3),)) == [[1, 2, 3]]


def test_a_lesion_is_carried_over_a_few_frames_that_do_not_show_it_and_not_over_more() -> None:
    few = [(at(0, 1),), *[()] * GAP, (at(0, GAP + 2),)]
    assert numbers(*few) == [[1, GAP + 2]]
    many = [(at(0, 1),), *[()] * (GAP + 1), (at(0, GAP + 3),)]
    assert numbers(*many) == [[1], [GAP + 3]]


def test_of_two_outlines_the_one_that_overlaps_more_goes_on_and_the_other_is_new() -> None:
    assert numbers((at(0, 1),), (at(15, 2), at(2, 2))) == [[1, 2], [2]]
    tracks = Tracks()
    tracks.add(0, [at(0, 1)])
    tracks.add(1, [at(15, 2), near := at(2, 2)])
    assert next(iter(tracks)).last is near


def test_the_frame_that_shows_it_best_speaks_and_knows_the_others() -> None:
    tracks = Tracks()
    for place, rank in enumerate((0.5, 0.8, 0.8, 0.2)):
        tracks.add(place, [at(0, place + 1, rank)])
    (track,) = tracks
    assert track.sighting.lesion.frame.number == 2, "the first of the best"
    assert [frame.number for frame in track.sighting.lesion.seen_in] == [1, 2, 3, 4]


def test_a_lesion_is_handed_on_from_the_frames_that_show_it_best() -> None:
    ranks = (0.3, 0.9, 0.1, 0.7, 0.5, 0.8)
    tracks = Tracks()
    for number, rank in enumerate(ranks):
        image = np.full((100, 400), number, np.uint8)
        one = at(100, number + 1, rank)
        tracks.add(number, [replace(one, region=Region(image, one.box))])
    (track,) = tracks
    found = track.sighting
    assert found.lesion.frame.number == 2
    assert len(found.lesion.seen_in) == len(ranks)
    assert found.region is not None
    shown = [int(region.image[0, 0]) for region in (found.region, *found.further)]
    assert shown == [1, 5, 3, 4]
