"""The shared log files, whose events and fields come from the plugin this one stands in for."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.plugins.contract import Payloads

if TYPE_CHECKING:
    from pathlib import Path

    from scaptools.plugins.cloudtrail.records import Records
    from scaptools.plugins.contract import SourceEvent

PLUGIN = CloudTrailPlugin()
PLACES = ("bucket", "edge", "reject", "oversize")


@pytest.fixture(scope="module")
def logs(shared_data: Path) -> Path:
    return shared_data / "cloudtrail"


@pytest.fixture(scope="module")
def expected(logs: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((logs / "expected.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def opened(logs: Path) -> dict[str, tuple[list[SourceEvent], str]]:
    """The events of each place, and the message it ends with."""
    found = {}
    for place in PLACES:
        events: list[SourceEvent] = []
        message = ""
        try:
            for batch in PLUGIN.open(str(logs / place)):
                events.extend(batch)
        except PluginError as error:
            message = str(error)
        found[place] = events, message
    return found


def test_the_places_are_all_there_are(expected: dict[str, Any]) -> None:
    assert set(expected["opens"]) == set(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_events(place: str, expected: dict[str, Any], opened: dict[str, tuple[list[SourceEvent], str]]) -> None:
    wanted = [expected["events"][number] for number in expected["opens"][place]["events"]]
    events, message = opened[place]
    assert [(event.timestamp_ns, len(event.payload)) for event in events] == [(e["ts"], e["len"]) for e in wanted]
    digests = [hashlib.sha256(event.payload).hexdigest() for event in events]
    assert digests == [event["sha256"] for event in wanted]
    assert (expected["opens"][place]["error"] or "") in message
    assert bool(message) == bool(expected["opens"][place]["error"])


def test_what_must_not_come_out(expected: dict[str, Any], opened: dict[str, tuple[list[SourceEvent], str]]) -> None:
    payloads = b"\n".join(event.payload for events, _ in opened.values() for event in events)
    assert len(expected["never_emitted"]) == 32
    assert [entry["label"] for entry in expected["never_emitted"] if entry["eventID"].encode() in payloads] == []


def encoded(value: Any) -> Any:
    """An expected value as a column gives it; a long text as its length and digest."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return [encoded(item) for item in value]
    return (value["len"], value["sha256"]) if isinstance(value, dict) else value


def comparable(value: Any, wanted: Any) -> Any:
    if isinstance(wanted, tuple) and isinstance(value, bytes):
        return len(value), hashlib.sha256(value).hexdigest()
    return value


@pytest.fixture(scope="module")
def wanted(logs: Path, expected: dict[str, Any]) -> list[dict[str, Any]]:
    events = json.loads((logs / "fields.json").read_text("utf-8"))["events"]
    order = [number for place in PLACES for number in expected["opens"][place]["events"]]
    assert sorted(order) == sorted(events)
    return [{name: encoded(value) for name, value in events[number].items()} for number in order]


@pytest.fixture(scope="module")
def payloads(opened: dict[str, tuple[list[SourceEvent], str]]) -> Payloads:
    events = [event for place in PLACES for event in opened[place][0]]
    times = np.array([event.timestamp_ns for event in events], np.uint64)
    return Payloads(pa.array([event.payload for event in events], pa.binary()), times, np.arange(len(events)))


@pytest.fixture(scope="module")
def prepared(payloads: Payloads) -> Records:
    return PLUGIN.prepare(payloads)


@pytest.mark.parametrize(
    ("name", "argument"), [*((f.name, None) for f in PLUGIN.fields), ("ec2.imageids", "0"), ("ec2.imageids", "1")]
)
def test_field(name: str, argument: str | None, wanted: list[dict[str, Any]], prepared: Records) -> None:
    key = name if argument is None else f"{name}[{argument}]"
    expected = [event.get(key) for event in wanted]
    found = PLUGIN.extract(prepared, name, argument).to_arrow().to_pylist()
    assert [comparable(value, want) for value, want in zip(found, expected, strict=True)] == expected


def test_no_other_field_is_expected(wanted: list[dict[str, Any]]) -> None:
    names = {name.partition("[")[0] for event in wanted for name in event if not name.startswith("@")}
    assert names <= {field.name for field in PLUGIN.fields}


def test_event_text(wanted: list[dict[str, Any]], payloads: Payloads) -> None:
    expected = [event.get("@string", event.get("@string_error")) for event in wanted]
    found = PLUGIN.event_texts(payloads).array.to_pylist()
    assert [comparable(value, want) for value, want in zip(found, expected, strict=True)] == expected
