"""Every field of every event of the shared captures against what sysdig 0.29.3 and today's libraries give.

What needs the state of the machine is left out of both sides: resolved descriptors, threads, users and relative paths
are taken out of the peers' texts. The kind of the descriptor an event works on is taken from sysdig's own output.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from scap_formats.descriptors import DescriptorType
from scap_formats.table import event_table
from scap_formats.types import ParamType
from scaptools.capture.reader import CaptureReader
from scaptools.columns import Numbers
from scaptools.errors import ScapError
from scaptools.fields.paramtext import CURRENT, StatelessContext, TextStyle
from tests.fields.evt_columns import bound, printed, registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.registry import FieldRegistry

Record = dict[str, Any]

_ORACLE = Path(__file__).parents[3].parent / "shared" / "data" / "oracle"
_STATEFUL_TYPES = {
    ParamType.FD: r"\d+",
    ParamType.PID: r"-?\d+",
    ParamType.FSPATH: r"[^ ]*",
    ParamType.FSRELPATH: r"[^ ]*",
}
_OWNERS = frozenset({ParamType.UID, ParamType.GID})
_POLLED = re.compile(r"(\d+):[^?]")
_DESCRIPTORS = {
    "f": DescriptorType.FILE_V2,
    "d": DescriptorType.DIRECTORY,
    "4": DescriptorType.IPV4_SOCKET,
    "6": DescriptorType.IPV6_SOCKET,
    "p": DescriptorType.FIFO,
    "u": DescriptorType.UNIX_SOCKET,
    "e": DescriptorType.EVENTFD,
    "i": DescriptorType.INOTIFY,
    "t": DescriptorType.TIMERFD,
}

#: Fields 0.29.3 prints otherwise, and why we do not.
_CLASSIC_DIFFERENCES = {
    "evt.rawarg.args": "0.29.3 ends buffers at their first NUL",
    "evt.rawarg.cgroups": "0.29.3 ends buffers at their first NUL",
    "evt.rawarg.data": "0.29.3 ends buffers at their first NUL",
    "evt.rawarg.env": "0.29.3 ends buffers at their first NUL",
    "evt.buffer": "bytes here, dots where it is printed",
}
#: Fields of today's libraries that do not depend on what they do with enter events before printing anything.
_CURRENT_FIELDS = """
    evt.asynctype evt.count evt.count.error evt.count.error.memory evt.count.exit evt.cpu evt.datetime
    evt.datetime.s evt.dir evt.failed evt.io_dir evt.is_async evt.is_io evt.is_io_read evt.is_io_write
    evt.is_open_create evt.is_open_exec evt.is_open_read evt.is_open_write evt.is_wait evt.rawres evt.rawtime
    evt.rawtime.ns evt.rawtime.s evt.res evt.time evt.time.iso8601 evt.time.s evt.rawarg.comm evt.rawarg.cur
    evt.rawarg.next evt.rawarg.vm_size evt.rawarg.path evt.rawarg.name evt.arg.cwd evt.arg.fdlimit
    evt.arg.pgft_min evt.arg.status
"""


def _captures(program: str) -> list[str]:
    suffix = f".{program}.jsonl.gz"
    return sorted(path.name.removesuffix(suffix) for path in _ORACLE.glob(f"*{suffix}"))


@cache
def _records(capture: str, program: str) -> dict[int, Record]:
    """The peer's record of every event by the number of its block."""
    with gzip.open(
        _ORACLE / f"{capture}.{program}.jsonl.gz", "rt", encoding="utf-8", errors="surrogateescape"
    ) as lines:
        return {record["_raw"]: record for record in map(json.loads, lines)}


class _KnownDescriptors(StatelessContext):
    """Gives the events of a capture the kinds of descriptors the peer says they work on."""

    def __init__(self, records: dict[int, Record]) -> None:
        # sysdig can know the descriptor when it prints and not when it parses; its category tells, but not of timers.
        self._types = {
            number: _DESCRIPTORS[record["fd.typechar"]]
            for number, record in records.items()
            if record.get("fd.typechar") in _DESCRIPTORS
            and (record.get("evt.category") != "unknown" or record["fd.typechar"] == "t")
        }

    def fd_types(self, batch: EventBatch, rows: NDArray[np.intp]) -> Numbers:
        found = [self._types.get(number) for number in batch.numbers(rows).tolist()]
        known = np.array([type_ is not None for type_ in found], bool)
        return Numbers(np.array([type_ or 0 for type_ in found], np.int64), known)


def _batches(capture: str) -> Iterator[EventBatch]:
    reader = CaptureReader(_ORACLE.parent / "captures" / f"{capture}.scap")
    yield from reader.batches()


def _base_of_relative_times(batch: EventBatch) -> int:
    """The time 0.29.3 counts from: of the first event it knows that is no container in front of all others."""
    events = [event_table().events[type_] for type_ in batch.header("type").tolist()]
    counted = [event.old_params is not None and event.name != "container" for event in events]
    return int(batch.header("ts")[counted.index(True)])


def _without_state(text: str, event_type: int, name: str) -> str:
    """A peer's text with the parts taken out that need state."""
    event = event_table().events[event_type]
    params = event.params if event.old_params is None else event.old_params
    if name not in {"evt.args", "evt.info"}:
        return text
    for param in params:
        start = rf"((?:^| ){re.escape(param.name)}="
        if param.type in _STATEFUL_TYPES:
            text = re.sub(rf"{start}{_STATEFUL_TYPES[param.type]})\((?:<.*?>.*?|[^()]*)\) ", r"\1 ", text)
        elif param.type in _OWNERS:
            text = re.sub(rf"{start}\d+)\([^()]*\) ", r"\1(<NA>) ", text)
        elif param.type is ParamType.FDLIST:
            text = re.sub(rf"{start}[^=]*) ", lambda match: _POLLED.sub(r"\1:?", match[0]), text)
    return text


def _needs_state(name: str, record: Record) -> bool:
    """Whether a single parameter is one that stands for something the state knows."""
    if not name.startswith("evt.arg"):
        return False
    event = event_table().events[record["_ppme"]]
    params = event.params if event.old_params is None else event.old_params
    which = name[8:].rstrip("]")
    found = [param for place, param in enumerate(params) if which in {param.name, str(place)}]
    return any(param.type in _STATEFUL_TYPES or param.type in _OWNERS | {ParamType.FDLIST} for param in found)


def _compare(
    capture: str, program: str, fields: FieldRegistry, names: set[str]
) -> tuple[dict[str, list[tuple[int, Any, Any]]], int]:
    """The differences by field, and how many values were compared."""
    records = _records(capture, program)
    differences: dict[str, list[tuple[int, Any, Any]]] = defaultdict(list)
    compared = 0
    first = min(records)
    for batch in _batches(capture):
        batch.section.first_ts = _base_of_relative_times(batch)
        numbers = batch.numbers().tolist()
        for name in sorted(names):
            field = bound(fields, name)
            column = field.column(batch, slice(None)).to_arrow().to_pylist()
            for number, value in zip(numbers, column, strict=True):
                record = records.get(number)
                if record is None or _needs_state(name, record):
                    continue
                if name.startswith("evt.deltatime") and number == first:
                    # Events 0.29.3 does not know are none before the first one it does.
                    continue
                wanted = record.get(name)
                if wanted is not None:
                    wanted = str(wanted).encode("utf-8", "surrogateescape").decode("latin-1")
                    wanted = _without_state(wanted, record["_ppme"], name)
                compared += 1
                if printed(field, value) != wanted:
                    differences[name].append((number, wanted, printed(field, value)))
    return dict(differences), compared


def _known(fields: FieldRegistry, names: set[str]) -> set[str]:
    known = set()
    for name in names:
        try:
            bound(fields, name)
        except ScapError:
            continue
        known.add(name)
    return known


@pytest.mark.skipif(not _ORACLE.is_dir(), reason="the shared data is not beside this checkout")
@pytest.mark.parametrize("capture", _captures("sysdig0293"))
def test_sysdig(capture: str) -> None:
    records = _records(capture, "sysdig0293")
    fields = registry(context=_KnownDescriptors(records))
    names = {name for record in records.values() for name in record if name.startswith("evt.")}
    names = _known(fields, names) - set(_CLASSIC_DIFFERENCES) - {"evt.num"}
    assert {"evt.args", "evt.category", "evt.time", "evt.rawtime", "evt.failed", "evt.reltime"} <= names
    differences, compared = _compare(capture, "sysdig0293", fields, names)
    assert differences == {}
    assert compared > 20 * len(records)


@pytest.mark.skipif(not _ORACLE.is_dir(), reason="the shared data is not beside this checkout")
@pytest.mark.parametrize("capture", _captures("libsnew"))
def test_todays_libraries(capture: str) -> None:
    fields = registry(TextStyle(dialect=CURRENT, limit=None))
    differences, compared = _compare(capture, "libsnew", fields, set(_CURRENT_FIELDS.split()))
    assert differences == {}
    assert compared > 20 * len(_records(capture, "libsnew"))


@pytest.mark.skipif(not _ORACLE.is_dir(), reason="the shared data is not beside this checkout")
def test_buffers_print_as_sysdig_prints_them() -> None:
    from scaptools.fields.paramtext import DEFAULT_STYLE, buffer_text

    seen = 0
    for capture in _captures("sysdig0293"):
        records = _records(capture, "sysdig0293")
        for batch in _batches(capture):
            column = bound(registry(), "evt.buffer").column(batch, slice(None))
            texts = buffer_text(column.to_arrow(), DEFAULT_STYLE).to_arrow().to_pylist()
            for number, text in zip(batch.numbers().tolist(), texts, strict=True):
                if number in records:
                    assert (None if text is None else text.decode()) == records[number].get("evt.buffer")
                    seen += text is not None
    assert seen > 300
