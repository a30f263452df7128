"""A database as a busy night leaves it, written with the tracking verbs alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from node.tracking import (
    Claim,
    Database,
    NewResult,
    ReceivedInstance,
    deliveries,
    instances,
    results,
    runs,
    studies,
    utcnow,
)
from node.tracking.migrate import upgrade

US = "1.2.840.10008.5.1.4.1.1.6.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
REPORT = "1.2.840.10008.5.1.4.1.1.88.34"
ROOT = "1.2.826.0.1.3680043.8.498"

COMPLETE = f"{ROOT}.1111111111111111111111111111"
HELD = f"{ROOT}.2222222222222222222222222222"
RECEIVING = f"{ROOT}.3333333333333333333333333333"

SNAPSHOT = {
    "version": 1,
    "frames": [
        {
            "sop_instance_uid": f"{COMPLETE}.1.{n}",
            "sop_class_uid": US,
            "series_instance_uid": f"{COMPLETE}.1",
            "number": number,
            "number_of_frames": count,
        }
        for n, count, numbers in ((0, 1, (1,)), (1, 9, (1, 2, 3, 7)))
        for number in numbers
    ],
    "dropped": [
        {"sop_instance_uid": f"{COMPLETE}.1.1", "number": n, "reason": "not-sampled", "detail": ""}
        for n in (4, 5, 6, 8, 9)
    ]
    + [
        {
            "sop_instance_uid": f"{COMPLETE}.1.2",
            "number": None,
            "reason": "doppler",
            "detail": "region data type 3",
        }
    ],
    "models": {
        "lesion": {
            "name": "lesion-attention",
            "version": "1.0",
            "digest": "ab" * 32,
            "validation_status": "cross-validated on public data",
            "figures": "lesion: AUC 0.91 (0.88 to 0.94)",
        }
    },
    "settings": {"frames_per_cine": 16, "key_frames": 4},
    "findings": {
        "readings": [
            {
                "sop_instance_uid": f"{COMPLETE}.1.0",
                "frame": 1,
                "probabilities": {"lesion": 0.83, "malignant": 0.2},
            }
        ],
        "lesions": [
            {
                "tracking_id": "lesion 1",
                "sop_instance_uid": f"{COMPLETE}.1.0",
                "frame": 1,
                "probabilities": {"lesion": 0.83, "malignant": 0.2},
                "outline": [[1, 2], [3, 4], [5, 6]],
                "outline_kind": "attention",
            },
            {
                "tracking_id": "lesion 2",
                "sop_instance_uid": f"{COMPLETE}.1.1",
                "frame": 2,
                "probabilities": {"lesion": 0.71, "malignant": 0.3},
                "outline": [[1, 2], [3, 4], [5, 6]],
                "outline_kind": "segmentation",
                "diameters": {"long_mm": 34.12, "short_mm": 20.6},
                "area_pixels": 1200,
                "area_mm2": 512.3,
                "readings": [{"model": "lesion-joint", "probabilities": {"malignant": 0.62}}],
                "seen_in": [1, 2, 3, 7],
            },
        ],
        "answer": {"sentences": ["Lesion suspected in 5 of 6 frames, in 2 of 2 images."]},
        "prompted": [
            {
                "tracking_id": f"prompt {number}",
                "sop_instance_uid": f"{COMPLETE}.1.1",
                "frame": 2,
                "prompt": {"id": number, "kind": kind, "points": points},
                "probabilities": probabilities,
                "outline": [[1, 2], [3, 4], [5, 6]],
                "diameters": {"long_mm": long, "short_mm": short},
                "area_pixels": 1200,
                "area_mm2": area,
            }
            for number, kind, points, probabilities, long, short, area in (
                (3, "box", [[1, 2], [8, 9.5]], {"malignant": 0.71}, 34.12, 20.6, 512.3),
                (4, "point", [[4, 4]], {}, None, None, None),
            )
        ],
        "hepatorenal": {
            "index": 1.2345,
            "fat": [16.2, 3.1, 40.0],
            "p_5": [0.71, 0.5, 0.8],
            "p_10": [0.55, 0.4, 0.7],
            "pairs": [
                {
                    "prompt": {
                        "id": number,
                        "kind": "hepatorenal",
                        "points": [[259, 197], [258, 265]],
                    },
                    "frame": {"sop_instance_uid": f"{COMPLETE}.1.1", "number": 2},
                    "liver_level": 100.0,
                    "kidney_level": 81.0,
                    "index": 1.2345,
                }
                for number in (5, 6)
            ],
        },
        "fat": {
            "fat_percent": 12.34,
            "p_5": 0.91,
            "p_10": 0.6,
            "views": ["subcostal"],
            "frames_of_unknown_view": 2,
        },
        "thresholds": {"lesion": 0.5},
        "abstentions": [{"subject": "size", "reason": "not-measured", "detail": ""}],
    },
    "notes": ["the study's dates were malformed and were left out of the report"],
}


@dataclass(frozen=True)
class Night:
    """Three studies: one analysed, one held, one still arriving."""

    done_run: int
    failed_run: int
    report: str = f"{COMPLETE}.2.2"


def received(study: str, number: int, patient: str = "P1") -> ReceivedInstance:
    return ReceivedInstance(
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        sop_instance_uid=f"{study}.1.{number}",
        sop_class_uid=US,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        patient_id=patient,
        modality="US",
        path=f"instances/{study}/{study}.1.{number}.dcm",
        size=921_600,
        calling_ae="US1",
        association_id=None,
        urgent=False,
        own_result=False,
    )


def fill(db: Database) -> Night:
    """Upgrade an empty database and fill it."""
    upgrade(db)
    before = utcnow() - timedelta(minutes=5)
    for number in range(3):
        instances.record(db, received(COMPLETE, number), before)
    taken = replace(received(COMPLETE, 0), path=f"conflicts/{COMPLETE}/0.abcd.dcm")
    instances.record_conflict(db, taken, "other content under the same SOP Instance UID", before)
    instances.record(db, received(HELD, 0, "P1"), before)
    instances.record(db, received(HELD, 1, "P2"), before)
    studies.close_quiet(db, 10)
    instances.record(db, received(RECEIVING, 0))
    claim = take(db)
    finish(db, claim, ("pacs", "archive"))
    again = studies.reprocess(db, COMPLETE)
    second = take(db)
    runs.failed(db, second, "ResultError: the report cannot be built", max_attempts=3, final=True)
    first = deliveries.claim_set(db, "pacs", lease_seconds=30)
    deliveries.sent(db, first[0].id, 0)
    deliveries.failed(db, first[1].id, "no presentation context for Comprehensive 3D SR", 0x0122)
    waiting = deliveries.claim_set(db, "archive", lease_seconds=30)
    for one in waiting:
        deliveries.postponed(db, one.id, "ARCHIVE@10.0.0.9:104 cannot be reached", 300)
    return Night(claim.run_id, again)


def take(db: Database) -> Claim:
    """Claim the one run that is due."""
    (run,) = runs.publishable(db, window=1, republish_seconds=30)
    claim = runs.claim(db, run, worker="gpu1/77", lease_seconds=60)
    assert claim is not None
    return claim


def finish(db: Database, claim: Claim, destinations: tuple[str, ...]) -> None:
    objects = [
        NewResult(
            kind=kind,
            sop_class_uid=sop_class,
            series_instance_uid=f"{COMPLETE}.2",
            sop_instance_uid=f"{COMPLETE}.2.{number}",
            path=f"results/{COMPLETE}/{COMPLETE}.2.{number}.dcm",
            size=40_000,
        )
        for number, (kind, sop_class) in enumerate(
            (("heatmap", SECONDARY_CAPTURE), ("report", REPORT)), start=1
        )
    ]
    assert results.finish(
        db,
        claim,
        result_key="cd" * 32,
        version=1,
        objects=objects,
        destinations=dict.fromkeys(destinations, ("heatmap", "report")),
        snapshot=SNAPSHOT,
        timings={"wait": 0.31, "select": 0.05, "lesion": 2.4, "results": 0.62},
    )
