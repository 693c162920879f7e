"""Alerts as text and JSON, to the letter."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.capture.reader import open_reader
from scaptools.rules.alerts import AlertFormat, AlertWriter, summary
from scaptools.rules.engine import Matching, RuleEngine
from scaptools.rules.output import AppendedOutput
from scaptools.rules.priority import Priority
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.rules.ruleset import RuleSet

    Rules = Callable[..., RuleSet]

TS = 1_470_327_477_881_785_348


def text(output: str, *, name: str = "R", tags: str = "[]", priority: str = "WARNING") -> str:
    return (
        f"- rule: {name}\n  desc: d\n  source: aws_cloudtrail\n  condition: evt.num>0\n"
        f"  output: {json.dumps(output)}\n  tags: {tags}\n  priority: {priority}\n"
    )


def lines(loaded: RuleSet, *payloads: bytes, matching: Matching = Matching.FIRST, **options: bool) -> list[str]:
    builder = CaptureBuilder()
    for payload in payloads or (b'{"eventName":"Name","awsRegion":"r","sourceIPAddress":null}',):
        builder.plugin_event(payload, ts=TS)
    assert loaded.results[-1].errors == []
    engine = RuleEngine(loaded.active(), loaded.sources, matching=matching)
    writer = AlertWriter(engine, AlertFormat(**options), hostname="h")
    found: list[str] = []
    with open_reader(io.BytesIO(builder.to_bytes())) as reader:
        for batch in engine.prepared(reader.batches()):
            for portion in writer.portions(batch, engine.matches(batch)):
                found += [line.decode("utf-8", "surrogateescape") for line in portion.lines.to_pylist()]
    return found


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("nothing to show", "nothing to show"),
        ("(name=%ct.name)", "(name=Name)"),
        ("%ct.name", "Name"),
        ("*%ct.id", "<NA>"),
        ("%6ct.name|%2ct.name|", "Name  |Na|"),
        ("%ct.name.", "Name."),
        ("%toupper(ct.name) %len(ct.name)", "NAME 4"),
        ("%json.value[/awsRegion]-%json.value['/awsRegion']", "r-r"),
        ("%ct.id %container.info.", "<NA> ."),
        ('%concat(ct.name, ")", ct.region)(x)', "Name)r(x)"),
        ("%len(ct.name)[0]", "4[0]"),
        ("%getopt((ct.name), 'N')[N].", "<NA>."),
    ],
)
def test_text(rules: Rules, output: str, expected: str) -> None:
    assert lines(rules(text(output))) == [f"16:17:57.881785348: Warning {expected}"]


@pytest.mark.parametrize(
    "output", ["%toupper(x.y)", "%toupper(ct.name", "%toupper()", "%nothing", "%", "%5", "%proc.name"]
)
def test_outputs_that_are_wrong(rules: Rules, output: str) -> None:
    assert [error.code.name for error in rules(text(output)).results[-1].errors] == ["LOAD_ERR_COMPILE_OUTPUT"]


def test_iso_time(rules: Rules) -> None:
    assert lines(rules(text("o")), time_format_iso_8601=True) == ["2016-08-04T16:17:57.881785348+0000: Warning o"]


def test_local_time_has_the_offset_of_now(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "localtime", lambda: time.struct_time((0,) * 9, {"tm_gmtoff": -18_000}))
    assert lines(rules(text("o"))) == ["11:17:57.881785348: Warning o"]


@pytest.mark.usefixtures("utc")
def test_text_is_not_escaped(rules: Rules) -> None:
    payload = json.dumps({"eventName": 'a\n"b"é'}, ensure_ascii=False).encode()
    assert lines(rules(text("%ct.name")), payload) == ['16:17:57.881785348: Warning a\n"b"é']


@pytest.mark.usefixtures("utc")
def test_json(rules: Rules) -> None:
    loaded = rules(text("seen (name=%ct.name id=%ct.id)", tags="[b, a, aws]"))
    assert lines(loaded, json_output=True) == [
        (
            '{"hostname":"h","output":"16:17:57.881785348: Warning seen (name=Name id=<NA>)",'
            '"output_fields":{"ct.id":null,"ct.name":"Name","evt.time":1470327477881785348},'
            '"priority":"Warning","rule":"R","source":"aws_cloudtrail","tags":["a","aws","b"],'
            '"time":"2016-08-04T16:17:57.881785348Z"}'
        )
    ]


@pytest.mark.usefixtures("utc")
def test_json_switches(rules: Rules) -> None:
    loaded = rules(text("o %evt.num", priority="info"))
    off = {"json_include_output_property": False, "json_include_output_fields_property": False}
    assert lines(loaded, json_output=True, json_include_tags_property=False, **off) == [
        (
            '{"hostname":"h","priority":"Informational","rule":"R","source":"aws_cloudtrail",'
            '"time":"2016-08-04T16:17:57.881785348Z"}'
        )
    ]
    assert lines(loaded, json_output=True, json_include_message_property=True, time_format_iso_8601=True) == [
        (
            '{"hostname":"h","message":"o 1","output":"2016-08-04T16:17:57.881785348+0000: Informational o 1",'
            '"output_fields":{"evt.num":1,"evt.time.iso8601":1470327477881785348},"priority":"Informational","rule":"R",'
            '"source":"aws_cloudtrail","tags":[],"time":"2016-08-04T16:17:57.881785348Z"}'
        )
    ]


@pytest.mark.parametrize(
    ("output", "fields"),
    [
        ("%json.value[/awsRegion]", {"json.value[/awsRegion]": "r"}),
        ("%toupper(ct.name)", {"ct.name": "Name"}),
        ("%evt.num %evt.rawtime", {"evt.num": 1, "evt.rawtime": TS}),
        ("%evt.datetime", {"evt.datetime": TS}),
        ("%ct.name %ct.name", {"ct.name": "Name"}),
        ("nothing", {}),
    ],
)
def test_output_fields(rules: Rules, output: str, fields: dict[str, Any]) -> None:
    (line,) = lines(rules(text(output)), json_output=True)
    assert json.loads(line)["output_fields"] == fields | {"evt.time": TS}


def test_json_of_odd_text(rules: Rules) -> None:
    name = 'a\n"\\/\x02é'
    payload = json.dumps({"eventName": name}, ensure_ascii=False).encode()
    (line,) = lines(rules(text("%ct.name")), payload, json_output=True)
    assert json.loads(line)["output_fields"]["ct.name"] == name
    assert '"ct.name":"a\\n\\"\\\\/\\u0002é"' in line


def test_appended_output(rules: Rules) -> None:
    appended = (
        AppendedOutput(text="[x=%ct.name]"),
        AppendedOutput(tags=frozenset({"a", "b"}), text="tagged"),
        AppendedOutput(rule="S", text="other"),
        AppendedOutput(source="syscall", text="other"),
        AppendedOutput(fields=("ct.region", ("both", "%ct.region/%ct.name"), ("gone", "%ct.id"))),
    )
    loaded = rules(text("w", tags="[b, c, a]"), appended=appended)
    (line,) = lines(loaded, json_output=True, json_include_message_property=True)
    alert = json.loads(line)
    assert alert["message"] == "w [x=Name] tagged"
    assert alert["output_fields"] == {
        "both": "r/Name", "ct.name": "Name", "ct.region": "r", "evt.time": TS, "gone": "<NA>",
    }  # fmt: skip


def test_static_fields(rules: Rules) -> None:
    loaded = rules(
        text("w static=%static.foo"), appended=[AppendedOutput(suggested=True)], static_fields={"foo": "bar", "n": "5"}
    )
    (line,) = lines(loaded, json_output=True, json_include_message_property=True)
    alert = json.loads(line)
    assert alert["message"].startswith("w static=bar static_foo=bar static_n=5")
    assert alert["output_fields"]["static.foo"] == "bar"


def test_order_is_that_of_events_then_of_rules(rules: Rules) -> None:
    loaded = rules(text("1 %evt.num", name="R1") + text("2 %evt.num", name="R2"))
    found = lines(loaded, b"{}", b"{}", matching=Matching.ALL)
    assert [line.rpartition(": Warning ")[2] for line in found] == ["1 1", "2 1", "1 2", "2 2"]


def test_portions_are_the_whole(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = rules(text("1 %evt.num", name="R1") + text("2 %evt.num", name="R2"))
    whole = lines(loaded, *[b"{}"] * 5, matching=Matching.ALL)
    monkeypatch.setattr("scaptools.rules.alerts._PORTION_ALERTS", 3)
    assert lines(loaded, *[b"{}"] * 5, matching=Matching.ALL) == whole
    assert len(whole) == 10


def test_alerts_as_values(rules: Rules) -> None:
    loaded = rules(text("seen %ct.name", tags="[t]"))
    engine = RuleEngine(loaded.active(), loaded.sources)
    builder = CaptureBuilder().plugin_event(b'{"eventName":"Name"}', ts=TS)
    with open_reader(io.BytesIO(builder.to_bytes())) as reader:
        (batch,) = engine.prepared(reader.batches())
        (alert,) = AlertWriter(engine).alerts(batch, engine.matches(batch))
    assert (alert.rule, alert.priority, alert.source, alert.tags) == ("R", Priority.WARNING, "aws_cloudtrail", ("t",))
    assert (alert.time_ns, alert.number, alert.message) == (TS, 1, "seen Name")
    assert alert.fields == {"ct.name": "Name", "evt.time": TS}


def test_summary(rules: Rules) -> None:
    loaded = rules(
        text("o", name="R1", priority="info") + text("o", name="R2", priority="error") + text("o", name="R3")
    )
    assert summary(5, loaded.rules, {"R1": 3, "R2": 2}) == (
        "Events detected: 5\n"
        "Rule counts by severity:\n"
        "   ERROR: 2\n"
        "   INFO: 3\n"
        "Triggered rules by rule name:\n"
        "   R1: 3\n"
        "   R2: 2\n"
    )
