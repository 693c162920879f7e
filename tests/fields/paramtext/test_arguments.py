"""All parameters of an event in one text, in both dialects and with what a context knows."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.table import event_table
from scaptools.columns import Coded, Texts
from scaptools.fields.paramtext import (
    CURRENT,
    DEFAULT_STYLE,
    STATELESS,
    ParamPrinter,
    StatelessContext,
    TextStyle,
    best_text,
)
from tests.fields.evt_blocks import Ev, batch_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from scaptools.fields.paramtext import ParameterContext

_MODERN = TextStyle(dialect=CURRENT)


def q(value: int) -> bytes:
    return struct.pack("<q", value)


def i4(value: int) -> bytes:
    return struct.pack("<I", value)


def lines(events: Iterable[Ev], style: TextStyle = DEFAULT_STYLE, context: ParameterContext = STATELESS) -> list[bytes]:
    batch = batch_of(events)
    printer = ParamPrinter(batch, style, context)
    tables = [(batch.rows_of_type(type_), batch.parameters(type_)) for type_ in batch.types_present()]
    return list(printer.arguments(tables, len(batch)).to_pylist())


OPEN = Ev(3, [q(3), b"/etc/ld.so.cache\0", i4(4097), i4(0)])
NEW_OPEN = Ev(3, [q(-2), b"/x\0", i4(1), i4(0), i4(0x801), struct.pack("<Q", 77)])
READ = Ev(7, [q(5), b"a\0bcd"])


@pytest.mark.parametrize(
    ("event", "classic", "current"),
    [
        (
            OPEN,
            b"fd=3 name=/etc/ld.so.cache flags=4097(O_RDONLY|O_CLOEXEC) mode=0 ",
            b"fd=3 name=/etc/ld.so.cache flags=4097(O_RDONLY|O_CLOEXEC) mode=0",
        ),
        (
            NEW_OPEN,
            b"fd=-2(ENOENT) name=/x flags=1(O_RDONLY) mode=0 dev=801 ino=77 ",
            b"fd=-2(ENOENT) name=/x flags=1(O_RDONLY) mode=0 dev=801 ino=77",
        ),
        (READ, b"res=5 data=a.bcd ", b"res=5 data=a.bcd"),
        (Ev(7, [q(0), b""]), b"res=0 data= ", b"res=0 data=NULL"),
        (Ev(7, [q(3)]), b"res=3 ", b"res=3"),
        (Ev(7, []), b"", b""),
        (Ev(82, []), b"", b""),
        (Ev(5, [q(0), q(3), q(4)]), b"res=0 fd=3 ", b"res=0 fd=3"),
        (Ev(322, [i4(999), b"hello\x01"]), b"plugin ID=999 event_data=hello. ", b"plugin_id=999 event_data=hello."),
        (
            Ev(18, [i4(1), i4(1), i4(0)]),
            b"domain=1(AF_LOCAL) type=1 proto=0 ",
            b"domain=1(AF_LOCAL|AF_UNIX) type=1 proto=0",
        ),
        (Ev(161, [struct.pack("<Q", 0x7FAD), i4(1), i4(2), i4(0)]), b"res=7FAD vm_size=1 vm_rss=2 vm_swap=0 ", None),
    ],
)
def test_lines(event: Ev, classic: bytes, current: bytes | None) -> None:
    assert lines([event]) == [classic]
    if current is not None:
        assert lines([event], _MODERN) == [current]


def test_types_only_todays_libraries_know() -> None:
    memfd = next(event for event in event_table().by_name("memfd_create") if event.id % 2)
    assert lines([Ev(memfd.id, [q(-1), b"\0", i4(1)])]) == [b"fd=-1(EPERM) name= flags=1(MFD_CLOEXEC) "]
    assert lines([Ev(memfd.id, [q(-1), b"", b""])]) == [b"fd=-1(EPERM) name=<NA> flags=<NA> "]


def test_events_of_many_types_keep_their_order() -> None:
    events = [READ, OPEN, Ev(82), NEW_OPEN, READ, Ev(7, [q(1)])]
    assert lines(events) == [lines([event])[0] for event in events]


class _State(StatelessContext):
    """Descriptor 3 is /etc/hosts, relative paths start at /home; asked for descriptor 4 it gives plain texts."""

    def fd_text(self, _batch: Any, _rows: Any, fds: NDArray[np.int64]) -> Coded | Texts:
        if 4 in fds:
            return Texts.of([b"<4>four" if fd == 4 else None for fd in fds.tolist()])
        return Coded(np.where(fds == 3, 0, np.where(fds == 5, 1, -1)), Texts.of([b"<f>/etc/hosts", b""]))

    def absolute_path(self, _batch: Any, _rows: Any, paths: Texts, _dirfds: Any) -> Texts:
        return Texts.of(b"/home/" + path for path in paths.array.to_pylist())


def test_what_a_context_knows_stands_in_brackets() -> None:
    close = [Ev(4, [q(fd)]) for fd in (3, 5, 6, -9)]
    state = _State()
    assert lines(close, context=state) == [b"fd=3(<f>/etc/hosts) ", b"fd=5 ", b"fd=6 ", b"fd=-9(EBADF) "]
    assert lines([Ev(4, [q(fd)]) for fd in (4, 3)], context=state) == [b"fd=4(<4>four) ", b"fd=3 "]
    assert lines([Ev(67, [q(0), b"a\0"]), Ev(67, [q(0), b"/a\0"])], context=state) == [
        b"res=0 path=a(/home/a) ",
        b"res=0 path=/a ",
    ]


def test_a_directory_parameter_is_handed_on() -> None:
    class Asked(StatelessContext):
        dirfds: list[int]

        def absolute_path(self, _batch: Any, _rows: Any, _paths: Texts, dirfds: NDArray[np.int64] | None) -> None:
            assert dirfds is not None
            self.dirfds = dirfds.tolist()

    context = Asked()
    unlinkat = Ev(303, [q(0), q(7), b"rel\0", i4(0)])
    assert lines([unlinkat], context=context) == [b"res=0 dirfd=7 name=rel flags=0 "]
    assert context.dirfds == [7]
    lines([Ev(303, [q(0), b"", b"rel\0", i4(0)])], context=context)
    assert context.dirfds == [-100]


def test_single_parameters() -> None:
    batch = batch_of([OPEN, NEW_OPEN])
    table = batch.parameters(3)
    printer = ParamPrinter(batch, TextStyle(), STATELESS)
    assert best_text(printer.text(table, 2)).to_arrow().to_pylist() == [b"O_RDONLY|O_CLOEXEC", b"O_RDONLY"]
    assert best_text(printer.text(table, 0)).to_arrow().to_pylist() == [b"3", b"ENOENT"]
    assert best_text(printer.text(table, 4)).to_arrow().to_pylist() == [None, b"801"]
    assert best_text(printer.text(table, 5, newest=True)).to_arrow().to_pylist() == [None, b"77"]
    stated = ParamPrinter(batch, TextStyle(), _State())
    assert best_text(stated.text(table, 0)).to_arrow().to_pylist() == [b"<f>/etc/hosts", b"ENOENT"]


@settings(max_examples=25)
@given(st.lists(st.sampled_from([0, 3, 4, 5, -2, -100, 2**40]), min_size=1, max_size=200), st.booleans())
def test_many_events_print_as_one_by_one(fds: list[int], known: bool) -> None:
    context = _State() if known and 4 not in fds else STATELESS
    events = [Ev(6, [q(fd), i4(fd % 2**32)]) for fd in fds]
    alone = {fd: lines([event], context=context)[0] for fd, event in zip(fds, events, strict=True)}
    assert lines(events, context=context) == [alone[fd] for fd in fds]
