"""From frame references to decoded B-mode frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from models.images import content_window, crop
from node.errors import FrameError
from node.settings import Analysis
from workers.findings import Dropped, Frame, FrameRef, Point, Reason
from workers.frames import codecs, encapsulation, video
from workers.frames.calibration import spacing
from workers.frames.codecs import NATIVE, VIDEO, Samples
from workers.frames.colour import RGB, Conversion, luminance
from workers.frames.content import LIT, colour_overlay, lit_share
from workers.frames.header import BAD_CONTENT, Header, opened, quiet
from workers.frames.instance import present, usable_layout
from workers.frames.layout import Layout
from workers.frames.regions import Candidate, candidates
from workers.frames.view import view
from workers.messages import say

SMALLEST_SIDE = 100
"""Pixels; the models see 240 x 345, and what is enlarged more than threefold shows no texture."""

_DARKEST = 0.02
"""Share of visible pixels; of 600 liver images the darkest has 0.09."""

_COLOUR = 0.01
"""Share of colour overlay: at most 0.002 in 600 liver images, of which 105 have coloured graphics,
0.005 under the thick cursor of an Aloka, and 0.04 to 0.12 in the colour Doppler images of
pydicom-data."""


def read(
    path: Path, refs: Sequence[FrameRef], settings: Analysis, holding: Sequence[Point] = ()
) -> Iterator[Frame | Dropped]:
    """One answer for each of ``refs``, frames of the one instance in ``path``, by frame number.

    holding : points, middles of pixels, that the B-mode region must hold; where there are several
    regions it decides between them

    The file is opened once, and only these frames are decoded; frames of a video are reached in
    one pass.

    Raises StorageError when the file cannot be opened or read; bad content never raises.
    """
    refs = sorted(refs, key=lambda ref: ref.number)
    limit = settings.max_decoded_mib << 20
    answered = 0
    try:
        with opened(path, limit) as (header, stream):
            with quiet():
                layout, _ = present(stream, header, usable_layout(header, limit))
                found = view(header.dataset, settings.view_words)
            images = _images(stream, header, layout, [ref.number - 1 for ref in refs], limit)
            for ref, image in zip(refs, images, strict=False):
                answered += 1
                if isinstance(image, FrameError):
                    yield _dropped(ref, image)
                    continue
                try:
                    yield _judged(ref, image, header, found, holding)
                except FrameError as error:
                    yield _dropped(ref, error)
    except FrameError as error:
        for ref in refs[answered:]:
            yield _dropped(ref, error)
        return
    for ref in refs[answered:]:
        yield _dropped(ref, FrameError(say("the video ends before this frame")))


def _dropped(ref: FrameRef, error: FrameError) -> Dropped:
    return Dropped(ref.sop_instance_uid, ref.number, Reason(error.reason), str(error))


def _images(
    stream: BinaryIO, header: Header, layout: Layout, indices: Sequence[int], limit: int
) -> Iterator[RGB | FrameError]:
    """The frames as a viewer shows them, or what is wrong with one; rising ``indices`` from 0."""
    if header.transfer_syntax in VIDEO:
        assert header.pixel_data is not None
        _, parts, _ = encapsulation.fragments(stream, header.pixel_data)
        whole = encapsulation.Joined(stream, parts)
        for _, rgb in video.frames(whole, indices, layout.rows, layout.columns, limit):
            yield rgb
        return
    groups = (
        []
        if header.transfer_syntax in NATIVE
        else encapsulation.frames(stream, header, layout.frames)
    )
    conversion = Conversion(header.dataset, layout.bits_stored)
    for index in indices:
        with quiet():
            try:
                if not groups:
                    samples = codecs.native(stream, header, layout, index)
                else:
                    codestream = encapsulation.read(stream, groups[index])
                    samples = codecs.still(header, codestream, layout, limit)
                image: RGB | FrameError = _converted(samples, layout, conversion)
            except FrameError as error:
                image = error
            except BAD_CONTENT as error:
                image = FrameError(_first_line(error), Reason.UNDECODABLE)
        yield image


def _first_line(error: BaseException) -> str:
    """What a codec says; it has seen pixel data only, so it cannot name the patient."""
    return next(iter(str(error).splitlines()), "")[:100] or type(error).__name__


def _converted(samples: Samples, layout: Layout, conversion: Conversion) -> RGB:
    if samples.values.shape[:2] != (layout.rows, layout.columns):
        raise FrameError(say("the decoded frame has another size"), Reason.UNREADABLE)
    return conversion.to_rgb(samples)


def _judged(
    ref: FrameRef,
    source: RGB,
    header: Header,
    named: tuple[str | None, str],
    holding: Sequence[Point],
) -> Frame:
    """The frame with its B-mode region; FrameError says why it is not to be analysed."""
    listed = [
        candidate
        for candidate in candidates(header.dataset, *source.shape[:2])
        if all(_holds(candidate, point) for point in holding)
    ]
    if not listed:
        raise FrameError("", Reason.OUTSIDE_REGION)
    chosen, image, note = _best(source, listed)
    if (share := lit_share(image)) < _DARKEST:
        words = say("{share:.1%} of the pixels are visible", share=share)
        raise FrameError(words, Reason.TOO_DARK)
    millimetres, why_not = spacing(chosen)
    return Frame(
        ref=ref,
        image=image,
        source=source,
        window=chosen.window,
        spacing=millimetres,
        spacing_note=why_not,
        view=named[0],
        view_note="; ".join(filter(None, (named[1], note))),
    )


def _best(source: RGB, listed: Sequence[Candidate]) -> tuple[Candidate, NDArray[np.uint8], str]:
    """Of the candidates without colour the one that shows most echo, and its echo levels.

    In a dual image one half may be empty, or in colour beside its grey twin.
    """
    large = [candidate for candidate in listed if _shorter_side(candidate) >= SMALLEST_SIDE]
    if not large:
        words = say(
            "its shorter side has {side} of at least {least} pixels",
            side=_shorter_side(listed[0]),
            least=SMALLEST_SIDE,
        )
        raise FrameError(words, Reason.TOO_SMALL)
    grey: list[tuple[Candidate, NDArray[np.uint8]]] = []
    overlays: list[float] = []
    for candidate in large:
        part = crop(source, candidate.window)
        image = luminance(part)
        overlays.append(colour_overlay(crop(part, content_window(image))))
        if overlays[-1] <= _COLOUR:
            grey.append((candidate, image))
    if not grey:
        words = say("colour over {share:.0%} of the image", share=min(overlays))
        raise FrameError(words, Reason.DOPPLER)
    chosen, image = max(grey, key=lambda pair: int((pair[1] > LIT).sum()))
    several = f"{len(listed)} B-mode regions: the one with most grey echo was taken"
    return chosen, image, several if len(listed) > 1 else ""


def _holds(candidate: Candidate, point: Point) -> bool:
    x0, y0, x1, y1 = candidate.window
    return x0 <= point[0] <= x1 - 1 and y0 <= point[1] <= y1 - 1


def _shorter_side(candidate: Candidate) -> int:
    x0, y0, x1, y1 = candidate.window
    return min(x1 - x0, y1 - y0)
