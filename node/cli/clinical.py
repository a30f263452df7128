"""``hepanode studies clinical``: what is known of a patient and a lesion beside the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import fields, print_json, say, table
from node.cli.session import Json, Session
from node.cli.studies import UID

if TYPE_CHECKING:
    from node.tracking import Database
    from workers.clinical import ClinicalFactors


def clinical(
    session: Session,
    uid: UID,
    hepatitis: Annotated[
        str | None,
        typer.Option(metavar="none|B|C|B+C", help="History of hepatitis.", show_default=False),
    ] = None,
    extrahepatic_tumour: Annotated[
        str | None,
        typer.Option(
            metavar="no|yes", help="History of a tumour outside the liver.", show_default=False
        ),
    ] = None,
    halo: Annotated[
        str | None, typer.Option(metavar="no|yes", help="Hypoechoic halo.", show_default=False)
    ] = None,
    vascularity: Annotated[
        str | None,
        typer.Option(metavar="no|yes", help="Vessels inside the tumour.", show_default=False),
    ] = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACTOR",
            help="Take back what was entered; can be given several times.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the clinical factors of a study, or enter them.

    Age and sex are read from its DICOM objects, the others are entered here; what nobody enters is
    left out. Every change is written down, see `hepanode studies show UID`. A model of the system
    dcnn-us that was fitted with factors reads them where a lesion was outlined in a box, see
    `hepanode studies segment`; the shipped one was not.
    """
    from node import tracking

    given = {
        "hepatitis": hepatitis,
        "extrahepatic_tumour": extrahepatic_tumour,
        "halo": halo,
        "vascularity": vascularity,
    }
    changes: dict[str, str | None] = {
        name: _answer(name, text) for name, text in given.items() if text is not None
    }
    changes.update(dict.fromkeys(_cleared(clear or (), changes)))
    run = None
    with session.database() as db:
        uid = tracking.studies.resolve(db, uid)
        if changes:
            run = tracking.studies.enter(db, uid, changes)
        known = _known(session, db, uid)
    if json:
        print_json({"study": uid, **vars(known), "left_out": known.left_out, "run": run})
        return
    fields([("study", uid)])
    say()
    _print(known)
    if run is not None:
        say(f"run {run} of study {uid} is queued: `hepanode runs show {run}` follows it")


def _answer(name: str, text: str) -> str:
    """The answer as it is kept; capitals do not matter."""
    from models.factors import ENTERED

    answers = {answer.casefold(): answer for answer in ENTERED[name].answers}
    if text.casefold() not in answers:
        raise typer.BadParameter(f"{_option(name)} {text}: there is {', '.join(answers.values())}")
    return answers[text.casefold()]


def _cleared(names: Sequence[str], entered: dict[str, str | None]) -> list[str]:
    """The factors to take back, by the names of their options."""
    from models.factors import ENTERED

    found = []
    for text in names:
        name = text.replace("-", "_")
        if name not in ENTERED:
            allowed = ", ".join(_option(one).removeprefix("--") for one in ENTERED)
            raise typer.BadParameter(f"--clear {text}: there is {allowed}")
        if name in entered:
            raise typer.BadParameter(f"--clear {text}: {_option(name)} enters it in the same call")
        found.append(name)
    return found


def _known(session: Session, db: Database, uid: str) -> ClinicalFactors:
    from node import tracking
    from node.storage import InstanceStore
    from workers.clinical import ClinicalFactors, read_factors

    entered = {factor.name: factor.answer for factor in tracking.clinical.list_of(db, uid)}
    if tracking.studies.get(db, uid).state == "held":
        note = "the study is held: age and sex of which patient, nobody knows"
        return ClinicalFactors(entered=entered, notes=(note,))
    store = InstanceStore(session.settings.data)
    return read_factors(
        (
            store.path(instance.path)
            for instance in tracking.instances.list_of(db, uid)
            if not instance.own_result
        ),
        entered,
    )


def _print(known: ClinicalFactors) -> None:
    from models.factors import ENTERED

    age = None if known.age is None else f"{known.age:.3g} years"
    rows = [
        _read("age", age, "the study's objects say neither an age nor two dates for it"),
        _read("sex", known.sex, "the study's objects say neither F nor M"),
    ]
    for name, factor in ENTERED.items():
        enters = f"left out: {_option(name)} {'|'.join(factor.answers)} enters it"
        answer = known.entered.get(name)
        said = ("not known", enters) if answer is None else (answer, "entered")
        rows.append((name.replace("_", " "), *said))
    table(("FACTOR", "KNOWN", "FROM"), rows)
    for note in known.notes:
        say(note)


def _read(name: str, value: str | None, why: str) -> tuple[str, str, str]:
    return (name, "not known", f"left out: {why}") if value is None else (name, value, "DICOM")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
