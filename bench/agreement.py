"""How often our state fields say what sysdig says, cell by cell, for any captures.

    python -m bench.agreement CAPTURE [CAPTURE ...] [--fields proc.name,fd.name] [--examples 2]

Every field that reads state is printed by sysdig for every event, hidden ones included, and compared with ours. One
line per field: cells compared, cells that differ, and the known reason where there is one.
"""

from __future__ import annotations

import argparse
import subprocess
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.table import event_table
from scaptools.capture.reader import open_reader
from scaptools.fields.container import CONTAINER_FIELDS
from scaptools.fields.evt_state import EVT_STATE_FIELDS
from scaptools.fields.fd import FD_FIELDS
from scaptools.fields.fdlist import FDLIST_FIELDS
from scaptools.fields.group import GROUP_FIELDS
from scaptools.fields.paramtext.printable import without_unprintable
from scaptools.fields.paramtext.style import CLASSIC, TextStyle
from scaptools.fields.proc import PROC_FIELDS
from scaptools.fields.registry import FieldRegistry
from scaptools.fields.thread import THREAD_FIELDS
from scaptools.fields.user import USER_FIELDS
from scaptools.output.text import MISSING, render
from scaptools.state.engine import track

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import BoundField

STATE_FIELDS = (
    *PROC_FIELDS,
    *THREAD_FIELDS,
    *FD_FIELDS,
    *FDLIST_FIELDS,
    *USER_FIELDS,
    *GROUP_FIELDS,
    *CONTAINER_FIELDS,
    *EVT_STATE_FIELDS,
)
#: Fields with arguments that are compared.
WITH_ARGUMENTS = (
    *(f"proc.{name}[{generation}]" for name in ("aname", "apid") for generation in range(5)),
    *(f"thread.cgroup.{name}" for name in ("cpuset", "memory", "cpu", "pids")),
)
#: Why a field differs where it does: sysdig 0.29.3 is wrong or prints what happens to be in memory.
REASONS = {
    "group.gid": "the upper half of the printed number is the thread's child count",
    "fd.dev": "memory nobody initialised, for all that is not opened in the capture",
    "fd.dev.major": "memory nobody initialised, for all that is not opened in the capture",
    "fd.dev.minor": "memory nobody initialised, for all that is not opened in the capture",
    "fd.cport": "prints 0 for listening sockets, which have no client",
    "fd.sproto": "prints nothing for listening sockets",
    "proc.fdopencount": "counts a descriptor twice when another took its place while it was being closed",
    "fd.cproto": "prints nothing for listening sockets, which have no client",
    "user.loginuid": "reads another field of process lists written by libs 0.10 and later",
    "user.loginname": "reads another field of process lists written by libs 0.10 and later",
    "proc.is_exe_writable": "memory nobody initialised, or another field of newer process lists",
    "proc.tty": "does not read the terminals newer process lists have",
    "evt.latency.human": "prints the text of the event before for events whose thread it has not looked up",
    "thread.cpu.user": "takes the reading before from another field's copy",
    "fd.containername": "drops unprintable bytes, which is done when a line is printed",
    "thread.exectime": "evaluated once more by sysdig",
}
#: Fields whose unprintable bytes are dropped when they are printed.
_PRINTABLE = frozenset({"fd.name", "fd.directory", "fd.filename", "fd.containername", "fd.containerdirectory"})
_FIELD_END, _LINE_END = b"\x1f", b"\x1e"
_STYLE = TextStyle(dialect=CLASSIC)


def comparable_fields(names: Sequence[str] | None = None) -> list[BoundField]:
    """The fields sysdig can print, by its own list; those of ``names`` where given."""
    listed = subprocess.run(["sysdig", "-l"], capture_output=True, check=True).stdout.decode(errors="replace")
    known = {line.split()[0] for line in listed.splitlines() if line.strip() and "." in line.split()[0]}
    registry = FieldRegistry(STATE_FIELDS)
    plain = [
        field.name
        for field in STATE_FIELDS
        if field.name in known
        and "FILTER_ONLY" not in field.flags
        and (field.argument is None or not field.argument.required)
        and not field.name.startswith(
            ("proc.aname", "proc.apid", "proc.fdusage", "thread.exectime", "thread.totexectime")
        )
        and field.name != "evt.abspath"
    ]
    wanted = [*plain, *WITH_ARGUMENTS] if names is None else names
    return [registry.resolve(*name.rstrip("]").split("[")) for name in wanted]


def sysdig_cells(capture: str, fields: Sequence[BoundField]) -> dict[int, list[bytes]]:
    """What sysdig prints, by event number."""
    form = _FIELD_END.decode().join(["*%evt.num", *(f"%{field.name}" for field in fields)]) + _LINE_END.decode()
    found = subprocess.run(["sysdig", "-D", "-r", capture, "-p", form], capture_output=True, check=False, timeout=600)
    lines = (line.lstrip(b"\n").split(_FIELD_END) for line in found.stdout.split(_LINE_END))
    return {int(cells[0]): cells[1:] for cells in lines if len(cells) == len(fields) + 1}


def our_cells(batch: EventBatch, field: BoundField) -> list[bytes]:
    """What we print for every event of a batch."""
    texts = render(field.column(batch, slice(None)), field.type, field.format, _STYLE).to_arrow()
    if field.name in _PRINTABLE:
        texts = without_unprintable(texts)
    return [MISSING if text is None else text for text in texts.to_pylist()]


class Agreement:
    """Counts of cells compared and of cells that differ, by field, with the first differing cells."""

    def __init__(self) -> None:
        self.compared: Counter[str] = Counter()
        self.different: Counter[str] = Counter()
        self.examples: dict[str, list[tuple[str, int, bytes, bytes]]] = defaultdict(list)

    def add(self, capture: str, fields: Sequence[BoundField], *, window_bytes: int = 32 << 20) -> None:
        """Compare one capture; types sysdig does not know are passed over."""
        theirs = sysdig_cells(capture, fields)
        limit, number = event_table().old_event_max, 1
        for batch in track(open_reader(capture, window_bytes=window_bytes)):
            rows = np.flatnonzero(batch.header("type") < limit).tolist()
            for place, field in enumerate(fields):
                ours = our_cells(batch, field)
                for offset, row in enumerate(rows):
                    cells = theirs.get(number + offset)
                    if cells is None:
                        continue
                    self.compared[field.name] += 1
                    if cells[place] != ours[row]:
                        self.different[field.name] += 1
                        self.examples[field.name].append((capture, number + offset, cells[place], ours[row]))
            number += len(rows)

    def unexplained(self) -> int:
        """Differing cells of fields without a known reason."""
        return sum(count for name, count in self.different.items() if name not in REASONS)

    def lines(self, examples: int) -> Iterable[str]:
        """The table, fields that agree everywhere in one line."""
        same = [name for name in self.compared if not self.different[name]]
        yield f"{len(same)} fields agree in every cell"
        for name in sorted(self.different, key=self.different.__getitem__, reverse=True):
            yield f"{name:32} {self.compared[name]:8} {self.different[name]:8}  {REASONS.get(name, '?')}"
            for capture, number, theirs, ours in self.examples[name][:examples]:
                yield f"    {capture} event {number}: sysdig {theirs[-60:]!r}, ours {ours[-60:]!r}"
        total, wrong = sum(self.compared.values()), sum(self.different.values())
        if total:
            yield f"{total} cells, {total - wrong} equal: {100 * (total - wrong) / total:.3f} %"
            yield f"{self.unexplained()} differences without a known reason"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="+")
    parser.add_argument("--fields", help="only these, with commas")
    parser.add_argument("--examples", type=int, default=1)
    parser.add_argument("--window", type=int, default=32 << 20, help="bytes of a batch")
    arguments = parser.parse_args()
    fields = comparable_fields(arguments.fields.split(",") if arguments.fields else None)
    agreement = Agreement()
    for capture in arguments.captures:
        agreement.add(capture, fields, window_bytes=arguments.window)
    for line in agreement.lines(arguments.examples):
        print(line)


if __name__ == "__main__":
    main()
