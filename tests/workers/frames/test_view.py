"""The liver view, as DICOM and its words name it."""

import pytest
from pydicom import Dataset

from models.fat.multiview import VIEWS
from node.errors import SettingsError
from workers.frames import view_names
from workers.frames.view import view

RIGHT, POSTERIOR = "right portal vein", "right posterior portal vein"


def header(**elements: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    return [header(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HEPATIC VEINS", "hepatic veins"),
        ("Liver - hep. veins", "hepatic veins"),
        ("Lebervenen", "hepatic veins"),
        ("Veines hépatiques", "hepatic veins"),
        ("RT_PORTAL_VEIN", RIGHT),
        ("Right posterior portal vein", POSTERIOR),
        ("rppv", POSTERIOR),
        ("Posterior branch of right portal vein", POSTERIOR),
        ("Liver/Kidney", "liver/kidney"),
        ("LIVER + RT KIDNEY SAG", "liver/kidney"),
        ("门静脉右支切面", RIGHT),
        ("Liver", None),
        ("HVAC", None),
        ("portal vein left", None),
        ("", None),
    ],
)
def test_words_name_the_view(text: str, name: str | None) -> None:
    assert view(header(SeriesDescription=text), {})[0] == name


def test_a_code_names_the_view() -> None:
    dataset = Dataset()
    dataset.ViewCodeSequence = code("8993003", "SCT", "Venae")
    assert view(dataset, {}) == ("hepatic veins", "ViewCodeSequence: SCT:8993003")


def test_a_code_of_another_scheme_says_nothing_but_its_meaning_does() -> None:
    dataset = Dataset()
    dataset.AnatomicRegionSequence = code("8993003", "99LOCAL", "Right portal vein")
    assert view(dataset, {})[0] == RIGHT


def test_what_speaks_of_one_image_comes_before_its_series() -> None:
    dataset = header(SeriesDescription="hepatic veins", ImageComments="liver kidney")
    assert view(dataset, {})[0] == "liver/kidney"


def test_several_views_in_one_text_are_ambiguous() -> None:
    name, note = view(header(ProtocolName="hepatic veins, liver kidney"), {})
    assert name is None
    assert note == "ProtocolName names several views"


def test_the_note_never_quotes_the_header() -> None:
    _, note = view(header(ImageComments="Smith, Jane: RPV"), {})
    assert note == "ImageComments: 'rpv'"


def test_settings_add_words() -> None:
    words = {RIGHT: ("Vista B2",)}
    assert view(header(StageName="vista b2"), words)[0] == RIGHT
    assert view(header(StageName="vista b2"), {})[0] is None


def test_settings_that_name_no_view_say_which_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'spleen'.*liver/kidney"):
        view(Dataset(), {"spleen": ("spleen",)})


def test_the_views_are_those_of_the_fat_model() -> None:
    assert view_names() == VIEWS
