"""The OHIF viewer over a PACS's DICOMweb, and a browser without a screen to look at it with.

The viewer is the ready build of the npm package ``@ohif/app``; ``.ci/run`` unpacks it.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from tests.peers import require

if TYPE_CHECKING:
    from playwright.sync_api import Page

DICOMWEB = "/dicom-web"
_CONFIGURATION = {
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "showStudyList": True,
    "maxNumberOfWebWorkers": 1,
    "defaultDataSourceName": "pacs",
    "investigationalUseDialog": {"option": "never"},
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "pacs",
            "configuration": {
                "friendlyName": "pacs",
                "name": "pacs",
                "wadoUriRoot": "/wado",
                "qidoRoot": DICOMWEB,
                "wadoRoot": DICOMWEB,
                "qidoSupportsIncludeField": True,
                "supportsReject": False,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": True,
                "supportsFuzzyMatching": False,
                "supportsWildcard": True,
                "omitQuotationForMultipartRequest": True,
                "bulkDataURI": {"enabled": True},
            },
        }
    ],
}
# Chromium draws WebGL on the processor, for there may be no graphics card.
_SWITCHES = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-sandbox",
    "--disable-dev-shm-usage",
)


class _Handler(SimpleHTTPRequestHandler):
    """Files of the viewer, its configuration, and the PACS behind the same origin."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, pacs_port: int, **options: object) -> None:
        self._pacs_port = pacs_port
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path.startswith((DICOMWEB, "/wado")):
            self._ask_the_pacs()
        elif self.path.partition("?")[0] == "/app-config.js":
            self._answer(200, "text/javascript", f"window.config = {json.dumps(_CONFIGURATION)};")
        else:
            if not Path(self.translate_path(self.path)).is_file():
                self.path = "/index.html"  # an address within the viewer
            super().do_GET()

    def _ask_the_pacs(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._pacs_port, timeout=60)
        names = ("Accept", "Host")  # Orthanc makes bulk data addresses of the host it is asked at
        connection.request("GET", self.path, headers={n: self.headers[n] for n in names})
        answer = connection.getresponse()
        self._answer(answer.status, answer.headers["Content-Type"] or "", answer.read())
        connection.close()

    def _answer(self, status: int, content_type: str, body: str | bytes) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def viewer(pacs_port: int) -> Iterator[str]:
    """The address of a running viewer for the PACS that answers HTTP at ``pacs_port``."""
    handler = partial(_Handler, directory=require("ohif"), pacs_port=pacs_port)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def browser_page(width: int = 1600, height: int = 1000) -> Iterator[Page]:
    """A page of a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=require("chromium"), args=[*_SWITCHES], timeout=60_000
        )
        try:
            yield browser.new_page(viewport={"width": width, "height": height})
        finally:
            browser.close()
