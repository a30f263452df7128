"""A run folder: the same request goes on where it stopped and ends alike, another is refused."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.data import read_manifest
from models.errors import TrainingError
from models.registry import read_bundle
from models.systems import protocol, system
from models.training import loop
from models.training.options import Options
from models.training.request import claim
from models.training.whole import written_whole

SYSTEMS = ("attention", "roi", "dcnn-us", "joint")

pytestmark = pytest.mark.usefixtures("tiny_backbone")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images with a mass, bright where it is malignant."""
    folder = tmp_path_factory.mktemp("cases")
    generator = np.random.default_rng(0)
    rows = []
    for number in range(6):
        x, y = (int(generator.integers(30, 90)) for _ in range(2))
        image = generator.integers(60, 120, (180, 240)).astype(np.uint8)
        image[y : y + 40, x : x + 50] = 220 if number % 2 else 15
        Image.fromarray(image).save(folder / f"{number}.png")
        mass = [[x, y], [x + 50, y], [x + 50, y + 40], [x, y + 40]]
        kind = "malignant" if number % 2 else "benign"
        rows.append({"image": f"{number}.png", "class": kind, "mass": mass})
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


@pytest.fixture(scope="module", params=SYSTEMS)
def trained(
    request: pytest.FixtureRequest,
    manifest: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_backbone: None,
) -> tuple[str, Options, str]:
    """A system, the options of its run, and the digest of its weights."""
    options = Options(tmp_path_factory.mktemp("run"), backbone="tiny", epochs=2, folds=0)
    return request.param, options, run(request.param, manifest, options)


def run(name: str, manifest: Path, options: Options) -> str:
    cases = read_manifest(manifest)
    return read_bundle(protocol(system(name)).train(cases, options)).digest


class Interrupted(Exception):
    pass


def interrupt(what: str, done: int, total: int) -> None:
    """Stops a run when its second epoch begins."""
    if what.startswith("final") and done == 1:
        raise Interrupted


def test_two_runs_and_one_that_was_interrupted_end_alike(
    trained: tuple[str, Options, str], manifest: Path, tmp_path: Path
) -> None:
    name, options, digest = trained
    assert run(name, manifest, replace(options, out=tmp_path / "second")) == digest
    cut = replace(options, out=tmp_path / "cut")
    with pytest.raises(Interrupted):
        run(name, manifest, replace(cut, progress=interrupt))
    (state,) = (cut.out / "states").glob("*.pt")
    assert len(torch.load(state, weights_only=True)["losses"]) == 1
    assert run(name, manifest, cut) == digest
    assert run(name, manifest, options) == digest


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"seed": 5}, "another seed"), ({"epochs": 3}, "another recipe")],
    ids=["seed", "epochs"],
)
def test_other_options_do_not_go_on_from_a_state(
    trained: tuple[str, Options, str], manifest: Path, changed: Mapping[str, int], words: str
) -> None:
    name, options, _ = trained
    with pytest.raises(TrainingError, match=words) as raised:
        run(name, manifest, replace(options, **changed))  # type: ignore[arg-type]
    assert f"give another --out, or remove {options.out}" in str(raised.value)


@pytest.mark.parametrize("change", ["fewer", "outline", "label"])
def test_other_cases_do_not_go_on_from_a_state(
    trained: tuple[str, Options, str], manifest: Path, change: str
) -> None:
    name, options, _ = trained
    cases = read_manifest(manifest)
    last = cases[-1]
    if change == "outline":
        ((x0, y0, x1, y1),) = last.boxes
        corners = ((x0, y0), (x1 + 40, y0), (x1 + 40, y1), (x0, y1))
        cases[-1] = replace(last, boxes=((x0, y0, x1 + 40, y1),), masses=(corners,))
    elif change == "label":
        cases[-1] = replace(last, labels={**last.labels, "malignant": 0})
    else:
        cases.pop()
        cases.append(replace(last, image=cases[0].image))
    with pytest.raises(TrainingError, match="other images, labels or outlines"):
        protocol(system(name)).train(cases, options)


def test_a_state_that_does_not_say_what_it_was_fitted_on_is_refused(
    trained: tuple[str, Options, str], manifest: Path, tmp_path: Path
) -> None:
    name, options, _ = trained
    for state in (options.out / "states").glob("*.pt"):
        (tmp_path / "states").mkdir(exist_ok=True)
        (tmp_path / "states" / state.name).write_bytes(state.read_bytes())
    with pytest.raises(TrainingError, match=r"does not say.*give another --out"):
        run(name, manifest, replace(options, out=tmp_path))


@pytest.mark.parametrize("torn", ["", '{"recipe": "Rec', '"recipe"', "\x00" * 40])
def test_a_note_that_cannot_be_read_is_said_with_what_to_do(tmp_path: Path, torn: str) -> None:
    state = tmp_path / "fold-0.pt"
    request = {"data": "a", "initial_weights": "b", "recipe": "c", "seed": 0, "epochs": 1}
    note = state.with_suffix(".json")
    note.write_text(torn)
    with pytest.raises(TrainingError, match=rf"{note}.* cannot be read .*; remove {note}$"):
        claim(state, request, tmp_path)
    note.unlink()
    claim(state, request, tmp_path)
    state.touch()
    claim(state, request, tmp_path)
    note.write_text(torn)
    with pytest.raises(TrainingError, match=f"; give another --out, or remove {tmp_path}$"):
        claim(state, request, tmp_path)


def test_a_file_that_was_not_written_to_its_end_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "fold-0.json"

    def write(content: str, *, cut: bool = False) -> None:
        with written_whole(file) as fresh:
            fresh.write_text(content)
            if cut:
                raise Interrupted

    write("old")
    with pytest.raises(Interrupted):
        write("ha", cut=True)
    assert file.read_text() == "old"
    write("new")
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_on_a_gpu_batches_are_prepared_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(16)))
    assert loop._workers(Options(Path(), device="cuda:1")) == 8
    assert loop._workers(Options(Path(), device="cuda", workers=0)) == 0
    assert loop._workers(Options(Path())) == 0


@pytest.mark.parametrize("name", SYSTEMS)
def test_two_workers_prepare_the_batches(name: str, manifest: Path, tmp_path: Path) -> None:
    def digest(out: str, workers: int) -> str:
        options = Options(tmp_path / out, backbone="tiny", epochs=1, folds=0, workers=workers)
        return run(name, manifest, options)

    two = digest("two", 2)
    # What shows each passage anew is drawn in the workers, each from a seed of its own.
    drawn = name in ("attention", "dcnn-us", "joint")
    assert two == (digest("again", 2) if drawn else digest("none", 0))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_loss_can_be_taken_in_mixed_precision(
    name: str, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losses(out: str) -> list[float]:
        options = Options(tmp_path / out, backbone="tiny", epochs=2, folds=0)
        run(name, manifest, options)
        found: list[float] = []
        for state in sorted((options.out / "states").glob("*.pt")):
            saved = torch.load(state, weights_only=True)
            assert all(value.dtype != torch.bfloat16 for value in saved["network"].values())
            found += saved["losses"]
        return found

    plain = losses("plain")
    monkeypatch.setattr(loop, "_mixed", lambda device: True)
    mixed = losses("mixed")
    assert mixed != plain
    # The hardest triplets of a batch are others in bfloat16, and not on every processor the same.
    assert mixed == pytest.approx(plain, rel=0.2)
