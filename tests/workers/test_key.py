"""The result key: new where a result could differ, the same where it cannot."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.bundle import Bundle
from node.settings import Analysis
from node.tracking import Prompt
from workers.analysis import Plan
from workers.findings import Dropped, FrameRef, Reason
from workers.key import result_key

FRAMES = (
    FrameRef("1.1", "1.2.840.10008.5.1.4.1.1.6.1", "1", 1, 1),
    FrameRef("1.2", "1.2.840.10008.5.1.4.1.1.3.1", "1", 7, 30),
)
DROPPED = (Dropped("1.3", None, Reason.DOPPLER), Dropped("1.2", None, Reason.NOT_SAMPLED, "29"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOX = Prompt("1.1", 1, "box", ((1.0, 2.0), (3.0, 4.0)), id=7, created_at=NOON, taken_back_at=None)
TAKEN_BACK = replace(BOX, taken_back_at=NOON)
OWN = Dropped("1.9", None, Reason.OWN_RESULT)


def bundle(digest: str, threshold: float = 0.5) -> Bundle:
    return Bundle(
        name="any",
        folder=Path(),
        system="any.any",
        version="1",
        digest=digest,
        backbone="any",
        labels=(),
        lacks=(),
        validation_status="simulated data only",
        card={"thresholds": {"lesion": {"probability": threshold}}},
    )


PLAN = Plan({"lesion": bundle("aa"), "fat": bundle("bb")})


def key(
    study: str = "1.2.3",
    frames: tuple[FrameRef, ...] = FRAMES,
    dropped: tuple[Dropped, ...] = DROPPED,
    chosen: Plan = PLAN,
    settings: Analysis | None = None,
    prompts: tuple[Prompt, ...] = (),
    factors: dict[str, float] | None = None,
    writing: dict[str, object] | None = None,
) -> str:
    return result_key(
        study, frames, dropped, chosen, settings or Analysis(), prompts, factors, writing
    )


def test_the_same_input_has_the_same_key_in_every_process() -> None:
    assert key() == key()
    assert len(key()) == 64


def test_a_study_has_the_key_that_it_had_with_this_format() -> None:
    """Another one would make a new version of every study that is read again."""
    assert key() == "d8ab9b128256c200a30e80941cac23c7f83c25863bf750c01ff581198c989284"


def test_how_results_are_written_is_input_where_a_hospital_has_chosen_it() -> None:
    ways = [{}, {"patient_name": True}, {"messages": "aa"}, {"messages": "bb"}]
    assert key(writing={}) == key()
    assert len({key(writing=way) for way in ways}) == len(ways)


def test_prompts_and_the_model_that_reads_them_are_input() -> None:
    prompted = PLAN.bundles | {"joint": bundle("cc")}
    others = [
        {"prompts": (BOX,), "chosen": Plan(prompted)},
        {"prompts": (BOX,), "chosen": Plan(prompted | {"joint": bundle("cd")})},
        {"prompts": (BOX,), "chosen": Plan(prompted | {"joint": None})},
        {"prompts": (replace(BOX, frame=2),), "chosen": Plan(prompted)},
        {"prompts": (replace(BOX, kind="point"),), "chosen": Plan(prompted)},
        {
            "prompts": (replace(BOX, coordinates=((1.0, 2.0), (3.0, 5.0))),),
            "chosen": Plan(prompted),
        },
        {"prompts": (replace(BOX, sop_instance_uid="1.2"),), "chosen": Plan(prompted)},
        {"prompts": (BOX, replace(BOX, id=8, frame=2)), "chosen": Plan(prompted)},
        {"prompts": (TAKEN_BACK,)},
        {"prompts": (TAKEN_BACK, replace(BOX, id=8)), "chosen": Plan(prompted)},
    ]
    keys = [key(), *(key(**other) for other in others)]  # type: ignore[arg-type]
    assert len(set(keys)) == len(keys)


def test_factors_that_a_model_reads_are_input_and_none_are_no_change() -> None:
    keys = [
        key(prompts=(BOX,)),
        key(prompts=(BOX,), factors={"age": 50.0}),
        key(prompts=(BOX,), factors={"age": 51.0}),
        key(prompts=(BOX,), factors={"sex": 1.0}),
    ]
    assert len(set(keys)) == len(keys)
    assert key(prompts=(BOX,), factors={}) == keys[0]


def test_a_pair_of_regions_and_its_model_are_input_and_lesions_at_prompts_keep_their_key() -> None:
    pair = replace(BOX, kind="hepatorenal")
    outlined = Plan(PLAN.bundles | {"joint": bundle("cc")})
    assert key(prompts=(BOX,), chosen=outlined) == (
        "bd51613814763fd44e97c67663b06378f4024d7189e367907aa4362d5c46a141"
    ), "the key it had with this format"
    indexed = PLAN.bundles | {"hepatorenal": bundle("dd")}
    others: list[dict[str, object]] = [
        {},
        {"prompts": (pair,), "chosen": Plan(indexed)},
        {"prompts": (pair,), "chosen": Plan(indexed | {"hepatorenal": bundle("de")})},
        {"prompts": (pair,), "chosen": Plan(indexed | {"hepatorenal": None})},
        {"prompts": (replace(pair, taken_back_at=NOON),)},
        {"prompts": (BOX,), "chosen": outlined},
        {"prompts": (BOX, pair), "chosen": Plan(indexed | outlined.bundles)},
    ]
    assert len({key(**other) for other in others}) == len(others)  # type: ignore[arg-type]


def test_when_a_prompt_came_and_its_number_do_not_change_the_key() -> None:
    again = replace(BOX, id=9, created_at=BOX.created_at + timedelta(days=1))
    assert key(prompts=(BOX,)) == key(prompts=(again,))


@pytest.mark.parametrize(
    "other",
    [
        {"study": "1.2.4"},
        {"frames": FRAMES[:1]},
        {"frames": (FRAMES[0], replace(FRAMES[1], number=8))},
        {"frames": (*FRAMES, replace(FRAMES[0], sop_instance_uid="1.5"))},
        {"dropped": DROPPED[:1]},
        {"dropped": (replace(DROPPED[0], reason=Reason.M_MODE), DROPPED[1])},
        {"dropped": (DROPPED[0], replace(DROPPED[1], detail="28"))},
        {"chosen": Plan({"lesion": bundle("ac"), "fat": bundle("bb")})},
        {"chosen": Plan({"lesion": bundle("aa", 0.4), "fat": bundle("bb")})},
        {"chosen": Plan({"lesion": bundle("aa"), "fat": None})},
        {"chosen": Plan({"lesion": bundle("bb"), "fat": bundle("aa")})},
        {"settings": Analysis(key_frames=5)},
        {"settings": Analysis(frames_per_cine=15)},
        {"settings": Analysis(frames_per_study=100)},
        {"settings": Analysis(max_decoded_mib=100)},
        {"settings": Analysis(view_words={"hepatic veins": ("lebervenen",)})},
    ],
    ids=str,
)
def test_other_frames_models_or_settings_have_another_key(other: dict[str, object]) -> None:
    assert key(**other) != key()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        Analysis(device="cuda:1"),
        Analysis(threads=7),
        Analysis(time_limit=5),
        Analysis(bundle_folders=(Path("/elsewhere"),)),
        Analysis(lesion_bundle="a-copy", fat_bundle="another-copy", joint_bundle="a-third"),
        Analysis(gate_bundle="a-fourth"),
        Analysis(view_bundle="a-fourth"),
        Analysis(hepatorenal_bundle="a-fourth"),
        Analysis(dcnn_us_bundle="a-fourth", roi_bundle=""),
        Analysis(fan_liver_bundle="a-fourth", kidney_bundle=""),
    ],
    ids=repr,
)
def test_where_and_how_fast_it_is_read_does_not_change_the_key(settings: Analysis) -> None:
    assert key(settings=settings) == key()


def test_the_nodes_own_results_are_no_input() -> None:
    assert key(dropped=(*DROPPED, OWN)) == key()
