"""Buckets, read from a real server over HTTP."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail import CloudTrailPlugin, storage
from tests.plugins.cloudtrail.cloud import Cloud, Flaky, Handler

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: By position in the shared list of cases: objects and events where this plugin does better than 0.17.1.
BETTER = {
    2: (7, 100),  # the account's log files without digests and insights
    3: (7, 100),
    4: (4, 66),  # the interval applies at the bucket's root
    9: (2, 60),  # and to a region
    11: (7, 100),  # .../CloudTrail is not CloudTrail-Digest
    12: (9, 114),
    13: (2, 14),  # the account list applies at the bucket's root
    15: (3, 3),  # the interval applies above an organisation
    22: (0, 0),  # an account without logs
    30: (3, 3),  # the account list applies above an organisation
}
EVENT = b'{"eventID":"%d","eventTime":"2025-03-10T08:00:00Z","eventType":"AwsApiCall"}'


def log(*numbers: int) -> bytes:
    return b'{"Records":[' + b",".join(EVENT % number for number in numbers) + b"]}"


def numbers(params: str, **config: Any) -> list[int]:
    batches = CloudTrailPlugin(config).open(params)
    return [int(json.loads(event.payload)["eventID"]) for batch in batches for event in batch]


@pytest.fixture(scope="session")
def bucket(shared_data: Path, cloud: Cloud) -> Path:
    root = shared_data / "cloudtrail" / "bucket"
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert len(files) == 15
    cloud.bucket("example-logs", files)
    return root


def opened(case: dict[str, Any], where: dict[str, str], **config: Any) -> dict[str, Any]:
    """What a case gives, in the form of the expected results."""
    try:
        stream = CloudTrailPlugin(case["init"] | config).open(case["open"])
        progress = stream.progress()
        assert progress is not None
        events = [json.loads(event.payload)["eventID"] for batch in stream for event in batch]
    except PluginError as error:
        return {"error": str(error)}
    objects = int(progress[1].removesuffix(" files").rpartition("/")[2])
    files = sorted({where[number].removeprefix("bucket/") for number in events})
    return {"objects": objects, "event_count": len(events), "log_files": files}


@pytest.fixture(scope="session")
def cases(shared_data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((shared_data / "cloudtrail" / "s3-open-cases.json").read_text())["cases"]
    return found


@pytest.fixture(scope="session")
def where(shared_data: Path) -> dict[str, str]:
    """The file of each event."""
    events = json.loads((shared_data / "cloudtrail" / "expected.json").read_text("utf-8"))["events"]
    return {number: event["file"] for number, event in events.items()}


def check_error(found: dict[str, Any], wanted: str) -> None:
    # The reason behind the last quotes is in the words of another language's library.
    text = wanted.removeprefix("cloudtrail plugin error: ").removeprefix("cloudtrail ").partition(": parsing")[0]
    assert text in found["error"]


@pytest.mark.parametrize("number", range(32))
def test_every_open_as_the_official_plugin_does_it(
    number: int, aws: Cloud, bucket: Path, cases: list[dict[str, Any]], where: dict[str, str]
) -> None:
    case = cases[number]
    found = opened(case, where, officialQuirks=True)
    if "error" in case:
        check_error(found, case["error"])
    else:
        assert found == {name: case[name] for name in ("objects", "event_count", "log_files")}


@pytest.mark.parametrize("number", range(32))
def test_every_open_as_it_should_be(
    number: int, aws: Cloud, bucket: Path, cases: list[dict[str, Any]], where: dict[str, str]
) -> None:
    case = cases[number]
    found = opened(case, where)
    if "error" in case:
        check_error(found, case["error"])
    elif number in BETTER:
        assert (found["objects"], found["event_count"]) == BETTER[number] != (case["objects"], case["event_count"])
        assert set(found["log_files"]) <= set(case["log_files"])
    else:
        assert found == {name: case[name] for name in ("objects", "event_count", "log_files")}


def test_there_are_no_more_cases(cases: list[dict[str, Any]]) -> None:
    assert len(cases) == 32


@pytest.mark.parametrize("concurrency", [1, 3, 32])
def test_events_are_those_of_a_local_copy(aws: Cloud, bucket: Path, concurrency: int) -> None:
    local = [event for batch in CloudTrailPlugin().open(str(bucket)) for event in batch]
    config = {"s3DownloadConcurrency": concurrency}
    remote = [event for batch in CloudTrailPlugin(config).open("s3://example-logs") for event in batch]
    assert len(remote) == 118
    assert remote == local


def test_names_and_zipping(aws: Cloud, name: str) -> None:
    objects = {
        "a.json": log(1),
        "b.json.gz": gzip.compress(log(2)),
        "c.gz": gzip.compress(log(3)),
        "d.JSON": log(4),
        "e/.json": log(5),
        "f.json": gzip.compress(log(6)),
        "ü +%41&.json": log(7),
    }
    aws.bucket(name, objects)
    assert numbers(f"s3://{name}") == [1, 2, 5, 7]


MANY = 1100


@pytest.fixture(scope="module")
def many(cloud: Cloud) -> str:
    """A bucket of more objects than a page of a listing holds, in two regions."""
    root = "AWSLogs/123456789012/CloudTrail"
    objects = {
        f"{root}/{'eu-west-1' if number < 50 else 'us-east-1'}/2025/03/10/{number:04}.json": log(number)
        for number in range(MANY)
    }
    return cloud.fill("many-logs", objects)


SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


def throttled(handler: Handler) -> None:
    handler.answer(503, SLOW_DOWN)


def broken(handler: Handler) -> None:
    handler.answer(500, b"<Error><Code>InternalError</Code><Message>We failed.</Message></Error>")


def gateway(handler: Handler) -> None:
    handler.answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})


def reset(handler: Handler) -> None:
    handler.reset()


def cut_off(handler: Handler) -> None:
    """Begin an answer, and end the connection in the middle of it."""
    handler.answer(200, b'{"Records":[', length=500)
    handler.reset()


FAULTS = (throttled, broken, gateway, reset, cut_off)


def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.005)
    monkeypatch.setattr(storage, "_LONGEST_WAIT", 0.005)


def test_no_event_is_lost_or_doubled(many: str, flaky: Callable[..., Flaky], environment: pytest.MonkeyPatch) -> None:
    def fault(server: Flaky, handler: Handler, before: int) -> bool:
        listing = "list-type=2" in handler.path
        number = len(server.seen) if listing else int(handler.path.partition(".json")[0][-4:])
        # Every listing and every eighth object fails, most of them once, some twice.
        if before >= (2 if number % 5 == 0 else 1) or not (listing or number % 8 == 0):
            return False
        kind = FAULTS[(number // 8 + before) % len(FAULTS)]
        with server.lock:
            server.faults[kind.__name__] += 1
            server.faults["listing"] += listing
        kind(handler)
        return True

    server = flaky(fault)
    no_waits(environment)
    assert numbers(f"s3://{many}/AWSLogs/123456789012/") == list(range(MANY))
    assert set(server.faults) == {kind.__name__ for kind in FAULTS} | {"listing"}
    assert sum(server.faults.values()) > MANY // 8
    assert server.faults["listing"] >= 4


def test_an_object_that_cannot_be_read_ends_the_stream_behind_those_before(
    aws: Cloud, name: str, flaky: Callable[..., Flaky], environment: pytest.MonkeyPatch
) -> None:
    aws.bucket(name, {f"{number}.json": log(number) for number in range(6)})
    environment.setenv("AWS_MAX_ATTEMPTS", "2")
    no_waits(environment)

    def fault(_server: Flaky, handler: Handler, _before: int) -> bool:
        if not handler.path.startswith(f"/{name}/3.json"):
            return False
        cut_off(handler)
        return True

    server = flaky(fault)
    stream = CloudTrailPlugin().open(f"s3://{name}")
    batches = iter(stream)
    before = [event for _ in range(3) for event in next(batches)]
    assert [json.loads(event.payload)["eventID"] for event in before] == ["0", "1", "2"]
    with pytest.raises(PluginError, match=f"cannot read s3://{name}/3.json"):
        next(batches)
    assert stream.progress() == (0.5, "50.00% - 3/6 files")
    assert server.seen[f"GET /{name}/3.json"] == 2
    stream.close()


def test_an_object_gone_since_it_was_listed(aws: Cloud, name: str) -> None:
    aws.bucket(name, {"0.json": log(0), "1.json": log(1)})
    stream = CloudTrailPlugin().open(f"s3://{name}")
    aws.s3.delete_object(Bucket=name, Key="1.json")
    batches = iter(stream)
    assert len(next(batches)) == 1
    with pytest.raises(PluginError, match=rf"cannot read s3://{name}/1\.json: NoSuchKey: "):
        next(batches)


def test_an_object_that_is_too_large(aws: Cloud, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MAX_OBJECT", 99)
    aws.bucket(name, {"0.json": log(0), "1.json": b" " * 100})
    batches = iter(CloudTrailPlugin().open(f"s3://{name}"))
    assert len(next(batches)) == 1
    with pytest.raises(PluginError, match=rf"s3://{name}/1\.json has 100 bytes, more than 99"):
        next(batches)


@pytest.mark.parametrize("status", [403, 400])
def test_what_aws_says_is_passed_on(name: str, flaky: Callable[..., Flaky], status: int) -> None:
    def fault(_server: Flaky, handler: Handler, _before: int) -> bool:
        handler.answer(status, b"<Error><Code>AccessDenied</Code><Message>Access\nDenied.</Message></Error>")
        return True

    flaky(fault)
    with pytest.raises(PluginError, match=f"cannot list s3://{name}/x: AccessDenied: Access Denied; the credentials"):
        CloudTrailPlugin().open(f"s3://{name}/x")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("s3://", "s3:// names no bucket"),
        ("s3:///x", "s3:///x names no bucket"),
        ("s3://no such bucket", "Invalid bucket name"),
        ("s3://no-such-bucket", "cannot list s3://no-such-bucket/: NoSuchBucket: .*; check the bucket's name"),
    ],
)
def test_buckets_that_cannot_be(aws: Cloud, params: str, message: str) -> None:
    with pytest.raises(PluginError, match=message) as raised:
        CloudTrailPlugin().open(params)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("concurrency", [0, -1])
def test_concurrency_of_nothing(aws: Cloud, concurrency: int) -> None:
    with pytest.raises(PluginError, match=f'invalid S3DownloadConcurrency: "{concurrency}"'):
        CloudTrailPlugin({"s3DownloadConcurrency": concurrency}).open("s3://example-logs")


def test_reading_ends_when_the_stream_is_closed(aws: Cloud, name: str) -> None:
    aws.bucket(name, {f"{number}.json": log(*range(130)) for number in range(4)})
    stream = CloudTrailPlugin({"s3DownloadConcurrency": 1}).open(f"s3://{name}")
    batches = iter(stream)
    assert len(next(batches)) == 130
    stream.close()
    assert list(batches) == []


def test_an_interrupt_is_not_kept_waiting(aws: Cloud, name: str, flaky: Callable[..., Flaky]) -> None:
    """Although all threads wait for a server that does not answer."""
    aws.bucket(name, {f"{number}.json": log(number) for number in range(8)})
    asked, done = threading.Event(), threading.Event()

    def fault(_server: Flaky, handler: Handler, _before: int) -> bool:
        if "list-type=2" in handler.path:
            return False
        asked.set()
        done.wait(30)
        return False

    flaky(fault)
    # A shell's background job starts with interrupts ignored.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from scaptools.plugins.cloudtrail import CloudTrailPlugin\nlist(CloudTrailPlugin().open('s3://{name}'))"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        assert asked.wait(20)
        started = time.monotonic()
        reader.send_signal(signal.SIGINT)
        _, said = reader.communicate(timeout=20)
    finally:
        done.set()
        reader.kill()
    assert time.monotonic() - started < 30
    assert said.strip().endswith(b"KeyboardInterrupt")
