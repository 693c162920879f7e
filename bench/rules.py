"""Rules and logs: how fast rules run over a trail, what a search before parsing saves, and what recording is bound by.

    python -m bench.rules [--events 200000] [--megabytes 1000] [--runs 3] [--only WORD]

Processor time of whole processes, user and system together, the least of all runs. Rules are compared with the plain
way of `bench.naive`; a filter with one the search cannot help; recording with unzipping the same logs, by the library
it uses itself and by gzip.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.compare import DATA, SCAP
from bench.process import timed
from bench.trail import write_capture, write_logs
from scaptools.plugins.cloudtrail.files import LocalFiles, text_of

RULES = 21
#: Microseconds that may pass for each rule and event.
ALLOWED_US = 2.0
#: How much faster than the plain way rules have to be.
WANTED_RATIO = 5.0
ALL_RULES = ("--enable", "List Buckets")
NAIVE = [sys.executable, "-m", "bench.naive"]
UNZIP = [sys.executable, "-m", "bench.rules", "--unzip"]
_COUNT = re.compile(r"^\s*(.+): ([0-9]+)$", re.MULTILINE)


def processor_seconds(command: list[str], runs: int) -> float:
    """The least processor time of some runs of a command, output thrown away. Raises SystemExit where it fails."""
    return min(timed(command).cpu for _ in range(runs))


def rules(capture: Path, events: int, runs: int) -> None:
    """All rules over a capture, by us and the plain way; both have to find the same."""
    command = [*SCAP, "rules", "run", "cloudtrail", str(capture), *ALL_RULES]
    plain = [*NAIVE, str(capture)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    ours_found = dict(_COUNT.findall(told.partition("by rule name:")[2]))
    naive_found = dict(_COUNT.findall(subprocess.run(plain, capture_output=True, text=True, check=True).stdout))
    if ours_found != naive_found:
        raise SystemExit(f"different alerts: {ours_found} and {naive_found}")
    ours = processor_seconds(command, runs)
    naive = processor_seconds(plain, 1)
    each = ours / (RULES * events) * 1e6
    print(
        f"{RULES} rules     ours {ours:6.2f} s, parsed for each field {naive:6.2f} s: ratio {naive / ours:.1f} "
        f"(wanted {WANTED_RATIO:.0f}); {each:.3f} us for each rule and event (allowed {ALLOWED_US:.0f})",
        flush=True,
    )


def search(capture: Path, runs: int) -> None:
    """A filter that can be searched for before payloads are parsed, and one of the same meaning that cannot."""
    searched = [*SCAP, "filter", "-c", "ct.name=ConsoleLogin", str(capture)]
    parsed = [*SCAP, "filter", "-c", "ct.name exists and not ct.name!=ConsoleLogin", str(capture)]
    answers = {subprocess.run(command, capture_output=True, check=True).stdout for command in (searched, parsed)}
    if len(answers) > 1:
        raise SystemExit(f"different answers: {answers}")
    one, other = processor_seconds(searched, runs), processor_seconds(parsed, runs)
    print(f"search       ours {one:6.2f} s, without it {other:6.2f} s: ratio {other / one:.1f}", flush=True)


def recording(logs: Path, runs: int) -> None:
    """Recording of zipped logs, and unzipping them and nothing else."""
    target = logs.with_suffix(".scap")
    size = sum(file.stat().st_size for file in logs.iterdir())
    try:
        costs = [timed([*SCAP, "record", "cloudtrail", str(logs), "-w", str(target)]) for _ in range(runs)]
        ours, wall = min((cost.cpu, cost.wall) for cost in costs)
        written = target.stat().st_size
    finally:
        target.unlink(missing_ok=True)
    unzipping = processor_seconds([*UNZIP, str(logs)], runs) - processor_seconds([*UNZIP, str(logs / "nothing")], runs)
    gzip = processor_seconds(["sh", "-c", f"cat '{logs}'/*.gz | gzip -dc"], 1) if shutil.which("gzip") else 0.0
    print(
        f"record       {size / 1e6:.0f} MB of logs to {written / 1e6:.0f} MB in {wall:.1f} s, {ours:.1f} s of "
        f"processor: {written / 1e6 / ours:.0f} MB/s; unzipping is {unzipping:.1f} s of that, "
        f"{100 * unzipping / ours:.0f} % (gzip -d takes {gzip:.1f} s, {100 * gzip / ours:.0f} %)",
        flush=True,
    )


def unzip(logs: str) -> int:
    """Unzip logs as the plugin does; the bytes in them."""
    if not Path(logs).exists():
        return 0
    return sum(len(text_of(file, plugin="bench") or b"") for file in LocalFiles(logs, plugin="bench"))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000, help="events of the capture")
    parser.add_argument("--megabytes", type=int, default=1000, help="zipped logs")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="what has this word in its name: rules, search, record")
    parser.add_argument("--unzip", metavar="DIRECTORY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.unzip is not None:
        print(unzip(arguments.unzip))
        return
    DATA.mkdir(exist_ok=True)
    capture = DATA / f"trail-{arguments.events}.scap"
    logs = DATA / f"logs-{arguments.megabytes}"
    if not capture.exists():
        write_capture(capture, arguments.events)
    if arguments.only in "rules":
        rules(capture, arguments.events, arguments.runs)
    if arguments.only in "search":
        search(capture, arguments.runs)
    if arguments.only in "record":
        if not logs.exists():
            write_logs(logs, arguments.megabytes)
        recording(logs, arguments.runs)


if __name__ == "__main__":
    main()
