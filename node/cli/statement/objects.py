"""What is in each kind of result object, read off the example that the builders made."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from pydicom.datadict import dictionary_description
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from node.cli.statement.markdown import code
from node.dispatch.dialect import INSTEAD
from node.dispatch.older_form import OLDER
from workers.results import BUILDERS, ResultObject, encode
from workers.results.charset import DEFINED
from workers.results.envelope import SERIES_FROM, SERIES_OF_VERSION
from workers.results.example import examples
from workers.results.header import IDENTIFIERS, OPTIONAL, TYPE_2

Row = Sequence[object]

_OF_THE_SOURCE = frozenset(TYPE_2 + OPTIONAL) | {
    "StudyInstanceUID",
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
}
CHARACTER_SETS = tuple(sorted(DEFINED - {""}))


@dataclass(frozen=True)
class Kind:
    """One kind of result, as its module and the example say it is."""

    name: str
    about: str
    objects: tuple[ResultObject, ...]

    @property
    def classes(self) -> tuple[UID, ...]:
        return tuple(dict.fromkeys(UID(one.sop_class_uid) for one in self.objects))

    def series(self) -> Iterator[Row]:
        """Modality, offset of Series Number, description and class of each of its series."""
        found = dict.fromkeys(
            (
                one.dataset.Modality,
                (int(one.dataset.SeriesNumber) - SERIES_FROM) % SERIES_OF_VERSION,
                one.dataset.SeriesDescription.partition(" (version")[0],
                UID(one.sop_class_uid).name,
            )
            for one in self.objects
        )
        return iter(found)


@cache
def kinds() -> tuple[Kind, ...]:
    """Every kind of the registry, in the order of delivery."""
    made = examples()
    return tuple(
        Kind(name, _about(builder), tuple(one for one in made if one.kind == name))
        for name, builder in BUILDERS.items()
    )


def _about(builder: object) -> str:
    """The first paragraphs of the builder's module and of the builder itself."""
    sources = (inspect.getmodule(builder), builder)
    texts = (inspect.getdoc(source) or "" for source in sources)
    return " ".join(" ".join(text.partition("\n\n")[0].split()) for text in texts).replace(
        "``", "`"
    )


def classes() -> Iterator[Row]:
    """Every SOP class that results are sent in: its UID, and the kinds that use it."""
    users: dict[UID, list[str]] = {}
    for kind in kinds():
        for one in kind.classes:
            users.setdefault(one, []).append(kind.name)
    for preferred in [*users]:
        for older in OLDER.get(preferred, ()):
            users.setdefault(older, []).append(f"in place of {preferred.name}")
    for one, names in users.items():
        yield one.name, code(one), ", ".join(names)


def made_up_for() -> Iterator[Row]:
    """Kinds that a destination may refuse, and those that tell the same, best first."""
    known = {kind.name for kind in kinds()}
    for name, others in INSTEAD.items():
        if name in known:
            yield name, ", else ".join(other for other in others if other in known)


def stored_syntaxes() -> tuple[str, ...]:
    """Transfer syntaxes that result files are written in."""
    for kind in kinds():
        for one in kind.objects:
            encode(one)  # gives the data set its file meta
    found = (one.dataset.file_meta.TransferSyntaxUID for kind in kinds() for one in kind.objects)
    return tuple(dict.fromkeys(map(str, found)))


def common() -> Iterator[Row]:
    """The attributes that objects of every kind have."""
    every = [one.dataset for kind in kinds() for one in kind.objects]
    yield from _attributes(every, sorted(_common_tags()))


def own(kind: Kind) -> Iterator[Row]:
    """The attributes that a kind has beside the common ones."""
    datasets = [one.dataset for one in kind.objects]
    tags = {element.tag for dataset in datasets for element in dataset} - _common_tags()
    yield from _attributes(datasets, sorted(tags))


def copied() -> Iterator[Row]:
    """The attributes of patient and study that every object takes from its source."""
    for keyword in (*TYPE_2, *OPTIONAL):
        missing = "empty" if keyword in TYPE_2 else "left out"
        faulty = "kept as received" if keyword in IDENTIFIERS else "cleaned, or as if missing"
        yield dictionary_description(keyword), missing, faulty


@cache
def _common_tags() -> frozenset[BaseTag]:
    tags = [
        {element.tag for one in kind.objects for element in one.dataset}
        for kind in kinds()
        if kind.objects
    ]
    return frozenset(set.intersection(*tags))


def _attributes(datasets: Sequence[Dataset], tags: Iterable[BaseTag]) -> Iterator[Row]:
    """Tag, name, presence and content of each; 'always' as far as the example goes."""
    for tag in tags:
        elements = [dataset[tag] for dataset in datasets if tag in dataset]
        if elements[0].keyword in _OF_THE_SOURCE:
            continue
        presence = "always" if len(elements) == len(datasets) else "where it applies"
        yield (
            code(f"{tag.group:04X},{tag.element:04X}"),
            elements[0].name,
            presence,
            _said(elements),
        )


def _said(elements: Sequence[DataElement]) -> str:
    """Items' attributes of a sequence, enumerated values of a code string, or 'empty'."""
    first = elements[0]
    if first.keyword == "ContentSequence":
        return "the content tree, see below"
    if first.VR == "SQ":
        names = {inner.name: None for one in elements for item in one.value for inner in item}
        return "; ".join(names) or "empty"
    if all(one.is_empty for one in elements):
        return "empty"
    if first.VR == "CS":
        return " or ".join(code(value) for value in sorted({_text(one) for one in elements}))
    return ""


def _text(element: DataElement) -> str:
    value = element.value
    return value if isinstance(value, str) else "\\".join(map(str, value or ()))


@dataclass(frozen=True)
class _Item:
    """A place in the content tree; ``values`` of codes, ``children`` by what distinguishes them."""

    relationship: str
    value_type: str
    concept: str
    values: dict[str, None]
    children: dict[object, _Item]


def tree(kind: Kind) -> str:
    """The content trees of a kind as one indented outline, each place once with all the codes that
    it holds; empty for what is no document."""
    root = _Item("", "", "", {}, {})
    for one in kind.objects:
        _merge(one.dataset, root)
    return "\n".join(_outline(root, 0))


def _merge(item: Dataset, place: _Item) -> None:
    for child in item.get("ContentSequence", ()):
        concept = (
            _coded(child.ConceptNameCodeSequence) if "ConceptNameCodeSequence" in child else ""
        )
        finding = _finding(child)
        key = (child.RelationshipType, child.ValueType, concept, finding)
        below = place.children.setdefault(key, _Item(*key[:3], {}, {}))
        if child.ValueType == "CODE":
            below.values[_coded(child.ConceptCodeSequence)] = None
        if child.ValueType == "NUM":
            units = child.MeasuredValueSequence[0].MeasurementUnitsCodeSequence
            below.values[str(units[0].CodeValue)] = None
        _merge(child, below)


def _finding(group: Dataset) -> str:
    """What a measurement group is about: groups of one finding are one place."""
    if group.ValueType != "CONTAINER":
        return ""
    return " ".join(
        _coded(one.ConceptCodeSequence)
        for one in group.get("ContentSequence", ())
        if one.ValueType == "CODE" and one.ConceptNameCodeSequence[0].CodeValue == _FINDING
    )


_FINDING = "121071"  # DCM Finding


def _coded(sequence: Sequence[Dataset]) -> str:
    one = sequence[0]
    return f"({one.CodeValue}, {one.CodingSchemeDesignator}, {one.CodeMeaning})"


def _outline(place: _Item, depth: int) -> Iterator[str]:
    for one in place.children.values():
        values = f" = {' or '.join(one.values)}" if one.values else ""
        yield f"{'  ' * depth}{one.relationship} {one.value_type} {one.concept}{values}"
        yield from _outline(one, depth + 1)
