"""Images that show no liver, as a manifest folder: what the gate learns to refuse.

Ultrasound, CT, MR, X-ray and scintigraphy come from pydicom's test files, whose kinds were found by
looking at each; photographs from scikit-learn and matplotlib; the rest is simulated or drawn. A
hospital adds its own as further rows with the column ``kind``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ImplicitVRLittleEndian
from sklearn.datasets import load_sample_image

from models.data import Case
from models.errors import TrainingError
from models.simulation.foreign import FOREIGN, simulate_foreign
from models.simulation.manifest import MANIFEST
from models.simulation.patterns import PATTERNS, draw_pattern
from node.errors import FrameError
from node.settings import Analysis
from workers.frames.annotated import read_whole
from workers.frames.header import quiet

Grey = NDArray[np.uint8]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Source:
    """A test file of pydicom or pydicom-data. subject : files of one subject share it, so that no
    split divides them. frames : counted from 1."""

    file: str
    kind: str
    subject: str
    frames: tuple[int, ...] = (1,)


SOURCES: Sequence[Source] = (
    Source("JPGLosslessP14SV1_1s_1f_8b.dcm", "heart", "heart-philips"),
    Source("color3d_jpeg_baseline.dcm", "heart", "heart-sonosite", tuple(range(1, 121, 15))),
    Source("examples_ybr_color.dcm", "heart", "heart-sonosite", (1, 11, 21)),
    Source("US1_UNCR.dcm", "doppler", "node-ge"),
    Source("examples_rgb_color.dcm", "doppler", "node-ge"),
    Source("color-pl.dcm", "doppler", "vessel-acme"),
    Source("gdcm-US-ALOKA-16.dcm", "pelvis", "pelvis-aloka"),
    Source("OBXXXX1A.dcm", "air", "air-philips"),
    Source("examples_palette.dcm", "air", "air-philips"),
    Source("693_UNCI.dcm", "ct", "ct-head"),
    Source("J2K_pixelrep_mismatch.dcm", "ct", "ct-skull"),
    Source("bad_sequence.dcm", "ct", "ct-spine"),
    Source("explicit_VR-UN.dcm", "ct", "ct-abdomen"),
    Source("CT_small.dcm", "ct", "ct-small"),
    Source("eCT_Supplemental.dcm", "ct", "ct-brain", (1, 2)),
    Source("MR-SIEMENS-DICOM-WithOverlays.dcm", "mr", "mr-abdomen"),
    Source("MR2_UNCI.dcm", "mr", "mr-shoulder"),
    Source("emri_small.dcm", "mr", "mr-knee", (1, 6)),
    Source("MR_small.dcm", "mr", "mr-small"),
    Source("RG1_UNCI.dcm", "x-ray", "x-ray-chest"),
    Source("RG3_UNCI.dcm", "x-ray", "x-ray-leg"),
    Source("JPEG2000_UNC.dcm", "scintigraphy", "scintigraphy-bones"),
    Source("OT-PAL-8-face.dcm", "photograph", "photograph-face"),
    Source("vlut_04.dcm", "screen", "screen-smpte"),
    Source("image_dfl.dcm", "screen", "screen-squares"),
    Source("GDCMJ2K_TextGBR.dcm", "screen", "screen-words"),
)

_COLUMNS = ("id", "image", "patient", "frame", "kind")
_SHAPES = ((480, 640), (600, 800), (434, 636))
_PHOTOGRAPHS = ("china", "flower", "hopper")
_PARTS = 5


def write_foreign(
    folder: Path,
    livers: Sequence[Case] = (),
    about: str = "",
    copies: int = 24,
    progress: Progress = lambda what, done, total: None,
) -> Path:
    """Writes pictures of ``folder/images`` and, last of all, ``manifest.csv``; returns it.

    livers : cases whose images the manifest names beside, where they lie. about : text of
    ``data.toml``. copies : of every kind that is simulated or drawn. TrainingError when the folder
    has a manifest already, FrameError when a test file is missing or cannot be read.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        raise TrainingError(f"{manifest} is there already: name a new folder")
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for case in livers:
        own = {"id": case.id, "image": str(case.image.resolve()), "patient": case.patient}
        rows.append({**own, "frame": case.frame, "kind": case.kind or ""})
    tested = sum(len(source.frames) for source in SOURCES)
    total = tested + _PARTS * len(_PHOTOGRAPHS) + copies * (len(FOREIGN) + len(PATTERNS))
    for done, (name, subject, kind, grey) in enumerate(_foreign(copies), start=1):
        progress("foreign images", done, total)
        file = images / f"{name}.png"
        Image.fromarray(grey).save(file)
        row = {"id": name, "image": f"images/{file.name}", "patient": subject}
        rows.append({**row, "frame": 1, "kind": kind})
    if about:
        (folder / "data.toml").write_text(about, encoding="utf-8")
    fresh = manifest.with_suffix(".new")
    with fresh.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return fresh.replace(manifest)


def foreign_grey(path: Path, number: int) -> Grey:
    """(rows, columns) uint8 of a frame, counted from 1: what the worker sees of it, and of what
    the worker would not analyse, as Doppler and other modalities, its levels from the 1st to the
    99th percentile. FrameError when it cannot be decoded."""
    try:
        return read_whole(path, number, Analysis())
    except FrameError:
        pass
    try:
        with quiet():
            dataset = dcmread(path, force=True)
            if "TransferSyntaxUID" not in dataset.file_meta:
                dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            return _levels(dataset, number)
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, ValueError) as error:
        raise FrameError(f"{path.name}, frame {number}: {type(error).__name__}") from error


def _levels(dataset: Dataset, number: int) -> Grey:
    samples = dataset.pixel_array
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        samples = samples[number - 1]
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        samples = apply_color_lut(samples, dataset)
    if samples.ndim == 3:
        scaled = samples >> 8 if samples.dtype == np.uint16 else samples
        samples = np.asarray(Image.fromarray(scaled.astype(np.uint8)).convert("L"))
    levels = samples.astype(np.float64)
    if samples.dtype != np.uint8:
        low, high = np.percentile(levels, [1, 99])
        levels = 255.0 * np.clip((levels - low) / max(high - low, 1e-9), 0.0, 1.0)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        levels = 255.0 - levels
    return np.asarray(np.rint(levels), np.uint8)


def _foreign(copies: int) -> Iterator[tuple[str, str, str, Grey]]:
    """Name, subject, kind and picture of each."""
    for source in SOURCES:
        found = get_testdata_file(source.file, download=False)
        if found is None:
            raise FrameError(f"{source.file} is missing: install the package pydicom-data")
        for number in source.frames:
            name = f"{source.subject}-{Path(source.file).stem}-{number}"
            yield name, source.subject, source.kind, foreign_grey(Path(found), number)
    for name in _PHOTOGRAPHS:
        for part, grey in enumerate(_parts(_photograph(name))):
            yield f"photograph-{name}-{part}", f"photograph-{name}", "photograph", grey
    for kinds, make, word in (
        (FOREIGN, simulate_foreign, "simulated"),
        (PATTERNS, draw_pattern, "drawn"),
    ):
        for kind in kinds:
            for seed in range(copies):
                name = f"{kind}-{word}-{seed}"
                yield name, name, f"{kind} ({word})", make(kind, seed, _SHAPES[seed % len(_SHAPES)])


def _photograph(name: str) -> Grey:
    if name == "hopper":
        file = Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"
        with Image.open(file) as image:
            return np.asarray(image.convert("L"))
    return np.asarray(Image.fromarray(load_sample_image(f"{name}.jpg")).convert("L"))


def _parts(grey: Grey) -> list[Grey]:
    """The whole picture and its quarters."""
    rows, columns = grey.shape[0] // 2, grey.shape[1] // 2
    return [
        grey,
        *(
            part
            for half in (grey[:rows], grey[rows:])
            for part in (half[:, :columns], half[:, columns:])
        ),
    ]
