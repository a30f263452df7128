"""Every object that names a model names it alike: TID 4019, segments and Contributing Equipment."""

from __future__ import annotations

from dataclasses import replace

from pydicom import Dataset

from tests.workers.results.pieces import LESION_MODEL
from tests.workers.results.studies import frame_of, header_of, pixels_of, whole_of, whole_set
from tests.workers.results.tools import items, name_of
from workers.messages import ENGLISH, Language, speaking
from workers.results.content.provenance import algorithm
from workers.results.envelope import Device, contributing_equipment, device

LOOP = "examples_ybr_color.dcm"
UID = "Device UID "


def test_a_whole_set_names_each_model_alike() -> None:
    header, pixels = header_of(LOOP), pixels_of(LOOP, 12)
    made = [one.dataset for one in whole_set(header, pixels, 12, 20)]
    models = whole_of(frame_of(header, 12), shape=pixels.shape[:2]).models
    known = {device(model) for model in models}
    assert {one for dataset in made for one in equipment(dataset)} == known
    for dataset in made:
        assert set(algorithms(dataset)) <= set(equipment(dataset))
        assert set(segmenting(dataset)) <= {one[:3] for one in equipment(dataset)}
    assert any(map(algorithms, made))
    assert any(map(segmenting, made))


def test_a_long_an_odd_and_an_empty_name_are_cut_alike_in_every_language() -> None:
    model = replace(LESION_MODEL, name="Leberläsion ≥ 1 " * 9, version="")
    for language in (ENGLISH, Language("de", "German", ascii=False)):
        held = Dataset()
        with speaking(language):
            held.ContributingEquipmentSequence = contributing_equipment([model])
            held.ContentSequence = algorithm(model)
        (named,) = equipment(held)
        assert _algorithm(held) == named == Device("hepanode", named.name, "-", device(model).uid)
        assert len(named.name.encode()) == 64
        assert named.name.isascii() is language.ascii


def equipment(dataset: Dataset) -> list[Device]:
    """What Contributing Equipment Sequence names."""
    return [
        Device(one.Manufacturer, one.ManufacturerModelName, one.SoftwareVersions, one.DeviceUID)
        for one in dataset.get("ContributingEquipmentSequence", ())
    ]


def algorithms(dataset: Dataset) -> list[Device]:
    """What the items of a content tree name by TID 4019."""
    named = (_algorithm(item) for item in items(dataset))
    return [one for one in named if one is not None]


def _algorithm(item: Dataset) -> Device | None:
    texts = [
        (name_of(one), one.TextValue)
        for one in item.get("ContentSequence", ())
        if one.ValueType == "TEXT" and name_of(one).startswith("Algorithm ")
    ]
    if not texts:
        return None
    uids = [text.removeprefix(UID) for _, text in texts if text.startswith(UID)]
    parts = dict(texts)
    keys = ("Algorithm Manufacturer", "Algorithm Name", "Algorithm Version")
    return Device(*(parts[key] for key in keys), *uids)


def segmenting(dataset: Dataset) -> list[tuple[str, ...]]:
    """Maker, name and version of what drew each segment."""
    found = [
        one
        for segment in dataset.get("SegmentSequence", ())
        for one in segment.SegmentationAlgorithmIdentificationSequence
    ]
    return [(one.AlgorithmSource, one.AlgorithmName, one.AlgorithmVersion) for one in found]
