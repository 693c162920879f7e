"""Every filter the peer answered, asked of columns made from the peer's own field values: the same events match."""

from __future__ import annotations

import gzip
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scap_formats.types import ParamType
from scaptools.errors import FilterError, UnknownFieldError
from scaptools.filter import compile_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARED = Path(__file__).parents[2].parent / "shared"
ORACLE = SHARED / "data" / "oracle"
CAPTURES = ["cat_write", "connect_localhost", "curl_google", "sample", "run_as_user_0_container", "syscall"]
#: Fields the dumps show only in a form that has lost something or not at all, and fields whose value depends on
#: which events passed the filter before.
LOSSY = {
    "evt.buffer",
    "evt.rawarg",
    "evt.around",
    "evt.type.is.open",
    "proc.apid",
    "thread.nametid",
    "evt.deltatime",
    "proc.vmsize",
}
#: Filters the peer gets wrong or refuses: hex constants, lists of networks, a field that raises during evaluation.
BETTER = {"proc.pid=0x1", "fd.net in (192.168.0.0/16, 172.16.0.0/12)", "evt.buflen>100"}
ENDS = {"fd.ip": ("fd.cip", "fd.sip"), "fd.net": ("fd.cip", "fd.sip"), "fd.port": ("fd.cport", "fd.sport")}
ENDS["fd.proto"] = ENDS["fd.port"]

pytestmark = pytest.mark.skipif(not ORACLE.exists(), reason="the peer's answers are not beside the checkout")


def value_of(type_: ParamType, row: dict[str, Any], name: str, base: int = 10) -> Any:
    text = row.get(name)
    if text is None:
        return None
    if type_ is ParamType.BOOL:
        return {"true": 1, "false": 0}[text]
    if type_ is ParamType.DOUBLE:
        return float(row["_json"].get(name, text))
    if type_ in {ParamType.IPADDR, ParamType.IPNET}:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    if type_.size is not None:
        return int(str(text), base)
    return text.encode()


class OracleResolver:
    """Fields of the peer's dump of one capture."""

    def __init__(self, rows: Sequence[dict[str, Any]], make_field: Callable[..., Any]) -> None:
        self.rows = rows
        self.make = make_field
        declared = json.loads((SHARED / "reference" / "fields.json").read_text())["fields"]
        self.declared = {field["name"]: field for field in declared if field["in_newest"] == "core"}

    def resolve(self, name: str, argument: str | None) -> Any:
        text = name if argument is None else f"{name}[{argument}]"
        base = name if name in self.declared else name.rsplit(".", 1)[0]
        if base not in self.declared:
            raise UnknownFieldError(name)
        field = self.declared[base]
        type_ = ParamType[field["type"].removeprefix("PT_")]
        flags = frozenset(field["flags"])
        if name in ENDS:
            ends = [[value_of(type_, row, end) for end in ENDS[name]] for row in self.rows]
            values: list[Any] = [[end for end in pair if end is not None] for pair in ends]
            return self.make(text, type_, values, flags=flags, comparison="either_end")
        if name == "fd.snet":
            return self.make(text, type_, [value_of(type_, row, "fd.sip") for row in self.rows], flags=flags)
        if text == "proc.aname":
            values = [row[text].encode().split(b" ") if row.get(text) else [] for row in self.rows]
            return self.make(text, type_, values, flags=flags, comparison="any")
        if field["list"]:
            values = [row["_json"].get(text) if text in row else None for row in self.rows]
            return self.make(text, type_, values, flags=flags, is_list=True)
        base_ = 16 if field["print_format"] == "PF_HEX" else 10
        values = [value_of(type_, row, text, base_) for row in self.rows]
        return self.make(text, type_, values, flags=flags)

    def known_value(self, handle: Any, text: str) -> str | None:
        return f"unknown event type {text}" if handle.name == "evt.type" and text == "nosuchtype" else None


def expand(ranges: Sequence[Any]) -> set[int]:
    found: set[int] = set()
    for item in ranges:
        found.update(range(item[0], item[1] + 1) if isinstance(item, list) else [item])
    return found


@pytest.mark.parametrize("capture", CAPTURES)
def test_same_events_as_the_peer(capture: str, make_field: Callable[..., Any]) -> None:
    with gzip.open(ORACLE / "filters.json.gz") as stream:
        filters = json.load(stream)[capture]
    with gzip.open(ORACLE / f"{capture}.libsnew.jsonl.gz", "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    numbers = [row["_raw"] for row in rows]
    resolver = OracleResolver(rows, make_field)
    compared = refused = 0
    for text, answers in filters.items():
        if text in BETTER or any(name in text for name in LOSSY):
            continue
        if "libsnew_error" in answers:
            with pytest.raises(FilterError):
                compile_filter(text, resolver)
            refused += 1
        elif "libsnew" in answers:
            selected = compile_filter(text, resolver).select(rows)
            assert {numbers[row] for row in selected} == expand(answers["libsnew"]), text
            compared += 1
    assert compared > 140
    assert refused > 8
