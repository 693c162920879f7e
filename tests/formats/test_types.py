from __future__ import annotations

import pytest

from scap_formats.types import Direction, EventClass, EventFlag, ParamType, PrintFormat


@pytest.mark.parametrize(
    ("type_", "id_", "size"),
    [
        (ParamType.NONE, 0, None),
        (ParamType.INT8, 1, 1),
        (ParamType.UINT64, 8, 8),
        (ParamType.CHARBUF, 9, None),
        (ParamType.SOCKTUPLE, 13, None),
        (ParamType.FD, 14, 8),
        (ParamType.FSPATH, 17, None),
        (ParamType.SYSCALLID, 18, 2),
        (ParamType.BOOL, 25, 4),
        (ParamType.DYN, 27, None),
        (ParamType.SIGSET, 34, 4),
        (ParamType.IPV6ADDR, 38, 16),
        (ParamType.PID32, 48, 4),
    ],
)
def test_numbers_and_sizes_of_param_types(type_: ParamType, id_: int, size: int | None) -> None:
    assert (type_.value, type_.size) == (id_, size)


def test_param_types_are_contiguous() -> None:
    assert [type_.value for type_ in ParamType] == list(range(49))


def test_signed_types() -> None:
    assert {type_.name for type_ in ParamType if type_.signed} == {
        "INT8", "INT16", "INT32", "INT64", "ERRNO", "FD", "PID", "FD32", "PID32",
    }  # fmt: skip


def test_direction_symbols() -> None:
    assert (Direction.ENTER.symbol, Direction.EXIT.symbol) == (">", "<")


def test_other_numbers() -> None:
    assert (PrintFormat.OCT, EventFlag.LARGE_PAYLOAD, EventClass.SYSCALL) == (6, 2048, 512)
