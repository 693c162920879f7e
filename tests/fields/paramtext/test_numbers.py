"""Numbers as text: what sysdig prints for them, and the vectorised renderings against the scalar ones."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Coded, Numbers, Texts
from scaptools.fields.paramtext import CLASSIC, CURRENT, StatelessContext
from scaptools.fields.paramtext import numbers as module
from scaptools.fields.paramtext.names import ERRORS, SIGNALS
from tests.fields.paramtext_values import texts, values_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

T, F = ParamType, PrintFormat


def q(value: int) -> bytes:
    return struct.pack("<q", value)


def packed(type_: ParamType, value: int) -> bytes:
    size = type_.size or 0
    wrapped: int = value % 2 ** (8 * size)
    return wrapped.to_bytes(size, "little")


@pytest.mark.parametrize(
    ("type_", "format_", "value", "text"),
    [
        (T.INT8, F.DEC, -1, b"-1"),
        (T.INT8, F.HEX, -1, b"FFFFFFFF"),
        (T.INT16, F.DEC, -5, b"-5"),
        (T.INT16, F.HEX, -7, b"FFFFFFF9"),
        (T.INT32, F.HEX, -7, b"FFFFFFF9"),
        (T.INT32, F.DEC, -(2**31), b"-2147483648"),
        (T.INT64, F.DEC, -1, b"-1"),
        (T.INT64, F.HEX, -1, b"FFFFFFFFFFFFFFFF"),
        (T.UINT8, F.DEC, 255, b"255"),
        (T.UINT16, F.DEC, 65535, b"65535"),
        (T.UINT32, F.DEC, 2**31, b"-2147483648"),
        (T.UINT32, F.DEC, 2**32 - 1, b"-1"),
        (T.UINT32, F.HEX, 0o644, b"1A4"),
        (T.UINT32, F.HEX, 0, b"0"),
        (T.UINT32, F.OCT, 0o644, b"0644"),
        (T.UINT32, F.OCT, 1, b"01"),
        (T.UINT32, F.OCT, 0, b"0"),
        (T.UINT32, F.OCT, 2**32 - 1, b"037777777777"),
        (T.UINT64, F.DEC, 2**63, b"-9223372036854775808"),
        (T.UINT64, F.HEX, 2**64 - 1, b"FFFFFFFFFFFFFFFF"),
        (T.UINT64, F.HEX, 0x7FA6955AF740, b"7FA6955AF740"),
        (T.UINT64, F.PADDED_DEC, 42, b"000000042"),
        (T.PORT, F.DEC, 443, b"443"),
        (T.UINT64, F.NA, 7, b"7"),
    ],
)
def test_integers(type_: ParamType, format_: PrintFormat, value: int, text: bytes) -> None:
    assert texts(type_, [packed(type_, value)], format_) == [(text, b"")]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0, b""),
        (5, b""),
        (-1, b"EPERM"),
        (-2, b"ENOENT"),
        (-11, b"EAGAIN"),
        (-35, b"EDEADLK"),
        (-41, b""),
        (-95, b"EOPNOTSUPP"),
        (-115, b"EINPROGRESS"),
        (-125, b"ECANCELED"),
        (-126, b""),
        (-512, b"ERESTARTSYS"),
        (-516, b"ERESTART_RESTARTBLOCK"),
        (-517, b""),
        (-521, b"EBADHANDLE"),
        (-530, b"EIOCBRETRY"),
        (-531, b""),
        (2**40, b""),
    ],
)
def test_results(value: int, name: bytes) -> None:
    assert texts(T.ERRNO, [q(value)]) == [(b"%d" % value, name)]


def test_error_and_signal_tables() -> None:
    assert len(ERRORS) == 138
    assert list(SIGNALS) == list(range(1, 32))
    assert SIGNALS[31] == b"SIGSYS"


@pytest.mark.parametrize(
    ("value", "name"),
    [(0, b""), (-1, b"EPERM"), (-99, b"EADDRNOTAVAIL"), (-100, b"AT_FDCWD"), (-126, b""), (2**32 - 1, b"")],
)
def test_descriptors_without_state(value: int, name: bytes) -> None:
    assert texts(T.FD, [q(value)]) == [(b"%d" % value, name)]


class _State(StatelessContext):
    """Knows descriptor 3, thread 7 and user and group 0."""

    def _known(self, numbers: NDArray[Any], number: int, text: bytes) -> Coded:
        return Coded(np.where(numbers == number, 0, -1), Texts.of([text]))

    def fd_text(self, _batch: Any, _rows: Any, fds: NDArray[np.int64]) -> Coded:
        return self._known(fds, 3, b"<f>/etc/hosts")

    def thread_name(self, _batch: Any, _rows: Any, tids: NDArray[np.int64]) -> Texts:
        return Texts.of([b"cat" if tid == 7 else None for tid in tids.tolist()])

    def user_name(self, _batch: Any, _rows: Any, uids: NDArray[np.uint32]) -> Coded:
        return self._known(uids, 0, b"root")

    group_name = user_name


def test_descriptors_with_state() -> None:
    raws = [q(3), q(-2), q(4), None, b"", q(-100)]
    assert texts(T.FD, raws, context=_State()) == [
        (b"3", b"<f>/etc/hosts"),
        (b"-2", b"ENOENT"),
        (b"4", b""),
        (None, b""),
        (b"<NA>", b""),
        (b"-100", b"AT_FDCWD"),
    ]


def test_a_value_that_is_not_there_is_never_resolved() -> None:
    # Descriptor, user and thread 0 are what missing values are asked for as.
    for type_ in (T.UID, T.GID):
        assert texts(type_, [b"", b"\0\0\0\0", None], context=_State()) == [
            (b"<NA>", b""),
            (b"0", b"root"),
            (None, b""),
        ]


def test_threads_and_owners() -> None:
    assert texts(T.PID, [q(7), q(8)], context=_State()) == [(b"7", b"cat"), (b"8", b"")]
    raws = [struct.pack("<I", uid) for uid in (0, 1000, 2**32 - 1, 2**32 - 2)]
    assert texts(T.UID, raws, context=_State()) == [
        (b"0", b"root"),
        (b"1000", b"<NA>"),
        (b"-1", b"<NONE>"),
        (b"-2", b"<NA>"),
    ]
    assert texts(T.GID, raws[:1]) == [(b"0", b"<NA>")]


def test_signals_and_system_calls() -> None:
    assert texts(T.SIGTYPE, [b"\0", b"\x09", b"\x20", b"\xff"]) == [
        (b"0", b""),
        (b"9", b"SIGKILL"),
        (b"32", b""),
        (b"255", b""),
    ]
    raws = [struct.pack("<H", code) for code in (0, 3, 283, 305, 60000)]
    assert [name for _, name in texts(T.SYSCALLID, raws)] == [
        b"<unknown>",
        b"read",
        b"newselect",
        b"setuid",
        b"<unknown syscall>",
    ]
    assert [name for _, name in texts(T.SYSCALLID, raws[2:4], dialect=CURRENT)] == [b"_newselect", b"setuid32"]


@pytest.mark.parametrize(
    ("table", "value", "names"),
    [
        ("file_flags", 4097, b"O_RDONLY|O_CLOEXEC"),
        ("file_flags", 0, b"O_NONE"),
        ("file_flags", 5, b"O_CREAT|O_RDONLY"),
        ("file_flags", 3, b"O_RDWR"),
        ("futex_operations", 129, b"FUTEX_PRIVATE_FLAG|FUTEX_WAKE"),
        ("prot_flags", 3, b"PROT_READ|PROT_WRITE"),
        ("socket_families", 1, b"AF_LOCAL"),
        ("socket_families", 2, b"AF_INET"),
        ("shutdown_how", 3, b"SHUT_RDWR|SHUT_WR"),
        ("fcntl_commands", 63, b"F_GETPIPE_SZ|F_GETFD|F_OFD_SETLKW"),
        ("prot_flags", 2**20, b""),
    ],
)
def test_flags_as_sysdig_names_them(table: str, value: int, names: bytes) -> None:
    assert texts(T.FLAGS32, [packed(T.FLAGS32, value)], flags_table=table) == [(b"%d" % value, names)]


def test_flags_of_today() -> None:
    raws = [packed(T.FLAGS32, 1)]
    assert texts(T.FLAGS32, raws, flags_table="socket_families", dialect=CURRENT) == [(b"1", b"AF_LOCAL|AF_UNIX")]
    assert texts(T.ENUMFLAGS32, raws, flags_table="socket_families", dialect=CURRENT) == [(b"1", b"AF_LOCAL|AF_UNIX")]
    # One of several values, not a set of bits.
    assert texts(T.ENUMFLAGS32, [packed(T.FLAGS32, 3)], flags_table="lseek_whence") == [(b"3", b"")]
    assert texts(T.FLAGS32, raws) == [(b"1", b"")]
    assert texts(T.ENUMFLAGS32, raws) == [(b"1", b"")]


def test_modes() -> None:
    raws = [packed(T.MODE, mode) for mode in (0, 0o644, 0o4755, 0o10000)]
    assert texts(T.MODE, raws, F.OCT, flags_table="chmod_mode") == [
        (b"0", b""),
        (b"0644", b"S_IROTH|S_IRGRP|S_IWUSR|S_IRUSR"),
        (b"04755", b"S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID"),
        (b"010000", b""),
    ]
    assert texts(T.MODE, raws[1:2], F.OCT) == [(b"0644", b"")]


@pytest.mark.parametrize(
    ("value", "plain", "resolved"),
    [
        (0, b"0", b"0s"),
        (1, b"1", b"1e-09s"),
        (10**9, b"1000000000", b"1s"),
        (1_500_000_000, b"1500000000", b"1.5s"),
        (123_456_789, b"123456789", b"0.123457s"),
        (12_345_678_901_234, b"12345678901234", b"12345.7s"),
        (1_234_567 * 10**9, b"1234567000000000", b"1.23457e+06s"),
        (2**63, b"9223372036854775808", b"9.22337e+09s"),
        (2**64 - 1, b"none", b""),
    ],
)
def test_durations(value: int, plain: bytes, resolved: bytes) -> None:
    assert texts(T.RELTIME, [struct.pack("<Q", value)]) == [(plain, resolved)]


def test_other_types() -> None:
    assert texts(T.BOOL, [packed(T.BOOL, 1), packed(T.BOOL, 0)]) == [(b"true", b""), (b"false", b"")]
    assert texts(T.DOUBLE, [struct.pack("<d", 2.25), b""]) == [(b"2.2", b""), (b"<NA>", b"")]


def test_values_of_another_size_have_no_text() -> None:
    assert texts(T.UINT32, [b"\1\0", b"\1\0\0\0", b""]) == [(b"<NA>", b""), (b"1", b""), (b"<NA>", b"")]


def test_byte_order() -> None:
    assert texts(T.UINT32, [b"\0\0\1\2"], byteorder="big") == [(b"258", b"")]
    many = [struct.pack(">Q", 2**40 + step) for step in range(500)]
    assert texts(T.UINT64, many, byteorder="big") == [(b"%d" % (2**40 + step), b"") for step in range(500)]


_INTEGERS = [type_ for type_ in T if type_.name.startswith(("INT", "UINT"))]
_FORMATS = [F.DEC, F.HEX, F.OCT, F.PADDED_DEC]


def _model(type_: ParamType, format_: PrintFormat, value: int) -> bytes:
    bits = 8 * (type_.size or 0)
    if format_ is F.HEX:
        return b"%X" % (value % 2 ** (max(bits, 32) if type_.signed else bits))
    if format_ is F.OCT:
        return b"0%o" % (value % 2**bits) if value else b"0"
    if format_ is F.PADDED_DEC:
        return str(value).zfill(9).encode()
    signed = type_ in {T.UINT32, T.UINT64} and value >= 2 ** (bits - 1)
    return b"%d" % (value - 2**bits if signed else value)


@given(st.sampled_from(_INTEGERS), st.sampled_from(_FORMATS), st.data())
def test_many_integers_print_as_one_by_one(type_: ParamType, format_: PrintFormat, data: st.DataObject) -> None:
    bits = 8 * (type_.size or 0)
    low = -(2 ** (bits - 1)) if type_.signed else 0
    value = st.integers(low, low + 2**bits - 1) | st.sampled_from([low, 0, 1, low + 2**bits - 1])
    seeds = data.draw(st.lists(value, min_size=1, max_size=8))
    # More values than are rendered one by one, more or fewer of them different.
    spread = [(seed + step * data.draw(st.sampled_from([0, 1, 977]))) % 2**bits for seed in seeds for step in range(30)]
    expected = [_model(type_, format_, _as_declared(type_, value)) for value in spread]
    assert [plain for plain, _ in texts(type_, [packed(type_, value) for value in spread], format_)] == expected


def _as_declared(type_: ParamType, value: int) -> int:
    bits = 8 * (type_.size or 0)
    value %= 2**bits
    return value - 2**bits if type_.signed and value >= 2 ** (bits - 1) else value


@pytest.mark.parametrize("function", [module.result, module.descriptor, module.signal, module.flags])
def test_names_of_many_values(function: Callable[..., Any]) -> None:
    type_, table = {
        module.result: (T.ERRNO, None),
        module.descriptor: (T.FD, None),
        module.signal: (T.SIGTYPE, None),
        module.flags: (T.FLAGS16, "file_flags"),
    }[function]
    numbers = [step * 7 - 2000 if type_.signed else step % 256 for step in range(700)]
    raws = [packed(type_, number) for number in numbers]
    together = texts(type_, raws, flags_table=table)
    assert together == [texts(type_, [raw], flags_table=table)[0] for raw in raws]


def test_rendering_happens_once_per_distinct_value() -> None:
    asked: list[int] = []

    def one(value: int) -> bytes:
        asked.append(value)
        return b"x%d" % value

    numbers = Numbers(np.repeat(np.arange(5), 1000))
    text = module.render_numbers(numbers, module.Rendering(one))
    assert asked == [0, 1, 2, 3, 4]
    assert text.plain.to_arrow().to_pylist()[::1000] == [b"x0", b"x1", b"x2", b"x3", b"x4"]


def test_dialects_are_told_apart_by_identity() -> None:
    assert CLASSIC != CURRENT
    assert len({CLASSIC, CURRENT}) == 2
    assert values_of(T.UINT8, [b"\1"]).dialect is CLASSIC
