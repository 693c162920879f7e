"""Our own log files: that they are what `make.py` writes, and what is in them."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.plugins.contract import Payloads

FIXTURE = Path(__file__).parents[2] / "fixtures" / "cloudtrail"


def test_the_files_are_those_the_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("make_cloudtrail", FIXTURE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    zipped = {str(path.relative_to(FIXTURE)): path.read_bytes() for path in FIXTURE.rglob("*.json.gz")}
    assert {name: gzip.decompress(data) for name, data in zipped.items()} == make.log_files(make.records())
    # Flags and time of the gzip header: no name, no comment, time 0.
    assert {data[3:8] for data in zipped.values()} == {bytes(5)}


def test_reading_the_files() -> None:
    plugin = CloudTrailPlugin()
    events = [event for batch in plugin.open(str(FIXTURE)) for event in batch]
    payloads = Payloads(
        pa.array([event.payload for event in events], pa.binary()),
        np.array([event.timestamp_ns for event in events], np.uint64),
        np.arange(len(events)),
    )
    prepared = plugin.prepare(payloads)
    records = [json.loads(event.payload) for event in events]

    def column(name: str) -> list[str | None]:
        values = plugin.extract(prepared, name, None).to_arrow().to_pylist()
        return [None if value is None else value.decode() for value in values]

    for field, member in (("ct.id", "eventID"), ("ct.name", "eventName"), ("ct.error", "errorCode")):
        assert column(field) == [record.get(member) for record in records]
    assert len(set(column("ct.id"))) == len(events) == 41
    assert set(column("ct.region")) == {"us-east-1", "eu-west-1", "ap-southeast-2"}
    names = Counter(zip(column("ct.region"), column("ct.name"), strict=True))
    assert names["us-east-1", "ConsoleLogin"] == 6
    assert names["us-east-1", "StopLogging"] == 2
    assert column("ct.error").count("AccessDenied") == 2
    services = {"ecs-tasks.amazonaws.com", "cloudtrail.amazonaws.com"}
    assert set(column("ct.user")) == {"alice", "bob", "mallory", "deploy", "OrganizationAdmin", None} | services
