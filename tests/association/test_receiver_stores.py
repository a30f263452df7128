"""What arrives is on disk byte for byte, and on record, before success is said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts
from pynetdicom.dsutils import split_dataset

from node.association.sender import send
from node.identity import MANUFACTURER, MODEL_NAME
from tests.association.receiving import Node, image, write
from tests.peers import dcmtk

# every transfer syntax that pydicom and pydicom-data have a whole object of, ultrasound first
REAL = [
    "US1_UNCI.dcm",  # explicit VR little endian
    "US1_J2KI.dcm",
    "US1_J2KR.dcm",
    "OBXXXX1A_expb_2frame.dcm",  # explicit VR big endian
    "OBXXXX1A_rle_2frame.dcm",
    "gdcm-US-ALOKA-16.dcm",  # implicit VR
    "color3d_jpeg_baseline.dcm",  # 120 frames
    "examples_palette.dcm",
    "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "examples_ybr_color.dcm",
    "image_dfl.dcm",  # deflated
    "JPEG-lossy.dcm",  # extended, 12 bit
    "MR_truncated.dcm",
    "reportsi.dcm",  # structured report
]


def real(name: str, folder: Path) -> Path:
    """A copy of a test file, under a SOP Instance UID of its own: several share theirs."""
    found = get_testdata_file(name, download=False)
    assert found is not None, f"pydicom-data holds no {name}"
    content = Path(str(found)).read_bytes()
    old = str(dcmread(str(found), specific_tags=["SOPInstanceUID"]).SOPInstanceUID).encode()
    new = old[:-4] + str(1000 + REAL.index(name)).encode()
    path = folder / name
    path.write_bytes(content.replace(old, new))
    return path


def dataset_bytes(path: Path) -> bytes:
    return path.read_bytes()[split_dataset(path)[1] :]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_object_is_kept_byte_for_byte_behind_a_valid_meta(
    node: Node, tmp_path: Path, name: str
) -> None:
    original = real(name, tmp_path)
    [sent] = node.send(original)
    assert sent.status == 0, sent.error
    kept = node.stored(sent.sop_instance_uid)
    assert dataset_bytes(kept) == dataset_bytes(original)
    meta = read_file_meta_info(kept)
    assert meta.MediaStorageSOPInstanceUID == sent.sop_instance_uid
    assert meta.TransferSyntaxUID == read_file_meta_info(original).TransferSyntaxUID
    assert meta.SourceApplicationEntityTitle == "HEPANODE"
    assert meta.FileMetaInformationGroupLength == split_dataset(kept)[1] - 144


def test_dcmtk_storescu_stores_with_its_default_pdus(node: Node, tmp_path: Path) -> None:
    files = [write(image(size=512), tmp_path / f"{n}.dcm") for n in range(3)]
    subprocess.run(
        [dcmtk("storescu"), "-aec", "HEPANODE", "127.0.0.1", str(node.peer.port), *map(str, files)],
        check=True,
    )
    for file in files:
        kept = node.stored(str(dcmread(file).SOPInstanceUID))
        assert dcmread(kept).PixelData == dcmread(file).PixelData
        assert subprocess.run([dcmtk("dcmftest"), str(kept)], capture_output=True).returncode == 0


def test_private_class_in_private_syntax_is_stored(node: Node, tmp_path: Path) -> None:
    private_class, private_syntax = "1.2.840.113543.6.6.1.3.10002", "1.2.840.113619.5.2.99"
    file = write(image(SOPClassUID=private_class), tmp_path / "private.dcm", private_syntax)
    [sent] = node.send(file)
    assert sent.status == 0, sent.error
    meta = read_file_meta_info(node.stored(sent.sop_instance_uid))
    assert (meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) == (private_class, private_syntax)


def test_pynetdicom_stores_over_the_smallest_pdus(node: Node) -> None:
    ae = AE("MODALITY")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.1.6.1", ImplicitVRLittleEndian)
    dataset = image(size=128)
    dataset.file_meta = Dataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    association = ae.associate("127.0.0.1", node.peer.port, ae_title="HEPANODE")
    association.acceptor.primitive.maximum_length_received = 4096
    connection = association.dul.socket.socket
    try:
        assert association.send_c_store(dataset).Status == 0
    finally:
        association.release()
        association.join()
        connection.close()
    [(calling, modality)] = node.rows(
        "SELECT calling_ae, modality FROM instances "
        f"WHERE sop_instance_uid = '{dataset.SOPInstanceUID}'"
    )
    assert (calling, modality) == ("MODALITY", "US")


def test_same_object_again_changes_nothing(node: Node, tmp_path: Path) -> None:
    file = write(image(), tmp_path / "a.dcm")
    [first] = node.send(file)
    kept = node.stored(first.sop_instance_uid)
    before = kept.stat()
    [again] = node.send(file)
    assert again.status == 0
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not node.rows(
        f"SELECT 1 FROM conflicts WHERE sop_instance_uid = '{first.sop_instance_uid}'"
    )


@pytest.mark.parametrize("other_study", [False, True])
def test_other_content_under_a_known_uid_is_kept_aside_once(
    node: Node, tmp_path: Path, other_study: bool
) -> None:
    dataset = image()
    [first] = node.send(write(dataset, tmp_path / "a.dcm"))
    kept = node.stored(first.sop_instance_uid)
    content = kept.read_bytes()
    if other_study:
        dataset.StudyInstanceUID = generate_uid()
    else:
        dataset.PixelData = bytes(len(dataset.PixelData))
    changed = write(dataset, tmp_path / "b.dcm")
    assert [s.status for s in node.send(changed, changed)] == [0, 0]
    assert kept.read_bytes() == content
    [(path,)] = node.rows(
        f"SELECT path FROM conflicts WHERE sop_instance_uid = '{first.sop_instance_uid}'"
    )
    assert dataset_bytes(node.data / str(path)) == dataset_bytes(changed)
    [(number,)] = node.rows(
        f"SELECT count(*) FROM instances WHERE sop_instance_uid = '{first.sop_instance_uid}'"
    )
    assert number == 1
    if other_study:
        assert not list((node.data / "instances" / dataset.StudyInstanceUID).glob("*.dcm"))


def test_file_of_a_killed_process_is_recorded_when_the_object_comes_again(
    node: Node, tmp_path: Path
) -> None:
    dataset = image()
    file = write(dataset, tmp_path / "a.dcm")
    [sent] = node.send(file)
    kept = node.stored(sent.sop_instance_uid)
    orphan = generate_uid()
    dataset.SOPInstanceUID = orphan
    other = write(dataset, tmp_path / "b.dcm")
    placed = kept.with_name(f"{orphan}.dcm")
    shutil.copy(other, placed)  # as a kill between the rename and the commit leaves it
    assert node.send(other)[0].status == 0
    assert node.stored(orphan) == placed


def test_own_results_and_urgent_studies_are_marked(node: Node, tmp_path: Path) -> None:
    contributor = Dataset()
    contributor.Manufacturer, contributor.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    request = Dataset()
    request.RequestedProcedurePriority = "STAT"
    objects = {
        "plain": image(),
        "own": image(Manufacturer=MANUFACTURER, ManufacturerModelName=MODEL_NAME),
        "contributed": image(ContributingEquipmentSequence=Sequence([contributor])),
        "stat": image(RequestAttributesSequence=Sequence([request])),
        "high": image(RequestedProcedurePriority="HIGH"),
        "low": image(RequestedProcedurePriority="LOW"),
    }
    found = {}
    for name, dataset in objects.items():
        [sent] = node.send(write(dataset, tmp_path / f"{name}.dcm"))
        assert sent.status == 0
        [row] = node.rows(
            "SELECT i.own_result, s.urgent FROM instances i JOIN studies s ON s.id = i.study_id "
            f"WHERE i.sop_instance_uid = '{sent.sop_instance_uid}'"
        )
        found[name] = tuple(map(bool, row))
    assert found == {
        "plain": (False, False),
        "own": (True, False),
        "contributed": (True, False),
        "stat": (False, True),
        "high": (False, True),
        "low": (False, False),
    }


def test_patient_id_is_read_in_its_character_set(node: Node, tmp_path: Path) -> None:
    for charset, patient, expected in (
        ("ISO_IR 192", "Ä7", "Ä7"),
        ("ISO_IR 100", "Ö8", "Ö8"),
        (None, "", ""),
    ):
        dataset = image(PatientID=patient)
        if charset:
            dataset.SpecificCharacterSet = charset
        [sent] = node.send(write(dataset, tmp_path / "a.dcm"))
        [(found,)] = node.rows(
            f"SELECT patient_id FROM instances WHERE sop_instance_uid = '{sent.sop_instance_uid}'"
        )
        assert found == expected


def test_every_storage_class_is_stored(node: Node, tmp_path: Path) -> None:
    classes = sorted({str(context.abstract_syntax) for context in AllStoragePresentationContexts})
    assert len(classes) > 100
    paths = [
        write(image(size=8, SOPClassUID=sop_class), tmp_path / f"{sop_class}.dcm")
        for sop_class in classes
    ]
    refused = [one for one in send(paths, node.peer) if not one.accepted]
    assert refused == []
