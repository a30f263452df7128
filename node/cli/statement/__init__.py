"""The DICOM conformance statement (PS3.2): prose in ``statement.md.jinja``, tables out of the code.

One file per part of the node that has tables.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydicom.uid import UID

from node.cli.statement import coded, network, objects
from node.cli.statement.markdown import flowing, table
from workers.results.envelope import SERIES_FROM, SERIES_OF_VERSION

__all__ = ["statement"]


def statement() -> str:
    """The whole page, in Markdown; the same code gives the same text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["table"] = table
    page = environment.get_template("statement.md.jinja").render(
        limits=network.LIMITS,
        rejections=network.rejections(),
        refused=network.refused_classes(),
        statuses=network.statuses(),
        syntaxes=[(UID(one).name, network.syntaxes(one)) for one in objects.stored_syntaxes()],
        answers=network.answers(),
        settings=network.settings(),
        storage_classes=network.storage_classes(),
        classes=objects.classes(),
        made_up_for=objects.made_up_for(),
        copied=objects.copied(),
        common=objects.common(),
        kinds=objects.kinds(),
        first_series=SERIES_FROM,
        series_of_version=SERIES_OF_VERSION,
        own=objects.own,
        tree=objects.tree,
        character_sets=objects.CHARACTER_SETS,
        coded=coded,
    )
    return flowing(page)
