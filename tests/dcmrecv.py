"""DCMTK's dcmrecv: it rejects an association of which it accepts no context."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import dcmtk, free_port, listens


@contextmanager
def dcmrecv(folder: Path, *classes: str) -> Iterator[int]:
    """The port of one that takes these classes only, by the names that DCMTK has for them."""
    contexts = "".join(f"PresentationContext{n} = {c}\\S\n" for n, c in enumerate(classes, 1))
    (folder / "dcmrecv.cfg").write_text(
        "[[TransferSyntaxes]]\n[S]\nTransferSyntax1 = LocalEndianExplicit\n"
        "TransferSyntax2 = LittleEndianImplicit\n"
        f"[[PresentationContexts]]\n[C]\n{contexts}"
        "[[Profiles]]\n[Default]\nPresentationContexts = C\n"
    )
    port = free_port()
    command = [dcmtk("dcmrecv"), "-od", folder, "-xf", folder / "dcmrecv.cfg", "Default", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not listens(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()
