"""All benchmarks, one after the other: ``make bench``."""

import subprocess
import sys

for name in ("ingest", "receiver", "turnaround", "pathway", "results", "simulator", "gpu"):
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=True)
