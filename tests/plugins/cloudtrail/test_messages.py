"""Queues, received from a real server over HTTP."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail import CloudTrailPlugin, messages
from tests.plugins.cloudtrail.cloud import Cloud, Flaky, Handler, notice
from tests.plugins.cloudtrail.test_bucket import broken, gateway, log, no_waits, reset, throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scaptools.plugins.contract import StreamBatch


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting at a queue is not what these tests are about."""
    monkeypatch.setattr(messages, "_WAIT_SECONDS", 1)


def taken(batches: Iterator[StreamBatch], count: int) -> list[int]:
    """The next events until there are so many."""
    found: list[int] = []
    while len(found) < count:
        found.extend(int(json.loads(event.payload)["eventID"]) for event in next(batches))
    return found


def test_objects_of_a_message_in_order(aws: Cloud, name: str) -> None:
    aws.bucket(name, {"b.json": log(1, 2), "a.json.gz": gzip.compress(log(3)), "plain": log(4)})
    url = aws.queue(name, notice(name, "b.json", "a.json.gz", "plain"))
    stream = CloudTrailPlugin().open(f"sqs://{name}")
    assert stream.progress() == (0.0, "0.00% - 0/0 files")
    assert taken(iter(stream), 4) == [1, 2, 3, 4]
    assert stream.progress() == (1.0, "100.00% - 3/3 files")
    assert aws.messages(url) == (0, 0)
    stream.close()


def test_there_is_no_end(aws: Cloud, name: str) -> None:
    aws.bucket(name, {f"{number}.json": log(number) for number in range(3)})
    url = aws.queue(name)
    batches = iter(CloudTrailPlugin().open(f"sqs://{name}"))
    assert [list(next(batches)), list(next(batches))] == [[], []]
    for number in range(3):
        aws.sqs.send_message(QueueUrl=url, MessageBody=notice(name, f"{number}.json"))
        assert taken(batches, 1) == [number]


def test_events_are_handed_out_before_the_queue_is_waited_at(
    aws: Cloud, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_WAIT_SECONDS", 20)
    aws.bucket(name, {"0.json": log(0)})
    aws.queue(name, notice(name, "0.json"))
    started = time.monotonic()
    assert len(next(iter(CloudTrailPlugin().open(f"sqs://{name}")))) == 1
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("config", "waits"),
    [({}, [0, 20]), ({"officialQuirks": True}, [0, None])],
)
def test_what_is_asked_of_the_queue(
    aws: Cloud, name: str, flaky: Callable[..., Flaky], monkeypatch: pytest.MonkeyPatch, config: Any, waits: Any
) -> None:
    monkeypatch.setattr(messages, "_WAIT_SECONDS", 20)

    def fault(_server: Flaky, handler: Handler, _before: int) -> bool:
        if not handler.headers.get("X-Amz-Target", "").endswith("ReceiveMessage"):
            return False
        handler.answer(200, b"{}", {"Content-Type": "application/x-amz-json-1.0"})
        return True

    aws.queue(name)
    server = flaky(fault)
    batches = iter(CloudTrailPlugin(config | {"sqsOwnerAccount": "210987654321"}).open(f"sqs://{name}"))
    assert [list(next(batches)), list(next(batches))] == [[], []]
    asked = [(what, json.loads(body)) for what, body in server.requests]
    assert asked[0] == ("GetQueueUrl", {"QueueName": name, "QueueOwnerAWSAccountId": "210987654321"})
    received = [body for what, body in asked if what == "ReceiveMessage"]
    assert [body.get("WaitTimeSeconds") for body in received] == waits
    assert {(body["MaxNumberOfMessages"], *body["MessageAttributeNames"]) for body in received} == {(1, "All")}
    assert not any("VisibilityTimeout" in body for body in received)


def test_without_deletion_events_come_again(aws: Cloud, name: str) -> None:
    aws.bucket(name, {"0.json": log(0)})
    url = aws.queue(name, notice(name, "0.json"), VisibilityTimeout="1")
    batches = iter(CloudTrailPlugin({"sqsDelete": False}).open(f"sqs://{name}"))
    assert taken(batches, 1) == [0]
    assert aws.messages(url) == (0, 1)
    assert taken(batches, 1) == [0]


def test_a_message_is_deleted_before_it_is_looked_at(aws: Cloud, name: str) -> None:
    url = aws.queue(name, "not JSON")
    stream = CloudTrailPlugin().open(f"sqs://{name}")
    assert aws.messages(url) == (0, 1)
    with pytest.raises(PluginError, match=r"an SQS message body is not JSON: 'not JSON'; sqsSkipBad passes over"):
        next(iter(stream))
    assert aws.messages(url) == (0, 0)


def test_a_stream_nobody_reads_deletes_nothing(aws: Cloud, name: str) -> None:
    url = aws.queue(name, notice(name, "0.json"))
    stream = CloudTrailPlugin().open(f"sqs://{name}")
    batches = iter(stream)
    stream.close()
    assert list(batches) == []
    assert aws.messages(url) == (0, 1)


def test_a_deletion_that_fails_ends_the_stream(aws: Cloud, name: str, flaky: Callable[..., Flaky]) -> None:
    def fault(_server: Flaky, handler: Handler, _before: int) -> bool:
        if not handler.headers.get("X-Amz-Target", "").endswith("DeleteMessage"):
            return False
        handler.answer(400, b'{"__type":"AccessDeniedException","message":"no"}', {"Content-Type": "application/json"})
        return True

    aws.bucket(name, {"0.json": log(0)})
    aws.queue(name, notice(name, "0.json"))
    flaky(fault)
    message = f"cannot delete a message from queue {name}: AccessDeniedException: no; the credentials"
    with pytest.raises(PluginError, match=message):
        next(iter(CloudTrailPlugin().open(f"sqs://{name}")))


BAD = (
    "hello",
    '{"Type":"SubscriptionConfirmation"}',
    '{"Type":"Notification","Message":"CloudTrail validation message."}',
)


def test_bad_messages_are_passed_over_if_wished(aws: Cloud, name: str) -> None:
    aws.bucket(name, {"0.json": log(0), "2.json": log(2)})
    url = aws.queue(name, *BAD, notice(name, "0.json", "gone.json", "2.json"), notice(name, "2.json"))
    stream = CloudTrailPlugin({"sqsSkipBad": True}).open(f"sqs://{name}")
    assert sorted(taken(iter(stream), 3)) == [0, 2, 2]
    progress = stream.progress()
    assert progress == (1.0, "100.00% - 4/4 files, 4 skipped")
    assert aws.messages(url) == (0, 0)


def test_an_object_that_is_gone_ends_the_stream_behind_those_before(aws: Cloud, name: str) -> None:
    aws.bucket(name, {"0.json": log(0), "2.json": log(2)})
    aws.queue(name, notice(name, "0.json", "gone.json", "2.json"))
    batches = iter(CloudTrailPlugin().open(f"sqs://{name}"))
    assert taken(batches, 1) == [0]
    with pytest.raises(PluginError, match=rf"cannot read s3://{name}/gone\.json: NoSuchKey: "):
        next(batches)


def unanswered(handler: Handler) -> None:
    """Do what is asked, and end the connection without an answer."""
    handler.forward()
    handler.reset()


def test_no_event_is_lost_or_doubled(
    aws: Cloud, name: str, flaky: Callable[..., Flaky], environment: pytest.MonkeyPatch
) -> None:
    count = 24
    aws.bucket(name, {f"{number}.json": log(number) for number in range(count)})
    bodies = (notice(name, f"{number}.json", f"{number + 1}.json") for number in range(0, count, 2))
    # A message that was handed out in an answer that got lost comes back.
    url = aws.queue(name, *bodies, VisibilityTimeout="1")
    kinds = (throttled, broken, gateway, reset, unanswered)

    def fault(server: Flaky, handler: Handler, _before: int) -> bool:
        # Every other request fails.
        with server.lock:
            number = server.faults["requests"]
            server.faults["requests"] += 1
        if number % 2 == 0:
            return False
        kinds[number // 2 % len(kinds)](handler)
        return True

    server = flaky(fault)
    no_waits(environment)
    # One at a time, so that the attempts at a request follow each other.
    batches = iter(CloudTrailPlugin({"s3DownloadConcurrency": 1}).open(f"sqs://{name}"))
    assert sorted(taken(batches, count)) == list(range(count))
    assert server.faults["requests"] > 2 * count
    assert aws.messages(url) == (0, 0)


def test_from_a_topic(aws: Cloud, name: str) -> None:
    """The envelope is the one SNS makes."""
    aws.bucket(name, {"0.json": log(0)})
    topic, queue = queue_behind_a_topic(aws, name)
    aws.sns.publish(TopicArn=topic, Message=json.dumps({"s3Bucket": name, "s3ObjectKey": ["0.json"]}))
    assert taken(iter(CloudTrailPlugin().open(f"sqs://{name}")), 1) == [0]
    assert aws.messages(queue) == (0, 0)


def queue_behind_a_topic(aws: Cloud, name: str) -> tuple[str, str]:
    topic = aws.sns.create_topic(Name=name)["TopicArn"]
    url = aws.queue(name)
    arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, url


def test_from_a_bucket_that_tells_a_topic(aws: Cloud, name: str) -> None:
    """S3's own events, the test event and encoded names included."""
    aws.bucket(name, {})
    topic, _ = queue_behind_a_topic(aws, name)
    aws.s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]},
    )
    aws.s3.put_object(Bucket=name, Key="a b/ü+.json", Body=log(7))
    assert taken(iter(CloudTrailPlugin({"useS3SNS": True}).open(f"sqs://{name}")), 1) == [7]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("sqs://", "sqs:// names no queue"),
        (
            "sqs://nowhere",
            "cannot open queue nowhere: (AWS.SimpleQueueService.Non|QueueDoesNot)Exist.*: .*name",
        ),
        ("sqs://nowhere?region=x", r"cannot open queue nowhere\?region=x: "),
    ],
)
def test_queues_that_cannot_be(aws: Cloud, params: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        CloudTrailPlugin().open(params)


def test_concurrency_of_nothing(aws: Cloud, name: str) -> None:
    aws.queue(name)
    with pytest.raises(PluginError, match='invalid S3DownloadConcurrency: "0"'):
        CloudTrailPlugin({"s3DownloadConcurrency": 0}).open(f"sqs://{name}")


def test_a_recording_ends_while_the_queue_is_waited_at(aws: Cloud, name: str, tmp_path: Path) -> None:
    aws.bucket(name, {"0.json": log(0)})
    aws.queue(name, notice(name, "0.json"))
    target = tmp_path / "out.scap"
    code = "from scaptools.cli.main import main\nmain()"
    arguments = ["record", "cloudtrail", f"sqs://{name}", "-w", str(target)]
    recorder = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        started = time.monotonic()
        while (not target.exists() or b'"eventID":"0"' not in target.read_bytes()) and time.monotonic() - started < 20:
            time.sleep(0.05)
        started = time.monotonic()
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=15)
    finally:
        recorder.kill()
    assert b'"eventID":"0"' in target.read_bytes()
    assert time.monotonic() - started < 30


def test_the_shared_messages(aws: Cloud, shared_data: Path, name: str) -> None:
    """Each body sent, received and acted upon as 0.17.1 does."""
    folder = shared_data / "cloudtrail" / "sqs"
    root = shared_data / "cloudtrail" / "bucket"
    cases = json.loads((folder / "expected.json").read_text("utf-8"))["cases"]
    keys = {key for case in cases.values() for _, key in case.get("files", []) if (root / key).is_file()}
    aws.s3.create_bucket(Bucket=name)
    for key in keys:
        aws.s3.put_object(Bucket=name, Key=key, Body=(root / key).read_bytes())
    said = {}
    for number, (title, case) in enumerate(cases.items()):
        url = aws.queue(f"{name}-{number}", (folder / title).read_text("utf-8").replace("example-logs", name))
        config = {"useS3SNS": case["useS3SNS"], "officialQuirks": True}
        found: list[bytes] = []
        said[title] = ""
        try:
            for batch in CloudTrailPlugin(config).open(f"sqs://{name}-{number}"):
                found += [event.payload for event in batch]
                if not batch:
                    break  # what follows is the wait for the next message
        except PluginError as error:
            said[title] = str(error)
        files = [key for _, key in case.get("files", [])]
        there = [root / key for key in itertools.takewhile(keys.__contains__, files)]
        local = [event.payload for path in there for batch in CloudTrailPlugin().open(str(path)) for event in batch]
        assert found == local, title
        assert bool(said[title]) == ("error" in case or len(there) < len(files)), title
        assert aws.messages(url) == (0, 0), title
    assert len(said) == 19
    assert "received SQS message that was not a SNS Notification" in said["raw-delivery.json"]
    assert "s3ObjectKey is not a list of strings" in said["cloudtrail-key-not-list.json"]
    assert "team+logs/%C3%A9.json.gz: NoSuchKey" in said["s3-event-encoded-key.json"]
