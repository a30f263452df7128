"""The model systems by name, and what each can do. Importing this module does not import torch.

A system is a row of ``SYSTEMS``: ``reads`` names its inference (``models.registry``), ``protocol``
the module that trains and evaluates it. A new system is a new row, and those two modules.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from models.bundle import Bundle
from models.data import Case
from models.errors import TrainingError

if TYPE_CHECKING:
    from models.evaluation.outcome import Evaluation
    from models.training.options import Options


FITTING = ("backbone", "init", "recipe", "epochs", "folds", "repeats", "extra")
"""Those of ``models.training.options.Options`` that decide a fit."""

_ONE_DRAW = tuple(name for name in FITTING if name != "repeats")


@dataclass(frozen=True)
class System:
    """name : as the command line says it. paper : number and first author. bundle : the folder's
    name that training gives its bundle. reads : the card's ``system``. protocol : a module with
    the functions of ``SystemProtocol``. wants : what a manifest must hold, for people. takes : the
    options of ``FITTING`` that it heeds."""

    name: str
    title: str
    paper: str
    bundle: str
    reads: str
    protocol: str
    wants: str
    takes: tuple[str, ...] = FITTING


class SystemProtocol(Protocol):
    """What every training module offers. All raise TrainingError when the cases hold too little.

    train : fits on all cases, with figures by the paper's cross-validation where ``options.folds``
    is not 0, and returns the folder of the written bundle, ``options.out / System.bundle``; called
    again with the same options it goes on where it was stopped.
    evaluate : what a bundle is worth on cases that it has not seen.
    cross_validate : the paper's protocol on the cases, out of fold.
    """

    def train(self, cases: Sequence[Case], options: "Options") -> Path: ...

    def evaluate(
        self, bundle: Bundle, cases: Sequence[Case], options: "Options"
    ) -> "Evaluation": ...

    def cross_validate(self, cases: Sequence[Case], options: "Options") -> "Evaluation": ...


SYSTEMS: Mapping[str, System] = {
    row.name: row
    for row in (
        System(
            name="attention",
            title="supervised-attention lesion detector",
            paper="1, Schmauch et al. 2019",
            bundle="lesion-attention",
            reads="lesion.attention",
            protocol="models.training.attention",
            wants="class or lesion and malignant or type; mass or box",
        ),
        System(
            name="dcnn-us",
            title="lesion and background networks with clinical factors (DCNN-US)",
            paper="2, Yang et al. 2020",
            bundle="lesion-dcnn-us",
            reads="lesion.dcnn_us",
            protocol="models.training.dcnn_us",
            wants="malignant, class or type; mass or box; liver, background and clinical factors "
            "where they are known",
            takes=_ONE_DRAW,
        ),
        System(
            name="roi",
            title="region-of-interest classifier",
            paper="3, Tangruangkiat et al. 2023",
            bundle="lesion-roi",
            reads="lesion.roi",
            protocol="models.training.roi",
            wants="type or class; mass or box; liver where there is no lesion",
            takes=_ONE_DRAW,
        ),
        System(
            name="joint",
            title="joint segmentation and classification from a click or box",
            paper="4, Ryu et al. 2021",
            bundle="lesion-joint",
            reads="lesion.joint",
            protocol="models.training.joint",
            wants="mass; class, malignant or type where they are known",
        ),
        System(
            name="multiview-fat",
            title="liver fat from four views",
            paper="5, Byra et al. 2021",
            bundle="fat-multiview",
            reads="fat.multiview",
            protocol="models.training.multiview",
            wants="fat_percent; view where it is known",
            takes=("backbone", "init", "folds", "repeats", "extra"),
        ),
        System(
            name="hepatorenal",
            title="liver fat from the hepatorenal index",
            paper="5, its liver/kidney contrast (Webb et al. 2009, Marshall et al. 2012)",
            bundle="fat-hepatorenal",
            reads="fat.hepatorenal",
            protocol="models.training.hepatorenal",
            wants="fat_percent; hepatorenal_index, or liver and kidney on whole frames",
            takes=("folds",),
        ),
        System(
            name="fan-liver",
            title="fan, liver and masses in a frame of which nothing is known",
            paper="none of the papers",
            bundle="fan-liver",
            reads="frame.fan_liver",
            protocol="models.training.fan_liver",
            wants="outline (the fan), liver, mass; class or lesion and malignant",
            takes=("backbone", "init", "epochs", "folds", "repeats", "extra"),
        ),
        System(
            name="kidney",
            title="the kidney beside the liver",
            paper="none of the papers; for the liver/kidney contrast of 5",
            bundle="kidney",
            reads="frame.kidney",
            protocol="models.training.kidney",
            wants="kidney; view on images that show none",
            takes=("init", "epochs", "folds", "extra"),
        ),
        System(
            name="gate",
            title="is it a liver at all",
            paper="none of the papers",
            bundle="gate",
            reads="frame.gate",
            protocol="models.training.gate",
            wants="kind on images of anything but a liver, and images of livers without it",
            takes=("backbone", "init", "folds", "extra"),
        ),
        System(
            name="view",
            title="which of the four liver views",
            paper="none of the papers; the views are those of 5",
            bundle="view",
            reads="frame.view",
            protocol="models.training.view",
            wants="view; fat_percent to see what naming it is worth to the fat estimate",
            takes=("backbone", "init", "folds", "extra"),
        ),
    )
}


FINDINGS = System(
    name="findings",
    title="detector, map of masses and outlines together, as the node reads a frame",
    paper="1 and 4, joined",
    bundle="",
    reads="",
    protocol="models.training.findings",
    wants="class; outline (the fan), liver and mass",
    takes=("init", "epochs", "folds", "extra"),
)
"""No system of its own: a protocol over three, which `evaluate` takes and `train` does not."""


def system(name: str) -> System:
    """The row of a system; TrainingError names those there are."""
    if name not in SYSTEMS:
        raise TrainingError(f"there is no system {name!r}; there are {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def check_options(row: System, options: "Options") -> None:
    """TrainingError where an option was given that the system would not heed."""
    usual = {field.name: field.default for field in fields(options)}
    unheeded = [
        f"--{name}"
        for name in FITTING
        if name not in row.takes and getattr(options, name) != usual[name]
    ]
    if unheeded:
        raise TrainingError(f"{row.name} has no {' and no '.join(unheeded)}: leave it out")


def system_of(bundle: Bundle) -> System:
    """The system that a bundle belongs to; TrainingError where nothing here evaluates it."""
    for row in SYSTEMS.values():
        if row.reads == bundle.system:
            return row
    raise TrainingError(
        f"bundle {bundle.name!r}: nothing here evaluates the system {bundle.system!r}"
    )


def system_name(bundle: Bundle) -> str:
    """The name of the system that a bundle belongs to; the card's own word where nothing here
    trains it."""
    return next((row.name for row in SYSTEMS.values() if row.reads == bundle.system), bundle.system)


def protocol(row: System) -> SystemProtocol:
    """The training module of a system; imports torch."""
    return cast(SystemProtocol, importlib.import_module(row.protocol))
