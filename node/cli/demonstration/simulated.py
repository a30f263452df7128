"""A simulated liver ultrasound study: ten frames over four views, a lesion in two of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

FRAMES = 10
FAT_PERCENT = 18.0
_LESION_KIND, _LESION_RADIUS = "hepatocellular carcinoma", 24.0  # mm
_LESION_VIEWS = slice(1, 3)  # both portal veins: liver all around it
_SEED = 11


def simulate_study(folder: Path) -> tuple[Path, ...]:
    """Write the study's objects into ``folder``; their paths.

    Every frame names its view in Image Comments and is calibrated.
    """
    from PIL import Image

    from models.simulation import SIMULATED_VIEWS, Lesion, simulate_participant
    from node.association.wrap import Study

    lesion = Lesion(_LESION_KIND, _LESION_RADIUS)
    rounds = (
        simulate_participant(
            FAT_PERCENT,
            seed=_SEED + number,
            lesion=lesion,
            lesion_views=SIMULATED_VIEWS[_LESION_VIEWS] if number == 0 else (),
        )
        for number in range(-(-FRAMES // len(SIMULATED_VIEWS)))
    )
    study = Study(patient_id="SIMULATED", patient_name="Simulated^Liver")
    paths = []
    frames = (frame for views in rounds for frame in views.values())
    for number, frame in enumerate(islice(frames, FRAMES), start=1):
        picture = folder / f"{number:02}.png"
        Image.fromarray(frame.image).save(picture)
        path = picture.with_suffix(".dcm")
        study.wrap(picture, path, mm_per_pixel=frame.spacing[0], view=frame.view)
        picture.unlink()
        paths.append(path)
    return tuple(paths)
