"""Pooling: parameters rendered together read as each does alone."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.fields.paramtext import CURRENT, param_text
from scaptools.fields.paramtext import pooling as module
from scaptools.fields.paramtext.pooling import pooled_texts
from tests.fields.paramtext_values import pairs, values_of

if TYPE_CHECKING:
    import pytest

    from scaptools.fields.paramtext import ParamText, ParamValues


def u4(*values: int) -> list[bytes]:
    return [struct.pack("<I", value) for value in values]


def fds(*values: int) -> list[bytes]:
    return [struct.pack("<q", value) for value in values]


def on_one_window(parameters: list[ParamValues]) -> list[ParamValues]:
    """The same parameters, their bytes one behind the other as in a batch."""
    data = np.concatenate([each.column.data for each in parameters])
    shifted, start = [], 0
    for each in parameters:
        column = replace(each.column, data=data, starts=each.column.starts + start)
        shifted.append(replace(each, column=column))
        start += len(each.column.data)
    return shifted


def test_each_reads_as_it_does_alone() -> None:
    parameters = on_one_window(
        [
            values_of(ParamType.UINT32, u4(1, 7)),
            values_of(ParamType.UINT32, u4(255), PrintFormat.HEX),
            values_of(ParamType.FD, [*fds(-2, 3), None, b""]),
            values_of(ParamType.UINT32, [*u4(7), None]),
            values_of(ParamType.FLAGS32, u4(1), flags_table="file_flags"),
            values_of(ParamType.FLAGS32, u4(1)),
            values_of(ParamType.UINT32, u4(9), dialect=CURRENT),
            values_of(ParamType.FSPATH, [b"/x\0", b"y\0"], dirfds=[-100, 3]),
            values_of(ParamType.FSPATH, [b"z\0"]),
            values_of(ParamType.FD, fds(-100)),
            values_of(ParamType.CHARBUF, []),
        ]
    )
    assert [pairs(text) for text in pooled_texts(parameters)] == [pairs(param_text(each)) for each in parameters]


def test_one_rendering_for_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[int] = []

    def counted(values: ParamValues) -> ParamText:
        rendered.append(len(values))
        return param_text(values)

    monkeypatch.setattr(module, "param_text", counted)
    parameters = [values_of(ParamType.UINT32, u4(1, 2)), values_of(ParamType.UINT32, u4(3))]
    pooled_texts(on_one_window([*parameters, values_of(ParamType.FD, fds(3))]))
    assert sorted(rendered) == [1, 3]
