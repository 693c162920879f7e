"""Every state field against what sysdig 0.29.3 says about the shared captures, cell by cell."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

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
from scaptools.output.text import render
from scaptools.state.engine import track

if TYPE_CHECKING:
    from pathlib import Path

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import BoundField

REGISTRY = FieldRegistry(
    (
        *PROC_FIELDS,
        *THREAD_FIELDS,
        *FD_FIELDS,
        *FDLIST_FIELDS,
        *USER_FIELDS,
        *GROUP_FIELDS,
        *CONTAINER_FIELDS,
        *EVT_STATE_FIELDS,
    )
)
#: Fields that differ in some captures, and why: sysdig is wrong, or prints what happens to be in its memory.
KNOWN = {
    "group.gid": "the upper half of sysdig's number is the thread's child count",
    "fd.dev": "of descriptors the capture did not see opened, sysdig prints memory nobody initialised",
    "fd.dev.major": "of descriptors the capture did not see opened, sysdig prints memory nobody initialised",
    "fd.dev.minor": "of descriptors the capture did not see opened, sysdig prints memory nobody initialised",
    "fd.cport": "sysdig prints 0 for sockets that wait for connections, which have no client",
    "fd.cproto": "sysdig prints an empty port for sockets that wait for connections, which have no client",
    "user.loginuid": "sysdig reads another field of process lists written by libs 0.10 and later",
    "proc.is_exe_writable": "sysdig reads another field of process lists written by libs 0.10 and later",
    "proc.tty": "sysdig does not read the terminals in process lists written by libs 0.10 and later",
    "evt.latency.human": "sysdig repeats its latest text where it has not looked at the event's thread",
    "thread.cpu.user": "sysdig mixes up the readings of several fields",
}
#: Cells that differ for these reasons, by capture and field.
DIFFERENCES: dict[str, dict[str, int]] = {
    "cat_write": {"evt.latency.human": 38, "group.gid": 28},
    "connect_localhost": {"evt.latency.human": 54, "fd.dev": 5, "fd.dev.major": 5, "fd.dev.minor": 5, "group.gid": 16},
    "curl_google": {
        "evt.latency.human": 78,
        "fd.dev": 46,
        "fd.dev.major": 46,
        "fd.dev.minor": 46,
        "group.gid": 89,
        "thread.cpu.user": 1,
    },
    "empty_v1": {"evt.latency.human": 14, "group.gid": 6},
    "empty_v2": {"evt.latency.human": 37, "group.gid": 10},
    "open-multiple-files": {"evt.latency.human": 192, "group.gid": 130},
    "run_as_user_0_container": {
        "evt.latency.human": 105,
        "fd.cport": 24,
        "fd.cproto": 24,
        "fd.dev": 163,
        "fd.dev.major": 35,
        "fd.dev.minor": 139,
        "group.gid": 398,
    },
    "sample": {
        "evt.latency.human": 5,
        "fd.cport": 4,
        "fd.cproto": 4,
        "group.gid": 15,
        "proc.is_exe_writable": 9,
        "proc.tty": 44,
        "user.loginuid": 323,
    },
    "syscall": {"evt.latency.human": 52, "group.gid": 18},
    "write_tmp_test": {"evt.latency.human": 70, "group.gid": 18},
}
_PRINTABLE = frozenset({"fd.name", "fd.directory", "fd.filename", "fd.containername", "fd.containerdirectory"})
_STYLE = TextStyle(dialect=CLASSIC)


def texts(batch: EventBatch, field: BoundField) -> list[str | None]:
    """A field's text for every event."""
    rendered = render(field.column(batch, slice(None)), field.type, field.format, _STYLE).to_arrow()
    if field.field.name in _PRINTABLE:
        rendered = without_unprintable(rendered)
    return [None if text is None else text.decode(errors="replace") for text in rendered.to_pylist()]


def fields_of(events: list[dict[str, Any]]) -> dict[str, BoundField]:
    """Our fields among those of the events."""
    found = {}
    for name in sorted({name for event in events for name in event}):
        bare, _, argument = name.rstrip("]").partition("[")
        if bare in REGISTRY or bare.startswith("thread.cgroup."):
            found[name] = REGISTRY.resolve(bare, argument or None)
    return found


def compare(shared_data: Path, name: str, window_bytes: int) -> tuple[int, Counter[str]]:
    """How many cells of a capture were compared, and how many differ by field."""
    with gzip.open(shared_data / "oracle" / f"{name}.sysdig0293.jsonl.gz") as lines:
        events = [json.loads(line) for line in lines]
    expected = {event["_raw"]: event for event in events}
    compared, different = 0, Counter[str]()
    fields = fields_of(events)
    capture = open_reader(str(shared_data / "captures" / f"{name}.scap"), window_bytes=window_bytes)
    for batch in track(capture):
        for field_name, field in fields.items():
            for number, text in enumerate(texts(batch, field), batch.first_number):
                event = expected.get(number)
                if event is not None:
                    compared += 1
                    different[field_name] += event.get(field_name) != text
    return compared, +different


CAPTURES = (
    "cat_write",
    "connect_localhost",
    "curl_google",
    "empty_v1",
    "empty_v2",
    "open-multiple-files",
    "run_as_user_0_container",
    "sample",
    "syscall",
    "write_tmp_test",
)


@pytest.mark.parametrize("name", CAPTURES)
def test_every_cell_is_sysdigs_or_known_to_differ(shared_data: Path, name: str) -> None:
    compared, different = compare(shared_data, name, 32 << 20)
    assert different == DIFFERENCES.get(name, {})
    assert compared > 100
    assert different.keys() <= KNOWN.keys()


def test_batches_of_any_size_say_the_same(shared_data: Path) -> None:
    whole = compare(shared_data, "curl_google", 32 << 20)
    assert compare(shared_data, "curl_google", 20_000) == whole


def test_differences_are_few() -> None:
    assert sum(sum(each.values()) for each in DIFFERENCES.values()) < 3000
