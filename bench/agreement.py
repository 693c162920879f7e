"""How often our fields say what a peer says, cell by cell, for any captures.

    python -m bench.agreement CAPTURE [CAPTURE ...] [--fields proc.name,fd.name] [--examples 2]
    python -m bench.agreement CAPTURE --values VALUES.jsonl.gz [--newest]

Every field that reads state is printed by sysdig for every event, hidden ones included, and compared with ours in the
dialect that repeats sysdig's faults. With ``--values`` the peer's values, of all fields, come from a file with one JSON
object an event instead; what the newest libraries said (``--newest``) is compared with ours of the capture upgraded as
``scap convert --convert`` does, because they look at nothing else. One line per field: cells compared, cells that
differ, and the known reason where there is one.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.reasons import NEWEST_REASONS, SYSDIG_REASONS
from scap_formats.table import event_table
from scaptools.capture.conversion import convert_batches
from scaptools.capture.reader import open_reader
from scaptools.capture.visibility import leading_containers
from scaptools.columns import Lists
from scaptools.errors import ScapError
from scaptools.fields.catalog import Catalog
from scaptools.fields.paramtext.printable import without_unprintable
from scaptools.fields.paramtext.style import CURRENT, FAITHFUL, TextStyle
from scaptools.output.text import MISSING, render
from scaptools.state.engine import with_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import BoundField

SYSDIG_STYLE = TextStyle(dialect=FAITHFUL)
NEWEST_STYLE = TextStyle(dialect=CURRENT, limit=None)
#: Classes whose fields read state.
_STATE_CLASSES = ("proc.", "thread.", "fd", "user.", "group.", "container.", "evt.latency", "evt.wait_latency")
_STATE_FIELDS = frozenset({"evt.is_syslog", "evt.count.procinfo"})
#: Fields with arguments that are compared.
WITH_ARGUMENTS = (
    *(f"proc.{name}[{generation}]" for name in ("aname", "apid") for generation in range(5)),
    *(f"thread.cgroup.{name}" for name in ("cpuset", "memory", "cpu", "pids")),
)
_LEFT_OUT = ("proc.aname", "proc.apid", "proc.fdusage", "proc.is_container", "thread.exectime", "thread.totexectime")
#: Fields whose unprintable bytes are dropped when they are printed.
_PRINTABLE = frozenset({"fd.name", "fd.directory", "fd.filename", "fd.containername", "fd.containerdirectory"})
_FIELD_END, _LINE_END = b"\x1f", b"\x1e"


def comparable_fields(names: Sequence[str] | None = None) -> list[BoundField]:
    """The fields sysdig can print, by its own list; those of ``names`` where given."""
    catalog = Catalog(style=SYSDIG_STYLE)
    if names is not None:
        return [catalog.parse(name) for name in names]
    listed = subprocess.run(["sysdig", "-l"], capture_output=True, check=True).stdout.decode(errors="replace")
    known = {line.split()[0] for line in listed.splitlines() if line.strip() and "." in line.split()[0]}
    plain = [
        field.name
        for field in catalog.registry
        if field.name in known
        and (field.name.startswith(_STATE_CLASSES) or field.name in _STATE_FIELDS)
        and "FILTER_ONLY" not in field.flags
        and (field.argument is None or not field.argument.required)
        and not field.name.startswith(_LEFT_OUT)
    ]
    return [catalog.parse(name) for name in (*plain, *WITH_ARGUMENTS)]


def old_batches(batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
    """Only the events sysdig 0.29.3 knows, numbered as it does."""
    limit, number, timed = event_table().old_event_max, 1, None
    for batch in batches:
        known = batch.restricted(batch.header("type") < limit)
        known.first_number = number
        number += len(known)
        if len(known):
            first = leading_containers(known)
            if known.section is not timed and first < len(known):
                timed = known.section
                timed.first_ts = int(known.header("ts")[first])
            yield known


def sysdig_cells(capture: str, fields: Sequence[BoundField]) -> dict[int, list[bytes]]:
    """What sysdig prints, by event number."""
    form = _FIELD_END.decode().join(["*%evt.num", *(f"%{field.name}" for field in fields)]) + _LINE_END.decode()
    found = subprocess.run(["sysdig", "-D", "-r", capture, "-p", form], capture_output=True, check=False, timeout=600)
    lines = (line.lstrip(b"\n").split(_FIELD_END) for line in found.stdout.split(_LINE_END))
    return {int(cells[0]): cells[1:] for cells in lines if len(cells) == len(fields) + 1}


def texts(batch: EventBatch, field: BoundField, style: TextStyle) -> list[bytes | None]:
    """What we print for every event of a batch, None for a missing value."""
    column = field.column(batch, slice(None))
    if field.comparison == "any" and isinstance(column, Lists):
        return _joined(column, field, style)
    rendered = render(column, field.type, field.format, style).to_arrow()
    if field.name in _PRINTABLE and style.dialect.printable_paths:
        rendered = without_unprintable(rendered)
    found: list[bytes | None] = rendered.to_pylist()
    return found


def _joined(column: Lists, field: BoundField, style: TextStyle) -> list[bytes | None]:
    """Values that are several for filters, as the newest libraries print them: with blanks, missing where none is."""
    values = render(column.values, field.type, field.format, style).to_arrow().to_pylist()
    return [
        b" ".join(values[first:last]) if last > first else None for first, last in pairwise(column.offsets.tolist())
    ]


class Agreement:
    """Counts of cells compared and of cells that differ, by field, with the differing cells."""

    def __init__(self, reasons: Mapping[str, str] = SYSDIG_REASONS) -> None:
        self.reasons = reasons
        self.compared: Counter[str] = Counter()
        self.different: Counter[str] = Counter()
        self.examples: dict[str, list[tuple[str, int, Any, Any]]] = defaultdict(list)

    def add(self, capture: str, fields: Sequence[BoundField], *, window_bytes: int = 32 << 20) -> None:
        """Compare one capture with the installed sysdig; types it does not know are passed over."""
        theirs = sysdig_cells(capture, fields)
        for batch in with_state(old_batches(open_reader(capture, window_bytes=window_bytes).batches())):
            for place, field in enumerate(fields):
                for number, text in enumerate(texts(batch, field, SYSDIG_STYLE), batch.first_number):
                    cells = theirs.get(number)
                    if cells is not None:
                        self._count(field.name, capture, number, cells[place], MISSING if text is None else text)

    def add_values(
        self, capture: str, values: str | Path, *, newest: bool = False, window_bytes: int = 32 << 20
    ) -> None:
        """Compare one capture with a file of what sysdig or, with ``newest``, the newest libraries said."""
        style, batches = (
            NEWEST_STYLE if newest else SYSDIG_STYLE,
            open_reader(capture, window_bytes=window_bytes).batches(),
        )
        with gzip.open(values, "rt", encoding="utf-8", errors="surrogateescape") as lines:
            theirs = {int(record["evt.num"]): record for record in map(json.loads, lines)}
        fields = known_fields({name for record in theirs.values() for name in record}, style)
        for batch in with_state(convert_batches(batches) if newest else old_batches(batches)):
            for label, field in fields.items():
                for number, text in enumerate(texts(batch, field, style), batch.first_number):
                    record = theirs.get(number)
                    if record is not None:
                        wanted = record.get(label)
                        ours = None if text is None else text.decode(errors="surrogateescape")
                        self._count(label, capture, number, wanted if wanted is None else str(wanted), ours)

    def _count(self, field: str, capture: str, number: int, theirs: Any, ours: Any) -> None:
        self.compared[field] += 1
        if theirs != ours:
            self.different[field] += 1
            self.examples[field].append((capture, number, theirs, ours))

    def unexplained(self) -> int:
        """Differing cells of fields without a known reason."""
        return sum(count for name, count in self.different.items() if name not in self.reasons)

    @property
    def share(self) -> float:
        """The share of cells that are equal."""
        return 1 - sum(self.different.values()) / max(sum(self.compared.values()), 1)

    def lines(self, examples: int) -> Iterable[str]:
        """The table, fields that agree everywhere in one line."""
        same = [name for name in self.compared if not self.different[name]]
        yield f"{len(same)} fields agree in every cell"
        for name in sorted(+self.different, key=self.different.__getitem__, reverse=True):
            yield f"{name:32} {self.compared[name]:8} {self.different[name]:8}  {self.reasons.get(name, '?')}"
            for capture, number, theirs, ours in self.examples[name][:examples]:
                yield f"    {capture} event {number}: peer {_end(theirs)!r}, ours {_end(ours)!r}"
        total, wrong = sum(self.compared.values()), sum(self.different.values())
        if total:
            yield f"{total} cells, {total - wrong} equal: {100 * self.share:.3f} %"
            yield f"{self.unexplained()} differences without a known reason"


def _end(value: Any) -> Any:
    return None if value is None else value[-60:]


def known_fields(names: Iterable[str], style: TextStyle) -> dict[str, BoundField]:
    """Those of the names that are our fields, arguments included."""
    catalog, found = Catalog(style=style), {}
    for name in sorted(names):
        if not name.startswith("_"):
            try:
                found[name] = catalog.parse(name)
            except ScapError:
                continue
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="+")
    parser.add_argument("--fields", help="only these, with commas")
    parser.add_argument("--values", help="compare one capture with this file of a peer's values instead")
    parser.add_argument("--newest", action="store_true", help="they are those of the newest libraries")
    parser.add_argument("--examples", type=int, default=1)
    parser.add_argument("--window", type=int, default=32 << 20, help="bytes of a batch")
    arguments = parser.parse_args()
    agreement = Agreement(NEWEST_REASONS if arguments.newest else SYSDIG_REASONS)
    if arguments.values is None:
        fields = comparable_fields(arguments.fields.split(",") if arguments.fields else None)
        for capture in arguments.captures:
            agreement.add(capture, fields, window_bytes=arguments.window)
    else:
        (capture,) = arguments.captures
        agreement.add_values(capture, arguments.values, newest=arguments.newest, window_bytes=arguments.window)
    for line in agreement.lines(arguments.examples):
        print(line)


if __name__ == "__main__":
    main()
