"""``studies clinical``: what is known, entered, changed, taken back and left out."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer.main

from models.factors import CLINICAL, ENTERED
from node.cli.app import app
from node.tracking import Database, instances
from tests import bad_input
from tests.cli.conftest import Node
from tests.cli.records import COMPLETE, HELD, RECEIVING, Night, received

Filled = tuple[Node, Night]

CODE = (
    "import sys; sys.argv = ['hepanode', 'studies', 'clinical', *sys.argv[1:]]\n"
    "from node.cli import main\n"
    "try: main()\n"
    "except SystemExit as end: assert end.code == 0, end\n"
    "print(sorted({'torch', 'highdicom', 'scipy', 'alembic'} & set(sys.modules)))"
)


def put(node: Node, number: int, study: str = COMPLETE, **elements: str) -> None:
    """The object of that number of a study (tests.cli.records), where the node has stored it."""
    folder = node.config.parent / "data" / "instances" / study
    folder.mkdir(parents=True, exist_ok=True)
    dataset = bad_input.study()
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "SECRET-7"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    bad_input.write(dataset, folder, f"{study}.1.{number}")


def audited(node: Node, study: str = COMPLETE) -> list[str]:
    entries = node("studies", "show", study, "--json").json["audit"]
    assert {entry["action"] for entry in entries} <= {"clinical"}
    return [entry["detail"] for entry in entries]


def rows(text: str) -> dict[str, str]:
    """What stands behind the name of each factor."""
    lines = text.partition("FACTOR")[2].splitlines()[1 : 1 + len(CLINICAL)]
    return {line[:19].strip(): " ".join(line[19:].split()) for line in lines}


def test_the_options_are_those_of_the_models(node: Node) -> None:
    studies = typer.main.get_command(app).commands["studies"]  # type: ignore[attr-defined]
    options = {option.name: option for option in studies.commands["clinical"].params}
    for name, factor in ENTERED.items():
        assert options[name].metavar == "|".join(factor.answers)
        assert options[name].help.rstrip(".").lower() == factor.meaning
    assert set(options) - set(ENTERED) == {"uid", "clear", "json", "config", "verbose"}


def test_what_is_known_and_what_is_left_out_is_shown(filled: Filled) -> None:
    node, _ = filled
    put(node, 1, PatientAge="063Y")
    put(node, 2, PatientSex="F")
    answer = node("studies", "clinical", COMPLETE[:40], "--hepatitis", "b+c", "--halo", "NO")
    assert answer.status == 0
    assert COMPLETE in answer.out
    assert rows(answer.out) == {
        "age": "63 years DICOM",
        "sex": "F DICOM",
        "hepatitis": "B+C entered",
        "extrahepatic tumour": "not known left out: --extrahepatic-tumour no|yes enters it",
        "halo": "no entered",
        "vascularity": "not known left out: --vascularity no|yes enters it",
    }
    assert "1 of its objects cannot be read for age and sex" in answer.out
    assert node("studies", "clinical", COMPLETE, "--json").json == {
        "study": COMPLETE,
        "age": 63.0,
        "sex": "F",
        "entered": {"hepatitis": "B+C", "halo": "no"},
        "notes": ["1 of its objects cannot be read for age and sex"],
        "left_out": ["extrahepatic_tumour", "vascularity"],
        "run": None,
    }


def test_a_study_of_which_nothing_is_known_says_so(filled: Filled) -> None:
    node, _ = filled
    for number in range(3):
        put(node, number, PatientAge="", PatientBirthDate="20250101", StudyDate="20240101")
    text = node("studies", "clinical", COMPLETE).out
    said = "not known left out: the study's objects say neither "
    assert rows(text)["age"] == f"{said}an age nor two dates for it"
    assert rows(text)["sex"] == f"{said}F nor M"
    assert rows(text)["hepatitis"] == "not known left out: --hepatitis none|B|C|B+C enters it"
    assert audited(node) == []


def test_what_this_node_wrote_itself_is_not_asked(filled: Filled) -> None:
    """A PACS may have changed the patient of a result that comes back."""
    node, _ = filled
    db = Database(os.environ["HEPANODE_DATABASE__URL"])
    instances.record(db, replace(received(COMPLETE, 9), own_result=True))
    db.dispose()
    for number, sex in {0: "F", 1: "", 2: "", 9: "M"}.items():
        put(node, number, PatientSex=sex)
    known = node("studies", "clinical", COMPLETE, "--json").json
    assert (known["sex"], known["notes"]) == ("F", [])


def test_a_second_answer_replaces_the_first_and_both_are_audited(filled: Filled) -> None:
    node, _ = filled
    node("studies", "clinical", COMPLETE, "--hepatitis", "none", "--vascularity", "yes")
    node("studies", "clinical", COMPLETE, "--hepatitis", "B")
    node("studies", "clinical", COMPLETE, "--hepatitis", "B")
    shown = node("studies", "show", COMPLETE, "--json").json
    assert shown["clinical"] == {"hepatitis": "B", "vascularity": "yes"}
    assert audited(node) == [
        "hepatitis: not known -> none",
        "vascularity: not known -> yes",
        "hepatitis: none -> B",
    ]
    text = node("studies", "show", COMPLETE).out
    assert "clinical factors that were entered\nhepatitis    B\nvascularity  yes\n" in text
    assert "clinical hepatitis: none -> B" in text
    assert len(node("runs", "list", "--study", COMPLETE, "--json").json) == 2  # as before


def test_what_was_entered_is_taken_back_by_the_name_of_its_option(filled: Filled) -> None:
    node, _ = filled
    enter = ("--extrahepatic-tumour", "yes", "--halo", "yes", "--hepatitis", "C")
    node("studies", "clinical", COMPLETE, *enter)
    clear = ("--clear", "extrahepatic-tumour", "--clear", "halo", "--clear", "vascularity")
    left = node("studies", "clinical", COMPLETE, *clear, "--json").json
    assert left["entered"] == {"hepatitis": "C"}
    assert audited(node)[3:] == [
        "extrahepatic_tumour: yes -> not known",
        "halo: yes -> not known",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--hepatitis", "D"), "--hepatitis D: there is none, B, C, B+C"),
        (("--halo", "perhaps"), "--halo perhaps: there is no, yes"),
        (
            ("--clear", "age"),
            "--clear age: there is hepatitis, extrahepatic-tumour, halo, vascularity",
        ),
        (("--halo", "no", "--clear", "halo"), "--clear halo: --halo enters it in the same call"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed_and_nothing_is_kept(
    filled: Filled, words: tuple[str, ...], said: str
) -> None:
    node, _ = filled
    answer = node("studies", "clinical", COMPLETE, "--vascularity", "yes", *words)
    assert answer.status == 2
    assert said in " ".join(answer.err.replace("│", " ").split())
    assert audited(node) == []


def test_an_unknown_study_ends_with_one_line(filled: Filled) -> None:
    node, _ = filled
    answer = node("studies", "clinical", "9.9", "--halo", "yes")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "hepanode: no study 9.9: see `hepanode studies list`\n"


def test_a_held_study_shows_nobodys_age_and_takes_no_answer(filled: Filled) -> None:
    node, _ = filled
    put(node, 0, HELD, PatientAge="050Y", PatientSex="M")
    refused = node("studies", "clinical", HELD, "--hepatitis", "B")
    assert refused.status == 1
    assert f"study {HELD} is held: 2 different Patient IDs" in refused.err
    shown = node("studies", "clinical", HELD)
    assert rows(shown.out)["age"].startswith("not known")
    assert "the study is held" in shown.out
    assert audited(node, HELD) == []


def test_a_study_that_is_still_arriving_takes_answers(filled: Filled) -> None:
    node, _ = filled
    assert node("studies", "clinical", RECEIVING, "--halo", "yes").status == 0
    assert node("studies", "show", RECEIVING, "--json").json["clinical"] == {"halo": "yes"}


def test_no_name_and_no_id_is_printed_or_logged(
    filled: Filled, caplog: pytest.LogCaptureFixture
) -> None:
    node, _ = filled
    caplog.set_level(logging.DEBUG)
    put(node, 0, PatientAge="063Y")
    (node.config.parent / "data/instances" / COMPLETE / f"{COMPLETE}.1.1.dcm").write_bytes(
        b"Doe^Jane SECRET-7"
    )
    answer = node("studies", "clinical", COMPLETE, "--hepatitis", "B", "-v")
    for text in (answer.out, answer.err, caplog.text, "".join(audited(node))):
        assert "Doe" not in text
        assert "SECRET" not in text


def test_it_runs_where_there_is_neither_torch_nor_highdicom(filled: Filled) -> None:
    """As in the receiver's image."""
    node, _ = filled
    put(node, 0, PatientAge="063Y")
    done = subprocess.run(
        [sys.executable, "-c", CODE, COMPLETE, "--config", str(node.config)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "63 years" in done.stdout
