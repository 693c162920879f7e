"""The main job over the shared CloudTrail logs: what is recorded is what the official plugin records."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scaptools import open_capture

SCAP = Path(sys.executable).with_name("scap")


@pytest.fixture(scope="module")
def cloudtrail(shared_data: Path) -> Path:
    return shared_data / "cloudtrail"


@pytest.fixture(scope="module")
def trail(cloudtrail: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("main") / "t.scap"
    subprocess.run([SCAP, "record", "cloudtrail", cloudtrail / "bucket", "-w", path], check=True)
    return path


def test_every_event_in_order_to_the_byte(cloudtrail: Path, trail: Path) -> None:
    expected = json.loads((cloudtrail / "expected.json").read_text())
    wanted = expected["opens"]["bucket"]["events"]
    found = []
    with open_capture(trail) as capture:
        for batch in capture.batches():
            table = batch.parameters(322)
            payloads = table.column(1).bytes().array.to_pylist()
            found += zip(batch.header("ts").tolist(), payloads, strict=True)
    assert [json.loads(payload)["eventID"] for _, payload in found] == wanted
    for (ts, payload), event_id in zip(found, wanted, strict=True):
        event = expected["events"][event_id]
        assert (ts, len(payload), hashlib.sha256(payload).hexdigest()) == (event["ts"], event["len"], event["sha256"])


def test_every_field_has_the_official_value(cloudtrail: Path, trail: Path) -> None:
    from scaptools.plugins.cloudtrail import CloudTrailPlugin

    expected = json.loads((cloudtrail / "fields.json").read_text())["events"]
    names = [field.name for field in CloudTrailPlugin.fields]
    done = subprocess.run(
        [SCAP, "dump", "--json", "--fields", ",".join(names), trail], capture_output=True, text=True, check=True
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 118
    for record in records:
        official = expected[record["ct.id"]]
        for name in names:
            assert same(record[name], official.get(name)), (record["ct.id"], name)


def same(ours: Any, official: Any) -> bool:
    if isinstance(official, dict):  # a text too long to repeat
        data = ours.encode()
        return bool(len(data) == official["len"] and hashlib.sha256(data).hexdigest() == official["sha256"])
    return bool(ours == official)


@pytest.mark.interop
def test_sysdig_reads_the_recording(trail: Path, sysdig: str) -> None:
    done = subprocess.run(
        [sysdig, "-r", trail, "-p", "*%evt.rawtime %evt.type"], capture_output=True, text=True, check=True
    )
    with open_capture(trail) as capture:
        ours = [f"{event.timestamp_ns} {event.type}" for event in capture.events()]
    assert done.stdout.splitlines() == ours


@pytest.mark.interop
def test_tshark_counts_the_same_events(trail: Path, tshark: str) -> None:
    done = subprocess.run([tshark, "-r", trail], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 118


@pytest.mark.parametrize("name", ["curl_google.scap", "run_as_user_0_container.scap"])
def test_a_mixed_capture_filters_over_both_sources(name: str, shared_data: Path, trail: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.scap"
    host = shared_data / "captures" / name
    subprocess.run([SCAP, "merge", host, trail, "-w", mixed], check=True)
    with open_capture(host) as capture:
        opens = sum(1 for _ in capture.filter("evt.type=open"))
    with open_capture(trail) as capture:
        logins = sum(1 for _ in capture.filter("ct.name=ConsoleLogin"))
    with open_capture(mixed) as capture:
        events = list(capture.filter("evt.type=open or ct.name=ConsoleLogin"))
        assert len(events) == opens + logins
        assert capture.info().events == sum(capture.info().sources.values())
        times = [event.timestamp_ns for event in capture.filter("evt.type=pluginevent")]
    assert opens > 0
    assert logins > 0
    assert len(times) == 118
