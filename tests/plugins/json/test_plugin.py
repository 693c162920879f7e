from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.types import ParamType
from scaptools.errors import PluginError
from scaptools.plugins.contract import ArgumentRule, Payloads
from scaptools.plugins.json import JsonPlugin
from tests.plugins.jsontext.lenient import documents

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = JsonPlugin()
TIME = 1622505600000000000


def extract(name: str, argument: str | None, *records: bytes) -> list[bytes | None]:
    times = np.arange(TIME, TIME + len(records), dtype=np.uint64)
    prepared = PLUGIN.prepare(Payloads(pa.array(records, pa.binary()), times, np.arange(len(records))))
    found: list[bytes | None] = PLUGIN.extract(prepared, name, argument).to_arrow().to_pylist()
    return found


def test_declarations() -> None:
    assert [(field.name, field.argument) for field in PLUGIN.fields] == [
        ("json.value", ArgumentRule.REQUIRED_KEY),
        ("json.obj", ArgumentRule.NONE),
        ("json.rawtime", ArgumentRule.NONE),
        ("jevt.value", ArgumentRule.REQUIRED_KEY),
        ("jevt.obj", ArgumentRule.NONE),
        ("jevt.rawtime", ArgumentRule.NONE),
    ]
    assert {(field.type, field.is_list) for field in PLUGIN.fields} == {(ParamType.CHARBUF, False)}
    assert (PLUGIN.info.id, PLUGIN.info.source, PLUGIN.extract_sources) == (0, "", ())


def test_the_shared_cases(shared_data: Path) -> None:
    cases = json.loads((shared_data / "json" / "pointer-cases.json").read_text("utf-8"))["documents"]
    found, expected = [], []
    for document in cases:
        for case in document["cases"]:
            what = (document["title"], case["field"], case.get("arg"))
            value = case.get("value")
            expected.append((what, None if value is None else value.encode()))
            found.append((what, extract(case["field"], case.get("arg"), document["payload"].encode())[0]))
    assert len(found) == 118
    assert found == expected


@pytest.mark.parametrize("prefix", ["json", "jevt"])
def test_values_of_many_events(prefix: str) -> None:
    records = [b'{"a":{"b":"x"}}', b'{"a":{"b":[1, 2.50]}}', b'{"a":null}', b"[]", b"{", b'{"a":{"b":""}}']
    assert extract(f"{prefix}.value", "/a/b", *records) == [b"x", b"[1,2.50]", None, None, None, b""]
    assert extract(f"{prefix}.value", "", *records) == [
        b'{"a":{"b":"x"}}', b'{"a":{"b":[1,2.50]}}', b'{"a":null}', b"[]", None, b'{"a":{"b":""}}',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "readable"),
    [(b"{}", True), (b"[1]\n", True), (b" {}", False), (b"1", False), (b'"x"', False), (b"", False), (b"{}\0", False),
     (b"\xef\xbb\xbf{}", False), (b"{}x", False), (b"{\0}", False), (b'["\0"]', True)],
)  # fmt: skip
def test_what_is_read_at_all(payload: bytes, readable: bool) -> None:
    assert extract("json.rawtime", None, payload, b"{}") == [
        str(TIME).encode() if readable else None,
        b"%d" % (TIME + 1),
    ]


def test_times_beyond_63_bits() -> None:
    times = np.array([2**64 - 1, 0], np.uint64)
    prepared = PLUGIN.prepare(Payloads(pa.array([b"{}", b"{}"], pa.binary()), times, np.arange(2)))
    assert PLUGIN.extract(prepared, "json.rawtime", None).to_arrow().to_pylist() == [b"18446744073709551615", b"0"]


def test_documents() -> None:
    assert extract("json.obj", None, b'{"a":[1,{}]} ', b"[NaN]", b"{", b"[]") == [
        b'{\n  "a": [\n    1,\n    {}\n  ]\n} ', None, None, b"[]",
    ]  # fmt: skip


def test_text_ends_at_the_first_nul() -> None:
    assert extract("json.value", "/a", b'{"a":"x\\u0000y"}', b'{"a":"x\0y"}', b'{"a":["x\0y"]}') == [b"x", b"x", b'["x']


@settings(deadline=None)
@given(st.lists(documents | st.binary(max_size=30), min_size=1, max_size=4), st.text(max_size=8))
def test_any_bytes_are_only_data(records: list[bytes], pointer: str) -> None:
    pointer = pointer.encode("utf-8", "ignore").decode()
    for field in PLUGIN.fields:
        argument = pointer if field.argument.required else None
        assert len(extract(field.name, argument, *records)) == len(records)


def test_a_pointer_of_any_length() -> None:
    assert extract("json.value", "/a" * 50_000, b"{}") == [None]


@pytest.mark.parametrize(
    ("name", "argument"), [("json.value", None), ("json.obj", "x"), ("json.rawtime", ""), ("json.x", None)]
)
def test_what_was_never_declared(name: str, argument: str | None) -> None:
    with pytest.raises(PluginError):
        extract(name, argument, b"{}")


@pytest.mark.parametrize("config", [None, {}, {"useAsync": False}, {"useAsync": None}, {"USEASYNC": 1}, {"other": 1}])
def test_config(config: dict[str, Any] | None) -> None:
    assert JsonPlugin(config).config == (config or {})


def test_config_of_a_wrong_type() -> None:
    with pytest.raises(PluginError, match="useAsync must be of type boolean"):
        JsonPlugin({"useAsync": "no"})
