from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.plugins.cloudtrail.notices import BadMessageError, announced

if TYPE_CHECKING:
    from pathlib import Path

#: Shared messages for which this plugin does better than 0.17.1.
BETTER = {"s3-event-two-buckets.json", "s3-event-encoded-key.json"}


def objects(body: str, *, s3_events: bool = False, official: bool = False) -> list[list[str]]:
    return [[place.bucket, place.key] for place in announced(body, s3_events=s3_events, official=official, plugin="x")]


def wrapped(message: Any, **members: Any) -> str:
    return json.dumps({"Type": "Notification", "Message": json.dumps(message)} | members)


@pytest.mark.parametrize("official", [True, False])
def test_the_shared_messages(shared_data: Path, official: bool) -> None:
    folder = shared_data / "cloudtrail" / "sqs"
    cases = json.loads((folder / "expected.json").read_text("utf-8"))["cases"]
    assert len(cases) == 19
    different = set()
    for title, case in cases.items():
        body = (folder / title).read_text("utf-8")
        if "error" in case:
            with pytest.raises(BadMessageError):
                objects(body, s3_events=case["useS3SNS"], official=official)
        elif objects(body, s3_events=case["useS3SNS"], official=official) != case["files"]:
            different.add(title)
    assert different == (set() if official else BETTER)


def s3_record(bucket: str, key: str) -> dict[str, Any]:
    return {"s3": {"bucket": {"name": bucket}, "object": {"key": key}}}


def test_s3_events() -> None:
    body = wrapped({"Records": [s3_record("a", "x+y%2B/%C3%A9.json"), s3_record("b", "z")]})
    assert objects(body, s3_events=True) == [["a", "x y+/é.json"], ["b", "z"]]
    assert objects(body, s3_events=True, official=True) == [["b", "x+y%2B/%C3%A9.json"], ["b", "z"]]
    assert objects(wrapped({"records": None}), s3_events=True) == []


def test_names_without_regard_to_case_and_the_last_of_equal_ones() -> None:
    inner = '{"S3BUCKET":"a","s3bucket":"b","s3ObjectKey":["k"],"S3OBJECTKEY":["l"]}'
    assert objects(json.dumps({"TYPE": "Notification", "message": inner})) == [["b", "l"]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "an SQS message body is not JSON: ''"),
        ("[]", "an SQS message body is no JSON object"),
        ("[" * 100_000, "an SQS message body is not JSON"),
        ("{}", "received SQS message that was not a SNS Notification"),
        (wrapped({}, Type="notification"), "was not a SNS Notification"),
        (wrapped({}, Type=None), "was not a SNS Notification"),
        (wrapped({}, Message=None), "an SNS notification's message is not JSON"),
        (wrapped({}, Message={}), "whose message is no text"),
        (wrapped([]), "an SNS notification's message is no JSON object"),
        (wrapped({"s3Bucket": "b", "s3ObjectKey": "k"}), "s3ObjectKey is not a list of strings"),
        (wrapped({"s3Bucket": "b", "s3ObjectKey": [1]}), "s3ObjectKey is not a list of strings"),
        (wrapped({"s3Bucket": 1, "s3ObjectKey": ["k"]}), "s3bucket is no text"),
        (wrapped({"s3ObjectKey": ["k"]}), "without its bucket or key"),
    ],
)
def test_messages_that_are_no_use(body: str, message: str) -> None:
    with pytest.raises(BadMessageError, match=message):
        objects(body)


@pytest.mark.parametrize("records", ["x", [1], [{"s3": 1}], [{"s3": {"bucket": []}}], [{}], [s3_record("", "k")]])
def test_s3_events_that_are_no_use(records: Any) -> None:
    with pytest.raises(BadMessageError):
        objects(wrapped({"Records": records}), s3_events=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Type", "Message", "Records", "s3", "bucket", "object", "name", "key"]), inner
        )
    ),
    max_leaves=8,
)


@given(JSON | JSON.map(wrapped), st.booleans(), st.booleans())
def test_any_message_is_used_or_refused(body: Any, s3_events: bool, official: bool) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    try:
        found = objects(text, s3_events=s3_events, official=official)
    except BadMessageError:
        return
    assert all(bucket and key for bucket, key in found)
