"""Export one large capture to a dataset in one process and on a local cluster, and print the speed-up.

    python -m bench.cluster CAPTURE [--workers 2] [--runs 3]

The first is held to one core, so that it stays one process. The cluster is measured without an index beside the capture
and, where there is none yet, with one: then parts begin with a state the index keeps.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIELDS = "evt.num,evt.time,evt.type,proc.name,proc.pid,fd.name,evt.args"
_ONE_CORE = "import os, sys; os.sched_setaffinity(0, {0}); from scaptools.cli.main import main; main(sys.argv[1:])"
_ALL_CORES = "import sys; from scaptools.cli.main import main; main(sys.argv[1:])"


def seconds(program: str, *words: str) -> float:
    """How long the command line takes; its dataset is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [
            sys.executable,
            "-c",
            program,
            "export",
            *words[:1],
            f"{folder}/set/",
            "--fields",
            FIELDS,
            *words[1:],
        ]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    # A link of its own has no index beside it, whatever the capture has.
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "capture.scap"
        try:
            capture.hardlink_to(arguments.capture)
        except OSError:
            shutil.copyfile(arguments.capture, capture)
        workers = ("--workers", str(arguments.workers))
        alone = statistics.median(seconds(_ONE_CORE, str(capture)) for _ in range(arguments.runs))
        print(f"one process {alone:.1f} s", flush=True)
        for name in ("no index", "index"):
            if name == "index":
                subprocess.run([sys.executable, "-c", _ALL_CORES, "index", str(capture)], check=True)
            spread = statistics.median(seconds(_ALL_CORES, str(capture), *workers) for _ in range(arguments.runs))
            print(
                f"{arguments.workers} workers, {name}: {spread:.1f} s, {alone / spread:.2f} times as fast", flush=True
            )


if __name__ == "__main__":
    main()
