"""Searching payloads before they are parsed: whatever a value contains, the search would have found the payload."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.capture.reader import open_reader
from scaptools.errors import FilterError
from scaptools.fields.catalog import Catalog
from scaptools.filter import compile_filter
from scaptools.filter.check import Checker
from scaptools.filter.parse import parse
from scaptools.filter.plan import Frame
from scaptools.filter.presearch import Searched, searched
from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.plugins.contract import ArgumentRule, ExtractorPlugin, Payloads
from scaptools.plugins.json import JsonPlugin
from scaptools.plugins.jsontext import unescape
from scaptools.plugins.jsontext.marks import in_string, in_value
from scaptools.plugins.k8saudit import KubernetesAuditPlugin
from scaptools.testing import CaptureBuilder
from tests.plugins.jsontext.lenient import blanks, documents, nested, raw_texts, strings

CATALOG = Catalog()
TOP = ("eventName", "eventSource", "errorCode", "resources", "responseElements", "recipientAccountId", "verb")
PLUGINS = (CloudTrailPlugin(), JsonPlugin(), KubernetesAuditPlugin())
IDENTITY = ("userName", "invokedBy", "arn", "principalId", "accountId")
REQUEST = ("userName", "bucketName", "imageId", "key")
KINDS = ("Root", "AWSService", "AssumedRole", "AWSAccount", "IAMUser")


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A record of either kind, whose values are anything."""

    def member(name: str, value: bytes) -> bytes:
        return b'"%b"%b:%b%b' % (name.encode(), draw(blanks), draw(blanks), value)

    def values(names: tuple[str, ...]) -> list[bytes]:
        return [member(name, draw(strings | nested)) for name in names if draw(st.booleans())]

    kind = member("type", b'"%b"' % draw(st.sampled_from(KINDS)).encode())
    inner = [
        member("userIdentity", b"{" + b",".join([kind, *values(IDENTITY)]) + b"}"),
        member("requestParameters", b"{" + b",".join(values(REQUEST)) + b"}"),
        member("auditID", b'"1"'),
    ]
    return b"{" + b",".join([*values(TOP), *inner]) + b"}"


@given(st.lists(records() | documents, min_size=1, max_size=4), st.data())
@settings(max_examples=80, deadline=None)
@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda one: one.info.name)
def test_what_a_value_contains_the_payload_shows(
    plugin: ExtractorPlugin, payloads: list[bytes], data: st.DataObject
) -> None:
    numbers = np.arange(len(payloads), dtype=np.uint64)
    prepared = plugin.prepare(Payloads(pa.array(payloads, pa.binary()), numbers, numbers))
    for field in plugin.fields:
        if field.marks is None or field.is_list:
            continue
        arguments = [None]
        if field.argument is ArgumentRule.REQUIRED_KEY:
            arguments = ["", "/a", "/requestParameters", "/userIdentity/arn", "/0", "/eventName"]
        for argument in arguments:
            values = plugin.extract(prepared, field.name, argument).to_arrow().to_pylist()
            for payload, value in zip(payloads, values, strict=True):
                if not value:
                    continue
                start = data.draw(st.integers(0, len(value) - 1))
                part = value[start : data.draw(st.integers(start + 1, len(value)))]
                for text in (value, part):
                    marks = field.marks(text)
                    assert marks is None or any(mark in payload for mark in marks), (field.name, text, payload)


@given(raw_texts)
def test_every_part_of_a_string_is_shown(raw: bytes) -> None:
    text = unescape(raw)
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            marks = in_string(text[start:end])
            assert marks is not None
            assert any(mark in raw for mark in marks)


def test_escapes_hide_only_what_they_stand_for() -> None:
    assert in_string(b"ConsoleLogin") == {b"ConsoleLogin", b"\\u"}
    assert in_string(b"a/b") == {b"a/b", b"\\"}
    assert in_value(b"a/b") == {b"a/b", b"\\"}
    assert in_value(b"a:b") is None
    assert in_string(b"") is None


FILLER = b'{"eventName":"zzz","requestParameters":{"key":"zzz"}}'
TEXTS = st.sampled_from(["a", "b", "k", "T", "aT", "a/b", "word", "zz", "long enough", "é", "1", "true", "{}", ""])
FIELDS = st.sampled_from(
    ["ct.name", "ct.user", "ct.request", "json.value[/eventName]", "json.value[/requestParameters]", "ct.shortsrc"]
)
OPERATORS = st.sampled_from(["=", "contains", "startswith", "endswith", "!=", "glob"])
CHECKS = st.one_of(
    st.tuples(FIELDS, OPERATORS, TEXTS).map(lambda check: f'{check[0]} {check[1]} "{check[2]}"'),
    st.tuples(FIELDS, st.lists(TEXTS, min_size=1, max_size=3)).map(
        lambda check: f"{check[0]} in ({', '.join(f'{chr(34)}{text}{chr(34)}' for text in check[1])})"
    ),
    st.tuples(FIELDS, st.sampled_from(["oneof", "anyof", "allof"]), st.lists(TEXTS, min_size=1, max_size=3)).map(
        lambda check: f"{check[0]} contains {check[1]} ({', '.join(f'{chr(34)}{text}{chr(34)}' for text in check[2])})"
    ),
    FIELDS.map(lambda name: f"{name} exists"),
    st.just("evt.num < 8"),
)
CONDITIONS = st.recursive(
    CHECKS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(" and ".join).map("({})".format),
        st.lists(inner, min_size=2, max_size=3).map(" or ".join).map("({})".format),
        inner.map("not ({})".format),
    ),
    max_leaves=5,
)


@given(st.lists(records() | documents, min_size=1, max_size=5), CONDITIONS)
@settings(max_examples=150, deadline=None)
def test_filters_answer_the_same_with_a_search_and_without(payloads: list[bytes], condition: str) -> None:
    builder = CaptureBuilder()
    for payload in [*payloads, *[FILLER] * 40]:  # few enough for a search to pay
        builder.plugin_event(payload)
    compiled = compile_filter(condition, CATALOG)
    plain = Checker(condition, CATALOG).term(parse(condition))

    def batches() -> list[list[int]]:
        with open_reader(io.BytesIO(builder.to_bytes())) as reader:
            return [compiled.select(batch).tolist() for batch in reader.batches()]

    with open_reader(io.BytesIO(builder.to_bytes())) as reader:
        expected = [
            np.flatnonzero(plain.mask(Frame(batch, slice(None), frozenset()), None)).tolist()
            for batch in reader.batches()
        ]
    assert batches() == expected


def _search(condition: str) -> Searched | None:
    return searched([Checker(condition, CATALOG).term(parse(condition))])


@pytest.mark.parametrize(
    ("condition", "marks"),
    [
        ("ct.name = ConsoleLogin", {b"ConsoleLogin", b"\\u"}),
        ("ct.name in (a, b)", {b"a", b"b", b"\\u"}),
        ("ct.name contains allof (a, b)", {b"a", b"\\u"}),
        ("ct.name = a and ct.user = b", {b"a", b"\\u"}),
        ("ct.name in (a, b) and ct.user = c", {b"c", b"\\u"}),
        ("evt.num > 1 and ct.name = a", {b"a", b"\\u"}),
        ("ct.name = a or json.value[/x] startswith b/", {b"a", b"b/", b"\\", b"\\u"}),
        ("ct.name glob a*", {b"a", b"\\u"}),
        ("ct.name = a or evt.num > 1", None),
        ("not ct.name = a", None),
        ("ct.name != a", None),
        ("ct.name exists", None),
        ("ct.name icontains a", None),
        ("ct.name = ''", None),
        ("ct.info contains a", None),
        ("s3.bytes = 1", None),
        ("ec2.imageids in (a)", None),
        ("json.value[/x] = '{}'", None),
        ("tolower(ct.name) = a", None),
    ],
)
def test_what_is_searched_for(condition: str, marks: set[bytes] | None) -> None:
    found = _search(condition)
    assert (None if found is None else set().union(*found.wanted.values())) == marks


def test_too_much_is_not_searched_for() -> None:
    many = ", ".join(f"name{number}" for number in range(300))
    assert _search(f"ct.name in ({many})") is None


def test_the_search_stands_behind_what_is_cheaper() -> None:
    plan = compile_filter("ct.name = a and evt.num > 1", CATALOG).explain().splitlines()
    assert [line.split("  [")[0].strip() for line in plan] == [
        "all of",
        "evt.num > 1",
        "raw data has one of \\u, a",
        "ct.name = a",
    ]


def test_nothing_is_parsed_that_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[int] = []

    def counted(payloads: Payloads) -> Any:
        prepared.append(len(payloads))
        return real(payloads)

    plugin = next(one for one in CATALOG.plugins.extractors() if one.info.name == "cloudtrail")
    real = plugin.prepare
    monkeypatch.setattr(plugin, "prepare", counted)
    builder = CaptureBuilder()
    for number in range(100):
        builder.plugin_event(b'{"eventName":"wanted"}' if number in {7, 50} else FILLER)
    with open_reader(io.BytesIO(builder.to_bytes())) as reader:
        (batch,) = reader.batches()
        compiled = compile_filter("ct.name = wanted and not ct.user exists and ct.name contains ant", CATALOG)
        assert compiled.select(batch).tolist() == [7, 50]
    assert prepared == [2]


def test_errors_are_what_they_were() -> None:
    with pytest.raises(FilterError):
        compile_filter("ct.name < 3 and ct.nam = a", CATALOG)
