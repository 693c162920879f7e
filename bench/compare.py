"""Put the same question to us and to a peer in turn, as whole processes, and print ratios.

    python -m bench.compare [CAPTURE ...] [--runs 5] [--only WORD]

Without captures it makes two, of 100 MB and 1 GB, under ``bench/data`` from a capture of the shared data. A ratio is
the peer's wall time divided by ours, pair by pair; the median of the pairs is printed with its least and greatest.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.generate import generate
from bench.process import Cost, timed

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "bench" / "data"
SOURCE = ROOT.parent / "shared" / "data" / "captures" / "run_as_user_0_container.scap"
SCAP = [str(Path(sys.executable).with_name("scap"))]


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its name, our command line, and the peer's.

    ``{0}`` stands for the capture, ``{1}`` for the same in gzip, ``{2}`` for it with an index, ``{3}`` for both;
    ``{4}`` for what is written, without a suffix, in a directory of its own for every run.
    """

    name: str
    ours: tuple[str, ...]
    peer: tuple[str, ...]


#: Nothing but decompressing, by the decoder we use.
_DECOMPRESS = (
    sys.executable,
    "-c",
    (
        "import sys, isal.igzip as z\nfile, buffer = z.open(sys.argv[1]), bytearray(1 << 20)\n"
        "while file.readinto(buffer): pass"
    ),
    "{1}",
)
_NOTHING = "evt.type=uselib"
_EXPORT_FIELDS = "evt.num,evt.time,evt.type,evt.dir,proc.name,proc.pid,fd.name,evt.args"
_SYSDIG_JSON = ("sysdig", "-r", "{0}", "-j")

QUESTIONS = (
    Question("empty match", ("filter", "evt.type=uselib", "{0}"), ("sysdig", "-r", "{0}", "evt.type=uselib")),
    Question("evt.type=open", ("filter", "evt.type=open", "{0}"), ("sysdig", "-r", "{0}", "evt.type=open")),
    Question("dump", ("dump", "{0}"), ("sysdig", "-r", "{0}")),
    Question("info", ("info", "{0}"), ("sysdig", "-r", "{0}", "evt.type=uselib")),
    Question("empty gzip", ("filter", _NOTHING, "{1}"), ("sysdig", "-r", "{1}", _NOTHING)),
    Question("only inflating", ("filter", _NOTHING, "{1}"), _DECOMPRESS),
    Question("empty indexed", ("filter", _NOTHING, "{2}"), ("sysdig", "-r", "{2}", _NOTHING)),
    Question("empty gzip idx", ("filter", _NOTHING, "{3}"), ("sysdig", "-r", "{3}", _NOTHING)),
    Question("few of indexed", ("filter", "-c", "evt.num<1000", "{2}"), ("sysdig", "-r", "{2}", "evt.num<1000")),
    Question("export wireshark", ("export", "{0}", "{4}.pcapng"), _SYSDIG_JSON),
    Question("export parquet", ("export", "{0}", "{4}.parquet"), _SYSDIG_JSON),
    Question("export 8 columns", ("export", "{0}", "{4}.parquet", "--fields", _EXPORT_FIELDS), _SYSDIG_JSON),
)


def compare(question: Question, capture: Path, runs: int) -> None:
    """Print one row: our time and memory, the peer's, and the ratio."""
    forms = [twin(capture, int(number)) if f"{{{number}}}" in question.ours else None for number in range(4)]
    peer = [word.format(*forms) for word in question.peer]
    if shutil.which(peer[0]) is None:
        print(f"{question.name:16} {peer[0]} is not installed")
        return

    def ours() -> Cost:
        with tempfile.TemporaryDirectory() as folder:
            return timed(SCAP + [word.format(*forms, f"{folder}/out") for word in question.ours])

    pairs = [(ours(), timed(peer)) for _ in range(runs + 1)][1:]  # the first pair warms the caches
    ratios = sorted(theirs.wall / mine.wall for mine, theirs in pairs)
    mine = statistics.median(pair[0].wall for pair in pairs)
    theirs = statistics.median(pair[1].wall for pair in pairs)
    peak = max(pair[0].peak_mb for pair in pairs)
    print(
        f"{capture.name:12} {question.name:16} ours {mine:7.2f} s {peak:5.0f} MB   "
        f"{Path(peer[0]).name} {theirs:7.2f} s   "
        f"ratio {statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        flush=True,
    )


def twin(capture: Path, number: int) -> Path:
    """The capture in another form, made where it is missing: 1 in gzip, 2 with an index, 3 with both."""
    packed, indexed = number % 2, number // 2
    if not (packed or indexed):
        return capture
    folder = DATA / ("indexed" if indexed else "plain")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (capture.name + (".gz" if packed else ""))
    if not path.exists() and packed:
        with capture.open("rb") as source, gzip.open(path, "wb", 6) as target:
            shutil.copyfileobj(source, target, 1 << 20)
    elif not path.exists():
        path.symlink_to(capture.resolve())
    if indexed:
        timed([*SCAP, "index", str(path)])
    return path


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
