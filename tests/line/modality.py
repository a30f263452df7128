"""What a modality has and does: studies on disk, and a pynetdicom sender beside DCMTK's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from pynetdicom import AE, Association

from node.association.wrap import Study
from tests.bad_input import Grey, study, write
from tests.peers import shared

AUL = ("benign-002.jpg", "benign-003.jpg", "benign-004.jpg")
AUL_VIEWS = ("hepatic veins", "right portal vein", "")


def real_files(*names: str) -> list[Path]:
    """Ultrasound files of pydicom and pydicom-data, as their machines made them."""
    found = [get_testdata_file(name, download=False) for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    assert not missing, f"pydicom-data holds no {missing}"
    return [Path(path) for path in found]


def aul_study(folder: Path) -> list[Path]:
    """Three liver images of real patients, wrapped as one calibrated ultrasound study."""
    images = shared() / "data" / "aul" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    wrapped = Study(patient_id="AUL-1", patient_name="Aul^One")
    files = []
    for number, (name, view) in enumerate(zip(AUL, AUL_VIEWS, strict=True)):
        files.append(folder / f"{number}.dcm")
        wrapped.wrap(images / name, files[-1], mm_per_pixel=0.3, view=view)
    return files


def new_study(
    folder: Path,
    images: int = 1,
    *,
    image: Grey | None = None,
    study_uid: str | None = None,
    **attributes: object,
) -> list[Path]:
    """A study of this many small echocardiograms, or of ``image``; ``attributes`` by keyword."""
    folder.mkdir(parents=True, exist_ok=True)
    study_uid, series_uid = study_uid or generate_uid(), generate_uid()
    files = []
    for number in range(1, images + 1):
        dataset = study(image)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, series_uid
        dataset.InstanceNumber = number
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        files.append(write(dataset, folder, f"{series_uid}.{number}"))
    return files


def uid_of(file: Path) -> str:
    return str(dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


def study_of(file: Path) -> str:
    return str(dcmread(file, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)


@contextmanager
def association(port: int, files: Sequence[Path]) -> Iterator[Association]:
    """A pynetdicom association that can carry the files."""
    ae = AE("PYNETDICOM")
    for sop_class, syntax in {_context(file) for file in files}:
        ae.add_requested_context(sop_class, syntax)
    opened = ae.associate("127.0.0.1", port, ae_title="HEPANODE")
    assert opened.is_established
    connection = opened.dul.socket.socket
    try:
        yield opened
    finally:
        if opened.is_established:
            opened.release()
        opened.join()
        connection.close()  # pynetdicom leaves it open where the peer was the first to close


def store(port: int, files: Sequence[Path]) -> list[str]:
    """Send with pynetdicom until all are sent or the peer is gone; the UIDs that it accepted."""
    with association(port, files) as opened:
        return list(storing(opened, files))


def storing(opened: Association, files: Sequence[Path]) -> Iterator[str]:
    """Each UID as soon as it was answered with success; ends when the peer is gone."""
    for file in files:
        dataset = dcmread(file)
        try:
            reply = opened.send_c_store(dataset)
        except RuntimeError:  # pynetdicom's word for an association that is over
            return
        if reply.get("Status") == 0x0000:
            yield str(dataset.SOPInstanceUID)


def _context(file: Path) -> tuple[str, str]:
    meta = dcmread(file, specific_tags=["SOPClassUID"]).file_meta
    return meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID
