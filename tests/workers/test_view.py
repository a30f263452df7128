"""Views that a model names where DICOM is silent, with classifiers of random weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.fat.multiview import VIEWS
from models.frame.features import Features
from models.frame.seen import Seen
from node.settings import Analysis
from tests.bad_input import study, write
from tests.bundles import write_view_bundle
from workers.analysis import VIEW, LoadedModels, analyse, plan
from workers.findings import Abstention, Frame, FrameRef, Reason, StudyFindings
from workers.frames import StoredInstance, select
from workers.frames.reading import read
from workers.key import result_key
from workers.snapshot import snapshot
from workers.stages import Stages

SILENT, NAMED = "", "Liver and right kidney"


@pytest.fixture
def settings(bundles: Path, tmp_path: Path) -> Analysis:
    """With a classifier that knows the view of every frame."""
    shutil.copytree(bundles, tmp_path / "bundles")
    write_view_bundle(tmp_path / "bundles", seed=3)
    return Analysis(
        bundle_folders=(tmp_path / "bundles",),
        fan_liver_bundle="",
        device="cpu",
        threads=1,
        view_bundle="view",
    )


def frames_of(settings: Analysis, folder: Path, comments: Sequence[str]) -> list[Frame]:
    found = []
    for comment in comments:
        dataset = study()
        dataset.ImageComments = comment
        path = write(dataset, folder, str(dataset.SOPInstanceUID))
        stored = StoredInstance(path, str(dataset.SOPInstanceUID))
        found += list(read(path, select([stored], settings).frames, settings))
    assert all(isinstance(frame, Frame) for frame in found)
    return [frame for frame in found if isinstance(frame, Frame)]


def findings(settings: Analysis, frames: Sequence[Frame]) -> StudyFindings:
    models = LoadedModels(settings)
    return analyse(plan(models, settings), frames, (), models, settings, Stages())


def test_what_dicom_does_not_name_a_model_names_and_the_result_says_so(
    settings: Analysis, tmp_path: Path
) -> None:
    found = findings(settings, frames_of(settings, tmp_path, [SILENT, NAMED, SILENT]))
    assert found.fat is not None
    assert "liver/kidney" in found.fat.views
    assert set(found.fat.views) <= set(VIEWS)
    assert (found.fat.frames_of_unknown_view, found.fat.frames_of_named_view) == (0, 2)
    assert found.notes == (
        "DICOM names no view of 2 of the frames. view 0.0.1 (simulated data only) named that of 2; "
        "of the other 0 it is not known.",
    )
    captions = {one.caption[0] for one in found.heatmaps if one.kind == "fat activation"}
    assert any(line.endswith(", named by a model") for line in captions)
    record = snapshot(found, 1, settings)
    assert record["models"]["view"]["digest"] == found.view_model.digest  # type: ignore[union-attr]
    assert record["findings"]["fat"]["frames_of_named_view"] == 2


def test_where_dicom_names_every_view_the_model_is_not_asked(
    settings: Analysis, tmp_path: Path
) -> None:
    frames = frames_of(settings, tmp_path, [NAMED])
    asked = findings(settings, frames)
    assert asked.notes == ()
    assert asked.fat == findings(settings.model_copy(update={"view_bundle": ""}), frames).fat


def test_a_view_that_is_not_known_stays_unknown(settings: Analysis, tmp_path: Path) -> None:
    write_view_bundle(settings.bundle_folders[0], seed=3, limit=1.1)
    frames = frames_of(settings, tmp_path, [SILENT, SILENT])
    found = findings(settings, frames)
    without = findings(settings.model_copy(update={"view_bundle": ""}), frames)
    assert found.fat is not None
    assert (found.fat.views, found.fat.frames_of_unknown_view) == ((), 2)
    assert found.fat == without.fat
    assert found.notes[0].endswith("named that of 0; of the other 2 it is not known.")
    assert (without.notes, without.view_model) == ((), None)


def test_the_network_runs_once_where_the_gate_has_the_same(
    settings: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, frames = LoadedModels(settings), frames_of(settings, tmp_path, [SILENT] * 2)
    gate, view, fat = (
        models.system(models.verify(name))  # type: ignore[arg-type]
        for name in ("gate", "view", "fat-multiview")
    )
    networks = [one.features.digest for one in (gate, view, fat)]
    assert len(set(networks)) == 3
    calls = []
    see = Features.see

    def counted(self: Features, images: Sequence[np.ndarray]) -> Iterator[Seen]:
        calls.append(self.digest)
        return see(self, images)

    monkeypatch.setattr(Features, "see", counted)
    analyse(plan(models, settings), frames, (), models, settings, Stages())
    assert calls == networks
    calls.clear()
    view.features = fat.features = gate.features
    analyse(plan(models, settings), frames, (), models, settings, Stages())
    assert calls == [gate.features.digest]


@pytest.mark.parametrize("name", ["not-there", "lesion-attention"])
def test_a_classifier_that_cannot_be_had_is_said_and_the_frames_are_read(
    name: str, settings: Analysis, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"view_bundle": name})
    found = findings(other, frames_of(settings, tmp_path, [SILENT]))
    detail = f"bundle {name}: see `hepanode doctor`"
    assert Abstention("liver view", Reason.MODEL_UNAVAILABLE, detail) in found.abstentions
    assert found.fat is not None
    assert found.fat.frames_of_unknown_view == 1


def test_the_classifier_is_part_of_the_key_and_its_absence_leaves_the_key_as_it_was(
    settings: Analysis, tmp_path: Path
) -> None:
    frames = (FrameRef("1.1", "1.2", "1", 1, 1),)

    def key(analysis: Analysis) -> str:
        chosen = plan(LoadedModels(analysis), analysis)
        assert (VIEW in chosen.bundles) == bool(analysis.view_bundle)
        return result_key("1.2.3", frames, (), chosen, analysis)

    off = settings.model_copy(update={"view_bundle": ""})
    before, none = key(settings), key(off)
    write_view_bundle(settings.bundle_folders[0], seed=4)
    assert len({before, none, key(settings)}) == 3
    assert key(off) == none


def test_a_named_view_keeps_what_was_said_of_the_frame(settings: Analysis, tmp_path: Path) -> None:
    from workers.analysis.view import FrameViews

    models = LoadedModels(settings)
    bundle = models.verify("view")
    assert bundle is not None
    (frame,) = frames_of(settings, tmp_path, [SILENT])
    frame = replace(frame, view_note="no element names a liver view")
    (named,) = FrameViews(models.system(bundle), bundle).name([frame])
    assert named.view in VIEWS
    assert named.view_by_model
    assert named.view_note.startswith(
        "no element names a liver view; named by view 0.0.1 (simulated data only), probability "
    )
