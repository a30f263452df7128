"""``hepanode models simulate`` and ``foreign``: manifest folders that nobody has to collect."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from node.cli.output import plural, print_json, say
from node.cli.session import Json, Session
from node.cli.training import About, Seed, working


def simulate(
    session: Session,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="A new folder.")],
    participants: Annotated[int, typer.Option(min=1, help="Four views each.")] = 20,
    seed: Seed = 0,
    lesions: Annotated[
        float, typer.Option(min=0, max=1, help="Share of participants with a lesion.")
    ] = 0.5,
    lesion_views: Annotated[
        int, typer.Option(min=1, max=4, help="In how many views it is seen, at most.")
    ] = 2,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Only these kinds of lesion; without, all six.", show_default=False),
    ] = None,
    processes: Annotated[int, typer.Option(min=0, help="0: one per core.")] = 0,
    json: Json = False,
) -> None:
    """Write a manifest folder of simulated participants with known fat, lesions and outlines.

    About one second of processor time a participant. The seed decides every pixel.
    """
    with working(session) as progress:
        from models.simulation import LESION_KINDS
        from models.simulation.manifest import Population, write_manifest

        population = Population(
            participants=participants,
            seed=seed,
            lesions=lesions,
            lesion_views=lesion_views,
            kinds=tuple(kind or LESION_KINDS),
        )
        manifest = write_manifest(out, population, processes or os.cpu_count() or 1, progress)
    if json:
        print_json({"manifest": manifest, "participants": participants, "images": 4 * participants})
    else:
        say(f"{plural(4 * participants, 'image')} of {participants} participants: {manifest}")


def foreign(
    session: Session,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="A new folder.")],
    liver: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MANIFEST",
            exists=True,
            help="Livers that the manifest names beside, where they lie.",
            show_default=False,
        ),
    ] = None,
    about: About = None,
    copies: Annotated[
        int, typer.Option(min=1, help="Of every kind that is simulated or drawn.")
    ] = 24,
    json: Json = False,
) -> None:
    """Write a manifest folder of images that show no liver, for the system `gate`.

    They are pydicom's test files, photographs that come with packages, and simulated and drawn
    images. Own ones are further rows of the manifest with the column `kind`.
    """
    with working(session) as progress:
        import tomli_w

        from models.data import read_about, read_manifest
        from workers.foreign import write_foreign

        livers = [case for manifest in liver or () for case in read_manifest(manifest)]
        described = read_about((liver or [out])[0], about)
        if liver:
            described = replace(described, name=f"{described.name}, beside foreign images")
        text = tomli_w.dumps(asdict(described))
        manifest = write_foreign(out, livers, text, copies, progress)
        count = len(read_manifest(manifest)) - len(livers)
    if json:
        print_json({"manifest": manifest, "livers": len(livers), "foreign": count})
    else:
        say(f"{plural(count, 'foreign image')} beside {plural(len(livers), 'liver')}: {manifest}")
