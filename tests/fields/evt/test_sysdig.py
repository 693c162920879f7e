"""Generated events of every type sysdig 0.29.3 knows, printed by it and by us."""

from __future__ import annotations

import random
import struct
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from scap_formats.table import event_table
from scap_formats.types import ParamType
from scaptools.fields.paramtext import BufferMode, TextStyle
from tests.fields.evt_blocks import START, Ev, batch_of, capture_bytes
from tests.fields.evt_columns import bound, printed, registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scap_formats.table import Param

pytestmark = pytest.mark.interop

_FIELDS = """
    evt.num evt.type evt.dir evt.cpu evt.category evt.is_io evt.is_io_read evt.is_io_write evt.is_wait evt.io_dir
    evt.rawres evt.res evt.failed evt.count evt.count.error evt.count.error.memory evt.count.exit
    evt.is_open_read evt.is_open_write evt.is_open_exec syscall.type evt.time evt.time.s evt.datetime evt.rawtime
    evt.rawtime.ns evt.reltime evt.reltime.s evt.time.iso8601 evt.arg[0] evt.arg[1] evt.arg[2] evt.args evt.info
"""
_UNIT, _RECORD = b"\x1f", b"\x1e"

#: Types sysdig cannot be fed made-up values of, it stops or crashes; and those whose threads it then knows by name.
_UNSUITED = """
    tracer bpf container k8s mesos clone fork vfork clone3 execve execveat NA
"""
#: Flags 0.29.3 has no names for.
_NEW_FLAGS = """
    O_F_CREATED FD_UPPER_LAYER FD_LOWER_LAYER CLONE_CHILD_IN_PIDNS EXE_UPPER_LAYER EXE_FROM_MEMFD EXE_LOWER_LAYER
    FD_UPPER_LAYER_CREAT FD_LOWER_LAYER_CREAT
"""
_MANY_MESSAGES = "0.29.3 does not count them as reading or writing"
_ADDRESSES = "0.29.3 prints a negative address in digits"
#: What we print otherwise: fields, event types, and why.
_DIFFERENCES = (
    ("evt.is_io evt.is_io_read evt.is_io_write evt.io_dir", {51, 55}, _MANY_MESSAGES),
    ("evt.res", {11, 159, 161, 163}, _ADDRESSES),
)
_DIFFERENT = {(field, type_) for fields, types, _why in _DIFFERENCES for field in fields.split() for type_ in types}


class _Values:
    """Values that need no state to be printed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._makers: dict[ParamType, Callable[[], bytes]] = {
            ParamType.FD: lambda: self._signed(-1, -2, -9, -99, -101, -126, -512, -600),
            ParamType.ERRNO: lambda: self._signed(0, 5, 2**40, -1, -2, -11, -115, -126, -512, -1000),
            ParamType.PID: lambda: self._signed(self._random.randrange(10**5, 10**12)),
            ParamType.FSPATH: lambda: b"/" + self._text(30) + b"\0",
            ParamType.FSRELPATH: lambda: b"/" + self._text(30) + b"\0",
            ParamType.CHARBUF: lambda: self._text(30) + b"\0",
            ParamType.BYTEBUF: lambda: self._random.randbytes(self._random.choice([0, 1, 5, 79, 80, 81, 200])),
            ParamType.SOCKADDR: lambda: self._address(6, 18, b""),
            ParamType.SOCKTUPLE: lambda: self._address(12, 36, self._random.randbytes(16)),
            ParamType.FDLIST: self._descriptors,
        }

    def _signed(self, *choices: int) -> bytes:
        return struct.pack("<q", self._random.choice(choices))

    def _text(self, longest: int) -> bytes:
        shown = [byte for byte in range(1, 256) if byte not in b"\n\x1e\x1f"]
        return bytes(self._random.choices(shown, k=self._random.randrange(longest)))

    def _address(self, v4: int, v6: int, pointers: bytes) -> bytes:
        unix = b"\x01" + pointers + b"/" + self._text(6) + b"\0"
        mapped = bytes(10) + b"\xff\xff" + self._random.randbytes(6)
        return self._random.choice(
            [
                b"",
                unix,
                b"\x02" + self._random.randbytes(v4),
                b"\x0a" + self._random.randbytes(v6),
                b"\x0a" + mapped * (v6 // len(mapped)),
                b"\x10",
            ]
        )

    def _descriptors(self) -> bytes:
        entries = [
            (self._random.randrange(1000), self._random.randrange(-(2**15), 2**15))
            for _ in range(self._random.randrange(4))
        ]
        return struct.pack("<H", len(entries)) + b"".join(struct.pack("<qh", *entry) for entry in entries)

    def _number(self, bits: int) -> int:
        choices = [
            self._random.choice([0, 1, 2, 3, 8, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1]),
            self._random.randrange(1 << min(12, bits)),
            self._random.randrange(1 << bits),
        ]
        return self._random.choice(choices)

    def of(self, param: Param) -> bytes:
        """A value of a parameter."""
        if param.type is ParamType.DYN:
            choices = event_table().dynamic_tables[param.dynamic_table or ""]
            kind = self._random.randrange(len(choices) + 1)
            if kind == len(choices):
                return bytes([kind]) + b"xx"
            return bytes([kind]) + self.of(replace(param, type=choices[kind].type, dynamic_table=None))
        maker = self._makers.get(param.type)
        if maker is not None:
            return maker()
        size = param.type.size or 0
        value = self._number(8 * size) if size else 0
        if param.flags_table is not None:
            table = event_table().flags_tables[param.flags_table]
            value &= self._random.choice([0, -1])
            for bits, _name in self._random.choices(table, k=self._random.randrange(4)):
                value |= bits
            value &= ~sum(bits for bits, name in table if name in _NEW_FLAGS.split())
        return (value % (1 << (8 * size))).to_bytes(size, "little")


def _events(seed: int, count: int) -> list[Ev]:
    values = _Values(seed)
    types = [
        event
        for event in event_table().events
        if event.old_params is not None
        and event.name not in _UNSUITED.split()
        and all(param.type is not ParamType.CHARBUFARRAY for param in event.old_params)
    ]
    events = []
    for number in range(count):
        event = types[number % len(types)]
        params = [values.of(param) for param in event.old_params or ()]
        if event.id < 2:
            params[0] = struct.pack("<H", (number * 7) % 329)
        events.append(Ev(event.id, params, ts=START + number * 12_345_678, cpu=number % 5))
    return events


def _sysdig(sysdig: str, path: Path, fields: list[str], *options: str) -> list[list[bytes]]:
    template = "*" + _UNIT.decode().join(f"%{field}" for field in fields) + _RECORD.decode()
    command = [sysdig, "-D", "-r", str(path), *options, "-p", template]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    return [line.removeprefix(b"\n").split(_UNIT) for line in output.split(_RECORD)[:-1]]


@pytest.mark.parametrize("seed", [1, 2])
def test_fields_of_generated_events(seed: int, sysdig: str, tmp_path: Path) -> None:
    events = _events(seed, 5000)
    path = tmp_path / "generated.scap"
    path.write_bytes(capture_bytes(events))
    lines = _sysdig(sysdig, path, _FIELDS.split())
    assert len(lines) == len(events)
    batch, fields = batch_of(events), registry()
    differences = []
    for place, name in enumerate(_FIELDS.split()):
        field = bound(fields, name)
        column = field.column(batch, slice(None)).to_arrow().to_pylist()
        for event, line, value in zip(events, lines, column, strict=True):
            text = printed(field, value)
            ours, theirs = "<NA>" if text is None else text, line[place].decode("latin-1")
            if ours != theirs and (name, event.type) not in _DIFFERENT:
                differences.append((name, event_table().events[event.type].name, theirs, ours))
    assert differences == []


@pytest.mark.parametrize("mode", list(BufferMode), ids=lambda mode: mode.name)
def test_buffers_in_every_mode(mode: BufferMode, sysdig: str, tmp_path: Path) -> None:
    chance = random.Random(3)
    buffers = [chance.randbytes(chance.randrange(100)) for _ in range(150)]
    buffers += [bytes(chance.choices(b"\r\n\r\nab\x01", k=chance.randrange(12))) for _ in range(300)]
    # What separates the lines must not be in them.
    buffers = [buffer.replace(_RECORD, b"").replace(_UNIT, b"") for buffer in buffers]
    events = [Ev(7, [struct.pack("<q", len(buffer)), buffer]) for buffer in buffers]
    path = tmp_path / "buffers.scap"
    path.write_bytes(capture_bytes(events))
    lines = _sysdig(sysdig, path, ["evt.args", "evt.arg.data"], *([mode.value] if mode.value else []))
    batch, fields = batch_of(events), registry(TextStyle(buffers=mode))
    for place, name in enumerate(("evt.args", "evt.arg.data")):
        column = bound(fields, name).column(batch, slice(None)).to_arrow().to_pylist()
        assert column == [line[place] for line in lines]


def test_buffers_without_a_limit(sysdig: str, tmp_path: Path) -> None:
    events = [Ev(7, [struct.pack("<q", size), b"x" * size]) for size in (79, 80, 81, 500)]
    path = tmp_path / "long.scap"
    path.write_bytes(capture_bytes(events))
    column = bound(registry(TextStyle(limit=None)), "evt.args").column(batch_of(events), slice(None))
    assert column.to_arrow().to_pylist() == [line[0] for line in _sysdig(sysdig, path, ["evt.args"], "-v")]
