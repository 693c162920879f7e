"""Put the same question to us and to a peer in turn, as whole processes, and print ratios.

    python -m bench.compare [CAPTURE ...] [--runs 5] [--only WORD]

Without captures it makes two, of 100 MB and 1 GB, under ``bench/data`` from a capture of the shared data. A ratio is
the peer's wall time divided by ours, pair by pair; the median of the pairs is printed with its least and greatest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.generate import generate

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "bench" / "data"
SOURCE = ROOT.parent / "shared" / "data" / "captures" / "run_as_user_0_container.scap"
SCAP = [str(Path(sys.executable).with_name("scap"))]


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its name, our command line, and the peer's; ``{}`` stands for the capture."""

    name: str
    ours: tuple[str, ...]
    peer: tuple[str, ...]


QUESTIONS = (
    Question("empty match", ("filter", "evt.type=uselib", "{}"), ("sysdig", "-r", "{}", "evt.type=uselib")),
    Question("evt.type=open", ("filter", "evt.type=open", "{}"), ("sysdig", "-r", "{}", "evt.type=open")),
    Question("dump", ("dump", "{}"), ("sysdig", "-r", "{}")),
    Question("info", ("info", "{}"), ("sysdig", "-r", "{}", "evt.type=uselib")),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: wall seconds and peak memory in MB."""

    seconds: float
    peak_mb: float


def run(command: list[str]) -> Run:
    """Run a command to its end, its output thrown away. Raises SystemExit where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(seconds, usage.ru_maxrss / 1024)


def compare(question: Question, capture: Path, runs: int) -> None:
    """Print one row: our time and memory, the peer's, and the ratio."""
    ours = SCAP + [word.format(capture) for word in question.ours]
    peer = [word.format(capture) for word in question.peer]
    if shutil.which(peer[0]) is None:
        print(f"{question.name:16} {peer[0]} is not installed")
        return
    pairs = [(run(ours), run(peer)) for _ in range(runs + 1)][1:]  # the first pair warms the caches
    ratios = sorted(theirs.seconds / mine.seconds for mine, theirs in pairs)
    mine = statistics.median(pair[0].seconds for pair in pairs)
    theirs = statistics.median(pair[1].seconds for pair in pairs)
    peak = max(pair[0].peak_mb for pair in pairs)
    print(
        f"{capture.name:12} {question.name:16} ours {mine:7.2f} s {peak:5.0f} MB   {peer[0]} {theirs:7.2f} s   "
        f"ratio {statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        flush=True,
    )


def default_captures() -> list[Path]:
    """The two standard captures, made where they are missing."""
    if not SOURCE.exists():
        raise SystemExit("the shared data is not beside this checkout: name captures")
    DATA.mkdir(exist_ok=True)
    captures = []
    for megabytes in (100, 1000):
        path = DATA / f"{megabytes}.scap"
        if not path.exists():
            generate(str(SOURCE), path, megabytes)
        captures.append(path)
    return captures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="questions with this word in their name")
    arguments = parser.parse_args()
    for capture in arguments.captures or default_captures():
        for question in QUESTIONS:
            if arguments.only in question.name:
                compare(question, capture, arguments.runs)


if __name__ == "__main__":
    main()
