"""Lists of descriptors, signals and strings as text."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.types import ParamType
from scaptools.columns import Coded, Texts
from scaptools.fields.paramtext import StatelessContext
from tests.fields.paramtext_values import texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

Entry = tuple[int, int]


def fdlist(*entries: Entry, order: str = "<") -> bytes:
    return struct.pack(f"{order}H", len(entries)) + b"".join(struct.pack(f"{order}qh", *entry) for entry in entries)


def test_descriptor_lists() -> None:
    raws = [
        fdlist((3, 1), (-1, -1)),
        fdlist(),
        fdlist((3, 0)),
        b"",
        None,
        fdlist((3, 0), (2**40, 0x7FFF), (-100, 16)),
        b"\x01",
    ]
    assert [plain for plain, _ in texts(ParamType.FDLIST, raws)] == [
        b"3:?1 18446744073709551615:?ffffffff",
        b"",
        b"3:?0",
        b"NULL",
        None,
        b"3:?0 1099511627776:?7fff 18446744073709551516:?10",
        b"",
    ]


def test_a_list_shorter_than_it_claims() -> None:
    assert texts(ParamType.FDLIST, [struct.pack("<H", 9) + fdlist((4, 5))[2:] + b"xy"]) == [(b"4:?5", b"")]


def test_byte_order() -> None:
    assert texts(ParamType.FDLIST, [fdlist((4, 0x41), order=">")], byteorder="big") == [(b"4:?41", b"")]


class _Kinds(StatelessContext):
    """Descriptor 4 is an IPv6 socket from row 1 on."""

    def fd_character(self, _batch: Any, rows: NDArray[np.intp], fds: NDArray[np.int64]) -> Coded:
        return Coded(np.where((fds == 4) & (rows >= 1), 0, -1), Texts.of([b"6"]))


def test_descriptor_lists_with_state() -> None:
    raws = [fdlist((4, 4)), fdlist((4, 4), (5, 1))]
    assert texts(ParamType.FDLIST, raws, context=_Kinds()) == [(b"4:?4", b""), (b"4:64 5:?1", b"")]


_FDS = st.integers(-(2**63), 2**63 - 1)
_FLAGS = st.integers(-(2**15), 2**15 - 1)


@given(st.lists(st.none() | st.lists(st.tuples(_FDS, _FLAGS), max_size=5), max_size=8))
def test_many_lists_print_as_one_by_one(lists: list[list[Entry] | None]) -> None:
    expected = [
        None if entries is None else b" ".join(b"%d:?%x" % (fd % 2**64, flags % 2**32) for fd, flags in entries)
        for entries in lists
    ]
    raws = [None if entries is None else fdlist(*entries) for entries in lists]
    assert [plain for plain, _ in texts(ParamType.FDLIST, raws)] == expected


def test_signal_sets() -> None:
    raws = [struct.pack("<I", value) for value in (0, 1, 3, 2**31, 0x10000, 2**30 + 2**8)]
    assert [plain for plain, _ in texts(ParamType.SIGSET, raws)] == [
        b"",
        b"SIGHUP",
        b"SIGHUP SIGINT",
        b"",
        b"SIGCHLD",
        b"SIGKILL SIGSYS",
    ]


def test_string_arrays() -> None:
    assert texts(ParamType.CHARBUFARRAY, [b"a\0bc\0", b"", b"\0"]) == [(b"a,bc", b""), (b"NULL", b""), (b"", b"")]
