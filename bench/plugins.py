"""Plugins in C under us and under sysdig, as whole processes, and columns from Python beside columns from C.

    python -m bench.plugins [--runs 5] [--events 1000000] [--only WORD]

The plugins are compiled from ``tests/fixtures/plugins/sample.c``, which does next to nothing itself, and from
``bench/document.c``, which reads JSON. A ratio is the peer's least time divided by ours, of processes run in turn; CPU
time is that of all processes together. Byte code is cached as it is for an installed package.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.compare import ROOT, SCAP
from bench.process import timed
from scap_formats.plugin_abi import c_header
from scap_formats.types import ParamType
from scaptools.api import open_capture
from scaptools.columns import Numbers
from scaptools.plugins.contract import ExtractorPlugin, PluginField, PluginInfo
from scaptools.plugins.events import plugin_events
from scaptools.plugins.shared.plugin import load_library
from scaptools.plugins.window import WindowPayloads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.columns import Column
    from scaptools.plugins.contract import Payloads

SOURCES = {
    "sample": ROOT / "tests" / "fixtures" / "plugins" / "sample.c",
    "document": ROOT / "bench" / "document.c",
}
BATCH = 128


@dataclass(frozen=True, slots=True)
class Question:
    """One question: a plugin, the bytes of a payload, and a filter over its field; without one it is recorded."""

    name: str
    plugin: str
    size: int
    field: str = ""
    value: str = ""


QUESTIONS = (
    Question("record small", "sample", 100),
    Question("record large", "sample", 1000),
    Question("record documents", "document", 1000),
    Question("filter numbers", "sample", 100, "sample.number", "5000"),
    Question("filter texts", "sample", 100, "sample.text", "none"),
    Question("filter documents", "document", 1000, "document.user", "user-77"),
)


def build(folder: Path) -> dict[str, str]:
    """Compile the plugins against API 0.x; their paths."""
    (folder / "plugin_api.h").write_text(c_header(0), "ascii")
    built = {}
    for name, source in SOURCES.items():
        built[name] = str(folder / f"lib{name}.so")
        macros = ["-DAPI_MAJOR=0", '-DAPI_VERSION="0.3.0"']
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", f"-I{folder}", *macros, str(source), "-o", built[name]], check=True
        )
    return built


class Bench:
    """Plugins and captures in a folder, and how often a question is put."""

    def __init__(self, folder: Path, events: int, runs: int) -> None:
        self.folder = folder
        self.events = events
        self.runs = runs
        self.libraries = build(folder)

    def capture(self, plugin: str, size: int) -> str:
        """A capture of a plugin's events, recorded where it is missing."""
        path = self.folder / f"{plugin}-{size}.scap"
        if not path.exists():
            timed([*SCAP, "record", self.libraries[plugin], self._params(size), "-w", str(path)])
        return str(path)

    def _params(self, size: int) -> str:
        return f"{self.events},{size},{BATCH}"

    def _commands(self, question: Question) -> tuple[list[str], list[str]]:
        library, size = self.libraries[question.plugin], question.size
        if not question.field:
            ours, theirs = (str(self.folder / name) for name in ("ours.scap", "theirs.scap"))
            return (
                [*SCAP, "record", library, self._params(size), "-w", ours],
                ["sysdig", "-H", library, "-I", f"{library}:{self._params(size)}", "-w", theirs],
            )
        capture, expression = self.capture(question.plugin, size), f"{question.field}={question.value}"
        form = f"%evt.num %{question.field}"
        return (
            [*SCAP, "replay", "-H", library, "-p", form, "--filter", expression, capture],
            ["sysdig", "-H", library, "-r", capture, "-p", form, expression],
        )

    def compare(self, question: Question) -> None:
        """Print one row: what we took, what the peer took, and the ratios."""
        ours, theirs = self._commands(question)
        timed(ours)  # caches
        pairs = [(timed(ours), timed(theirs)) for _ in range(self.runs)]
        wall, cpu = (min(getattr(mine, name) for mine, _ in pairs) for name in ("wall", "cpu"))
        their_wall, their_cpu = (min(getattr(peer, name) for _, peer in pairs) for name in ("wall", "cpu"))
        print(
            f"{question.name:18} ours {wall:6.3f} s ({cpu:6.3f} CPU)   "
            f"sysdig {their_wall:6.3f} s ({their_cpu:6.3f} CPU)   "
            f"ratio {their_wall / wall:5.2f} ({their_cpu / cpu:5.2f} CPU)",
            flush=True,
        )

    def columns(self) -> None:
        """Print what a column of numbers costs from a Python plugin and from C, per event."""
        path, library = self.capture("sample", 100), self.libraries["sample"]
        plugins: dict[str, ExtractorPlugin] = {"Python": NumberInText()}
        for name, in_process in (("C in process", True), ("C isolated", False)):
            loaded = load_library(library, in_process=in_process)
            if isinstance(loaded, ExtractorPlugin):
                plugins[name] = loaded
        costs = {name: min(self._column(plugin, path) for _ in range(self.runs)) for name, plugin in plugins.items()}
        print(
            "columns            " + "   ".join(f"{name} {1e9 * cost:5.1f} ns an event" for name, cost in costs.items())
        )
        for plugin in plugins.values():
            getattr(plugin, "end", lambda: None)()

    def _column(self, plugin: ExtractorPlugin, path: str) -> float:
        spent = 0.0
        with open_capture(path) as capture:
            for batch in capture.batches():
                events = plugin_events(batch)
                payloads = events.payloads(batch, events.rows)
                start = time.perf_counter()
                plugin.extract(plugin.prepare(payloads), "sample.number", None)
                spent += time.perf_counter() - start
        return spent / self.events


class NumberInText(ExtractorPlugin):
    """In Python what ``sample.number`` is in C: the number in a payload ``event NUMBER ...``."""

    info = PluginInfo("number", "1.0.0", "bench")
    fields = (PluginField("sample.number", ParamType.UINT64, "The number."),)

    def prepare(self, payloads: Payloads) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """The bytes and where each number begins."""
        if not isinstance(payloads, WindowPayloads):
            raise TypeError(payloads)
        return payloads.window, payloads.starts + len("event ")

    def extract(self, prepared: Any, name: str, argument: str | None) -> Column:
        """The numbers, digit by digit of all of them."""
        del name, argument
        data, at = prepared
        numbers, going = np.zeros(len(at), np.uint64), np.ones(len(at), bool)
        while True:
            digits = data[at] - np.uint8(ord("0"))
            going &= digits < 10
            if not going.any():
                return Numbers(numbers)
            numbers = np.where(going, numbers * np.uint64(10) + digits, numbers)
            at = at + 1


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="questions with this word in their name")
    arguments = parser.parse_args()
    if shutil.which("sysdig") is None:
        raise SystemExit("sysdig is not installed")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.events, arguments.runs)
        for question in QUESTIONS:
            if arguments.only in question.name:
                bench.compare(question)
        if arguments.only in "columns":
            bench.columns()


if __name__ == "__main__":
    main()
