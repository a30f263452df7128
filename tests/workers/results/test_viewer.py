"""What a radiologist sees: OHIF, over a real PACS, opens a study and shows the results in it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from node.association.peer import Peer
from node.association.sender import send
from tests.ohif import browser_page, viewer
from tests.orthanc import AE_TITLE, orthanc
from tests.peers import require
from tests.workers.results.studies import (
    CONTEXT,
    by_uid,
    found_of,
    frame_of,
    header_of,
    path_of,
    pixels_of,
)
from tests.workers.results.tools import write
from workers.results import ResultObject, build

if TYPE_CHECKING:
    from playwright.sync_api import Page

Seen = TypeVar("Seen")

LOOP = "examples_ybr_color.dcm"
FRAMES = (12, 13)
PATIENCE = 90
"""Seconds until something must be seen: WebGL is drawn by a busy processor."""

PANE = "[data-cy=viewport-pane]"


@pytest.mark.timeout(500)
def test_ohif_shows_heatmap_summary_and_the_contours_of_the_report(tmp_path: Path) -> None:
    header, pixels = header_of(LOOP), pixels_of(LOOP, FRAMES[0])
    shape = pixels.shape[:2]
    findings = found_of(*(frame_of(header, number) for number in FRAMES), shape=shape)
    results = list(build(CONTEXT, findings, by_uid(header), lambda _: pixels))
    first = {result.kind: result for result in reversed(results)}
    with _opened(results, tmp_path) as page:
        series = {_description(result) for result in results}
        assert _soon(lambda: series <= set(_descriptions(page))), _descriptions(page)
        for kind in ("heatmap", "summary"):
            preview = first[kind].preview
            _open(page, first[kind])
            _soon(lambda preview=preview: _likeness(page, preview) > 0.9)
            page.screenshot(path=tmp_path / f"{kind}.png")
            assert _likeness(page, preview) > 0.9, f"another picture: {tmp_path / kind}.png"
        _open(page, first["report"])
        drawn = _soon(lambda: _polylines(page, shape))
        page.screenshot(path=tmp_path / "report.png")
        for lesion in findings.lesions:
            assert _is_drawn(lesion.outline, drawn), f"no contour: {tmp_path / 'report.png'}"
        words = page.inner_text(PANE)
        assert "Long axis: 42.20 mm" in words
        assert "Certainty of Finding: 93.40 %" in words
        assert "Fat fraction: 12.30 %" in words
        assert f"{FRAMES[0]}/{header.NumberOfFrames}" in words


@contextmanager
def _opened(results: Sequence[ResultObject], folder: Path) -> Iterator[Page]:
    """A page of the viewer that shows the study of ``LOOP`` with its results, stored in a PACS."""
    for peer in ("ohif", "chromium"):  # before anything is started
        require(peer)
    plugin = [require("orthanc-dicomweb")]
    paths = [path_of(LOOP), *(write(result, folder) for result in results)]
    study = header_of(LOOP).StudyInstanceUID
    with orthanc(folder / "pacs", DicomAlwaysAllowStore=True, Plugins=plugin) as pacs:
        sent = list(send(paths, Peer(AE_TITLE, "127.0.0.1", pacs.port)))
        assert all(one.accepted for one in sent), sent
        with viewer(pacs.http_port) as address, browser_page() as page:
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(f"{address}/viewer?StudyInstanceUIDs={study}")
            page.get_by_text("Skip all").click()  # the tour
            yield page


def _soon(look: Callable[[], Seen]) -> Seen:
    """What ``look`` sees as soon as that is something, or at the end of PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return seen


def _description(result: ResultObject) -> str:
    return str(result.dataset.SeriesDescription)


def _descriptions(page: Page) -> list[str]:
    """The series that the study panel lists."""
    return page.locator("[data-cy=series-description-label]").all_inner_texts()


def _open(page: Page, result: ResultObject) -> None:
    """Double click on the result's series."""
    page.locator("[data-cy^=study-browser-thumbnail]", has_text=_description(result)).dblclick()


def _likeness(page: Page, picture: NDArray[np.uint8] | None) -> float:
    """Correlation of what is on the canvas with ``picture``, fitted into it."""
    assert picture is not None
    canvas = page.locator(f"{PANE} canvas").first
    encoded = canvas.evaluate("one => one.toDataURL()").partition(",")[2]
    with Image.open(BytesIO(base64.b64decode(encoded))) as image:
        shown = np.asarray(image.convert("L"), float)
    rows, columns = shown.shape
    scale = min(rows / picture.shape[0], columns / picture.shape[1])
    size = round(scale * picture.shape[1]), round(scale * picture.shape[0])
    fitted = Image.new("L", (columns, rows))
    corner = (columns - size[0]) // 2, (rows - size[1]) // 2
    fitted.paste(Image.fromarray(picture).convert("L").resize(size), corner)
    if shown.std() == 0:
        return 0.0
    return float(np.corrcoef(shown.ravel(), np.asarray(fitted, float).ravel())[0, 1])


def _polylines(page: Page, shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """The lines that are drawn over an image of ``shape``, fitted into its pane: (points, 2) in
    pixels of the image."""
    layer = page.locator(f"{PANE} svg.svg-layer").first
    if (box := layer.bounding_box() if layer.count() else None) is None:
        return []
    scale = min(box["width"] / shape[1], box["height"] / shape[0])
    corner = (np.array([box["width"], box["height"]]) - scale * np.array(shape[::-1])) / 2
    lines = layer.locator("polyline")
    texts = lines.evaluate_all("every => every.map(one => one.getAttribute('points'))")
    points = (np.array(text.replace(",", " ").split(), float).reshape(-1, 2) for text in texts)
    return [(line - corner) / scale for line in points]


def _is_drawn(outline: Sequence[tuple[float, float]], lines: Sequence[NDArray[np.float64]]) -> bool:
    """Whether one of the lines goes over the points of a closed outline, within a pixel."""
    closed = np.array([*outline, outline[0]])
    return any(len(one) == len(closed) and np.abs(one - closed).max() < 1 for one in lines)
