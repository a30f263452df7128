"""From silence to results in the PACS: ``python -m tests.benchmarks.turnaround``.

A study of 20 still frames (600x800 RGB, simulated) goes into a node in its embedded form and its
results into Orthanc. The clock runs from the end of the quiet period to the last answer of the
PACS. Beside it, in the same run, the peer: a bare loop of the same two models over the same
decoded frames, which is the least that any node could take.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from models.registry import load_bundle, open_system
from models.simulation import SIMULATED_VIEWS, Lesion, simulate_frame
from node.association.wrap import Study
from node.settings import Analysis
from node.tracking import Run, results, runs
from tests.line.node import Node, running
from tests.orthanc import orthanc
from workers.findings import Frame
from workers.frames import StoredInstance, read, select

FRAMES = 20
WARM_UP = 2  # studies before the one that counts: the first run loads the models


@dataclass(frozen=True)
class Turnaround:
    """Seconds. ``stages`` are those of the run, ``delivery`` from its end to the last answer."""

    total: float
    delivery: float
    stages: dict[str, float]
    bare_models: float

    @property
    def ratio(self) -> float:
        return self.total / self.bare_models


def write_study(folder: Path, seed: int) -> list[Path]:
    """Twenty frames over the four views, a lesion in four of them."""
    folder.mkdir()
    study = Study(patient_id=f"BENCH{seed}")
    paths = []
    for index in range(FRAMES):
        view = SIMULATED_VIEWS[index % len(SIMULATED_VIEWS)]
        lesion = Lesion("metastasis") if index % 5 == 0 else None
        frame = simulate_frame(view, 12, lesion, seed=1000 * seed + index, shape=(600, 800))
        picture = folder / f"{index:02}.png"
        Image.fromarray(frame.image).convert("RGB").save(picture, compress_level=1)
        path = folder / f"{index:02}.dcm"
        study.wrap(picture, path, mm_per_pixel=frame.spacing[0], view=view)
        paths.append(path)
    return paths


def bare_loop(paths: list[Path]) -> float:
    """Seconds of the two models, loaded and warm, over the decoded frames of a study."""
    settings = Analysis()
    stored = [StoredInstance(path, path.stem, False) for path in paths]
    frames: list[Frame] = []
    for instance in stored:
        chosen = select([instance], settings).frames
        frames += [one for one in read(instance.path, chosen, settings) if isinstance(one, Frame)]
    images, views = [frame.image for frame in frames], [frame.view for frame in frames]
    lesion = open_system(load_bundle(settings.lesion_bundle))
    fat = open_system(load_bundle(settings.fat_bundle))
    for _ in range(2):
        began = time.perf_counter()
        lesion.read(images)
        fat.combine(fat.read(images, views))
    return time.perf_counter() - began


def measure() -> Turnaround:
    folder = Path(tempfile.mkdtemp(prefix="hepanode-bench-"))
    with orthanc(folder / "pacs") as pacs:
        node = Node(folder / "node", pacs=[pacs])
        with running(node, "up"):
            for number in range(1, WARM_UP + 2):
                paths = write_study(folder / str(number), number)
                node.send(*paths)
                node.until(node.runs_ended(number), 180)
                node.until(node.all_sent)
            with node.database() as db:
                run: Run = runs.list_runs(db, limit=1)[0]
                made = results.of_study(db, run.study_instance_uid)
            assert run.state == "done", run.error
            assert set(pacs.stored()) >= {one.sop_instance_uid for one in made}
            sent = max(one.sent_at for one in node.deliveries() if one.sent_at)
    assert run.finished_at is not None
    assert run.timings is not None
    return Turnaround(
        total=(sent - run.created_at).total_seconds(),
        delivery=(sent - run.finished_at).total_seconds(),
        stages=run.timings,
        bare_models=bare_loop(paths),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    measured = measure()
    if arguments.json:
        print(json.dumps(asdict(measured) | {"ratio": measured.ratio}))
        return
    print(
        f"turnaround, {FRAMES} still frames, results in Orthanc  {measured.total:6.2f} s "
        "(required: within 5 s)"
    )
    for stage, seconds in [*measured.stages.items(), ("delivery", measured.delivery)]:
        print(f"  {stage:<52}{seconds:6.2f} s")
    print(f"bare loop of the same models                        {measured.bare_models:6.2f} s")
    print(f"turnaround / bare loop                              {measured.ratio:6.2f} x")


if __name__ == "__main__":
    main()
