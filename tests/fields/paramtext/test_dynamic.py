"""Parameters that say themselves what they are."""

from __future__ import annotations

import struct

import pytest

from scap_formats.table import event_table
from scap_formats.types import ParamType, PrintFormat
from scaptools.fields.paramtext import RENDERERS
from tests.fields.paramtext_values import texts


@pytest.mark.parametrize(
    ("table", "format_", "raw", "plain", "resolved"),
    [
        ("sockopt_dynamic_param", PrintFormat.DEC, b"\0a\x01c", b"a.c", b""),
        ("sockopt_dynamic_param", PrintFormat.DEC, b"\0", b"", b""),
        ("sockopt_dynamic_param", PrintFormat.DEC, b"\1" + struct.pack("<q", -2), b"-2", b"ENOENT"),
        ("sockopt_dynamic_param", PrintFormat.DEC, b"\2" + struct.pack("<I", 2**32 - 1), b"-1", b""),
        ("sockopt_dynamic_param", PrintFormat.DEC, b"\3" + struct.pack("<Q", 7), b"7", b""),
        ("sockopt_dynamic_param", PrintFormat.DEC, b"\4" + struct.pack("<Q", 10**9), b"1000000000", b"1s"),
        ("sockopt_dynamic_param", PrintFormat.DEC, b"\2", b"<NA>", b""),
        ("sockopt_dynamic_param", PrintFormat.DEC, b"\x07xx", b"INVALID DYNAMIC PARAMETER", b""),
        ("sockopt_dynamic_param", PrintFormat.DEC, b"", b"NULL", b""),
        ("ptrace_dynamic_param", PrintFormat.HEX, b"\0" + struct.pack("<Q", 255), b"FF", b""),
        ("ptrace_dynamic_param", PrintFormat.HEX, b"\1\x09", b"9", b"SIGKILL"),
        ("bpf_dynamic_param", PrintFormat.DEC, b"\0" + struct.pack("<q", 7), b"7", b""),
        ("bpf_dynamic_param", PrintFormat.DEC, b"\1" + struct.pack("<q", -1), b"-1", b"EPERM"),
        ("keyctl_dynamic_param", PrintFormat.DEC, b"\1key\0", b"key", b""),
        (None, PrintFormat.DEC, b"\0abc", b"INVALID DYNAMIC PARAMETER", b""),
    ],
)
def test_values(table: str | None, format_: PrintFormat, raw: bytes, plain: bytes, resolved: bytes) -> None:
    assert texts(ParamType.DYN, [raw], format_, dynamic_table=table) == [(plain, resolved)]


def test_kinds_mixed_in_one_column() -> None:
    raws = [b"\2" + struct.pack("<I", 5), None, b"\0xyz", b"", b"\1" + struct.pack("<q", -1), b"\x09", b"\0xyz"]
    assert texts(ParamType.DYN, raws, dynamic_table="sockopt_dynamic_param") == [
        (b"5", b""),
        (None, b""),
        (b"xyz", b""),
        (b"NULL", b""),
        (b"-1", b"EPERM"),
        (b"INVALID DYNAMIC PARAMETER", b""),
        (b"xyz", b""),
    ]


def test_every_type_has_a_renderer() -> None:
    assert set(RENDERERS) == set(ParamType)
    kinds = {choice.type for table in event_table().dynamic_tables.values() for choice in table}
    assert ParamType.DYN not in kinds


def test_types_without_text() -> None:
    assert texts(ParamType.IPV4NET, [b"\1\2\3\4\5", b""]) == [(b"(n.a.)", b""), (b"<NA>", b"")]
