from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.types import ParamType
from scaptools.columns import Column, Lists, Numbers
from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.plugins.contract import ArgumentRule, Payloads
from tests.plugins.jsontext.lenient import documents

PLUGIN = CloudTrailPlugin()
BASE = {
    "eventID": "id",
    "eventTime": "2025-03-10T08:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "192.0.2.10",
    "userIdentity": {"type": "IAMUser", "userName": "alice", "accountId": "111111111111"},
    "readOnly": True,
}


def payloads(*records: bytes) -> Payloads:
    numbers = np.arange(len(records), dtype=np.uint64)
    return Payloads(pa.array(records, pa.binary()), numbers, numbers)


def extract(name: str, *records: bytes, argument: str | None = None) -> list[Any]:
    column = PLUGIN.extract(PLUGIN.prepare(payloads(*records)), name, argument)
    assert len(column) == len(records)
    values: list[Any] = column.to_arrow().to_pylist()
    return values


def value(name: str, argument: str | None = None, /, **members: Any) -> Any:
    """A field's value for the base record with some members changed, ``...`` for those left out."""
    record = {key: member for key, member in (BASE | members).items() if member is not ...}
    found = extract(name, json.dumps(record, separators=(",", ":")).encode(), argument=argument)[0]
    return found.decode() if isinstance(found, bytes) else found


def text(payload: bytes | dict[str, Any]) -> str:
    return PLUGIN.event_text(payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def test_declarations() -> None:
    declared = {field.name: field for field in PLUGIN.fields}
    assert len(PLUGIN.fields) == len(declared) == 73
    numbers = {name for name, field in declared.items() if field.type is ParamType.UINT64}
    assert numbers == {"s3.bytes", "s3.bytes.in", "s3.bytes.out", "s3.cnt.get", "s3.cnt.put", "s3.cnt.other"}
    assert all(field.type in {ParamType.CHARBUF, ParamType.UINT64} and field.description for field in PLUGIN.fields)
    with_property: dict[str, set[str]] = {}
    for field in PLUGIN.fields:
        for name in field.properties:
            with_property.setdefault(name, set()).add(field.name)
    assert with_property == {
        "hidden": {"ct.time", "s3.bytes.in", "s3.bytes.out", "s3.cnt.get", "s3.cnt.put", "s3.cnt.other"},
        "conversation": {"ct.user", "ct.srcip", "s3.uri", "s3.bucket"},
        "info": {"ct.info"},
    }
    assert [name for name, field in declared.items() if field.is_list] == ["ec2.imageids"]
    assert declared["ec2.imageids"].argument is ArgumentRule.OPTIONAL_INDEX
    assert {field.argument for field in PLUGIN.fields if not field.is_list} == {ArgumentRule.NONE}
    assert (PLUGIN.info.name, PLUGIN.info.id, PLUGIN.info.source) == ("cloudtrail", 2, "aws_cloudtrail")


@pytest.mark.parametrize(
    ("error", "expected"),
    [(..., None), ("Denied", "Denied"), ("", ""), (None, ""), (1, ""), (False, ""), ([], ""), ({"a": 1}, "")],
)
def test_a_plain_field_is_there_if_its_member_is(error: Any, expected: str | None) -> None:
    assert value("ct.error", errorCode=error) == expected


def test_the_way_to_a_member_leads_through_objects_only() -> None:
    assert value("ct.request.name", requestParameters={"name": "n"}) == "n"
    assert value("ct.request.name", requestParameters=None) is None
    assert value("ct.request.name", requestParameters="name") is None
    assert value("ct.request.name", requestParameters=[{"name": "n"}]) is None


@pytest.mark.parametrize(
    ("source", "short"),
    [("s3.amazonaws.com", "s3"), (".amazonaws.com", ".amazonaws.com"), ("amazonaws.com", "amazonaws.com"), ("x", "x"),
     ("s3.amazonaws.com.cn", "s3.amazonaws.com.cn"), ("", ""), (None, ""), (..., None)],
)  # fmt: skip
def test_short_source(source: Any, short: str | None) -> None:
    assert value("ct.shortsrc", eventSource=source) == short


def issuer(name: Any) -> dict[str, Any]:
    return {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"userName": name}}}


@pytest.mark.parametrize(
    ("identity", "user"),
    [
        ({"type": "IAMUser", "userName": "alice"}, "alice"),
        ({"type": "Root", "userName": "boss"}, "boss"),
        ({"type": "Root"}, None),
        ({"type": "IAMUser", "userName": None}, ""),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "ec2.amazonaws.com"),
        ({"type": "AWSService", "userName": "x"}, None),
        (issuer("deploy"), "deploy"),
        (issuer(7), ""),
        ({"type": "AssumedRole"}, "AssumedRole"),
        ({"type": "AWSAccount"}, "AWSAccount"),
        ({"type": "FederatedUser", "userName": "x"}, "FederatedUser"),
        ({"type": "SAMLUser", "userName": "x"}, None),
        ({"type": "", "userName": "x"}, None),
        ({"type": None, "userName": "x"}, None),
        ({"userName": "x"}, None),
        (None, None),
        (..., None),
    ],
)
def test_user(identity: Any, user: str | None) -> None:
    assert value("ct.user", userIdentity=identity) == user


@pytest.mark.parametrize(
    ("identity", "user"),
    [
        ({"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/role/session"}, "session"),
        ({"type": "AssumedRole", "arn": "a/path/role/session", "principalId": "AROA:session"}, "session"),
        ({"type": "AssumedRole", "arn": "a/b", "principalId": "x:y:z", "userName": "n"}, None),
        ({"type": "AssumedRole", "principalId": "AROA:s"}, "s"),
        ({"type": "AssumedRole", "arn": None, "principalId": "AROA:s"}, "s"),
        ({"type": "AssumedRole", "userName": "x"}, None),
        ({"type": "SAMLUser", "userName": "x", "arn": "a/b/c"}, "x"),
        ({"userName": "x"}, "x"),
        ({"type": "IAMUser"}, None),
    ],
)
def test_original_user(identity: Any, user: str | None) -> None:
    assert value("ct.originaluser", userIdentity=identity) == user


def test_account() -> None:
    assert value("ct.user.accountid", recipientAccountId="2") == "111111111111"
    assert value("ct.user.accountid", userIdentity={}, recipientAccountId="2") == "2"
    assert value("ct.user.accountid", userIdentity={"accountId": None}, recipientAccountId="2") == ""
    assert value("ct.user.accountid", userIdentity={}) is None


@pytest.mark.parametrize("field", ["ct.managementevent", "ct.readonly", "ct.sessioncredentialfromconsole"])
@pytest.mark.parametrize(
    ("flag", "expected"),
    [(True, "true"), (False, "false"), ("true", "false"), (None, "false"), (1, "false"), (..., None)],
)
def test_flags(field: str, flag: Any, expected: str | None) -> None:
    members = {"managementEvent": flag, "readOnly": flag, "sessionCredentialFromConsole": flag}
    assert value(field, **members) == expected


def test_whole_values_are_compact_and_in_source_form() -> None:
    record = b'{"requestParameters": {"b" : [1.50, "\\u0061 b", 1E3 ], "a":{ } , "b":null}, "responseElements" : "x y"}'
    assert extract("ct.request", record) == [b'{"b":[1.50,"\\u0061 b",1E3],"a":{},"b":null}']
    assert extract("ct.response", record) == [b'"x y"']
    assert extract("ct.additionaleventdata", record) == [None]
    assert value("ct.response", responseElements=None) == "null"


def test_resources() -> None:
    assert value("ct.resources", resources=[{"a": 1}, {"b": [2]}]) == '{"a":1},{"b":[2]}'
    assert extract("ct.resources", b'{"resources":[ {"a": 1} , 2 ]}') == [b'{"a":1},2']
    others: list[Any] = [..., None, [], {}, "x"]
    assert [value("ct.resources", resources=other) for other in others] == [None] * 5
    assert extract("ct.resources", b'{"resources":[ ]}') == [None]


def test_object_address() -> None:
    assert value("s3.uri", requestParameters={"bucketName": "b", "key": "k/é"}) == "s3://b/k/é"
    assert value("s3.uri", requestParameters={"bucketName": "b", "key": ""}) == "s3://b/"
    assert value("s3.uri", requestParameters={"bucketName": "b"}) is None
    assert value("s3.uri", requestParameters={"bucketName": "b", "key": None}) is None
    assert value("s3.key", requestParameters={"bucketName": "b", "key": None}) == ""


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (b"36", 36),
        (b"36.0", 36),
        (b"36.9", 36),
        (b"1e3", 1000),
        (b"007", 7),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", 0),
        (b"-1", 0),
        (b"1e400", 0),
        (b"9" * 5000, 0),
        (b'"36"', 0),
        (b"1-2", 0),
        (b"NaN", 0),
        (b"-inf", 0),
        (b"null", 0),
        (b"true", 0),
        (b"[36]", 0),
    ],
)
def test_byte_counts(number: bytes, expected: int) -> None:
    record = b'{"additionalEventData":{"bytesTransferredIn":%s}}' % number
    assert extract("s3.bytes.in", record) == [expected]
    assert extract("s3.bytes", record) == [expected]
    assert extract("s3.bytes.out", record) == [None]


def test_sum_of_byte_counts() -> None:
    counts = {"bytesTransferredIn": 5.0, "bytesTransferredOut": 7}
    assert value("s3.bytes", additionalEventData=counts) == 12
    assert value("s3.bytes", additionalEventData={}) is None
    assert value("s3.bytes") is None


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("GetObject", (1, None, None)),
        ("PutObject", (None, 1, None)),
        ("HeadObject", (None, None, 1)),
        (..., (None, None, 1)),
        (None, (None, None, 1)),
    ],
)
def test_operation_counts(name: Any, counts: tuple[int | None, ...]) -> None:
    fields = ("s3.cnt.get", "s3.cnt.put", "s3.cnt.other")
    assert tuple(value(field, eventName=name) for field in fields) == counts


def tagged(*items: Any) -> dict[str, Any]:
    return {"tagSpecificationSet": {"items": list(items)}}


def instance(*tags: tuple[str, Any], kind: str = "instance") -> dict[str, Any]:
    return {"resourceType": kind, "tags": [{"key": key, "value": tag} for key, tag in tags]}


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (tagged(instance(("Name", "web"))), "web"),
        (tagged(instance(("env", "x"), ("Name", "first"), ("Name", "second"))), "first"),
        (tagged(instance(("Name", "a")), instance(("Name", "b"))), "b"),
        (tagged(instance(("Name", "a")), instance(("env", "b"))), "a"),
        (tagged(instance(("Name", "a")), instance(("Name", ""))), None),
        (tagged(instance(("Name", "a")), instance(("Name", "v"), kind="volume")), "a"),
        (tagged(instance(("Name", 7))), None),
        (tagged(1, {"resourceType": "instance"}, {"resourceType": "instance", "tags": {"key": "Name"}}), None),
        (tagged(), None),
        ({"tagSpecificationSet": {"items": {}}}, None),
        (None, None),
    ],
)
def test_instance_name(request_: Any, name: str | None) -> None:
    assert value("ec2.name", requestParameters=request_) == name


def test_instance_names_of_many_records() -> None:
    records = [json.dumps({"requestParameters": tagged(instance(("Name", f"n{at}")))}).encode() for at in range(5)]
    assert extract("ec2.name", b"{}", *records, b"{") == [None, b"n0", b"n1", b"n2", b"n3", b"n4", None]


def started(*items: Any) -> dict[str, Any]:
    return {"instancesSet": {"items": list(items)}}


@pytest.mark.parametrize(
    ("response", "request_", "every", "by_index"),
    [
        (started({"imageId": "a"}, {"imageId": "b"}), None, ["a", "b"], (["a"], ["b"], None)),
        (started({}, {"imageId": None}, {"imageId": "c"}), {"imageId": "x"}, ["c"], (None, [""], ["c"])),
        (started(), {"imageId": "x"}, None, (None, None, None)),
        ({"instancesSet": {"items": None}}, {"imageId": "x"}, None, (None, None, None)),
        ({"instancesSet": {"items": {"0": {"imageId": "a"}}}}, None, None, (None, None, None)),
        (None, {"imageId": "x"}, ["x"], (["x"], None, None)),
        (None, {"launchSpecification": {"imageId": "y"}}, ["y"], (["y"], None, None)),
        (None, {"DescribeFastLaunchImagesRequest": {"ImageId": {"content": "z"}}}, ["z"], (["z"], None, None)),
        (None, {"imageId": "x", "launchSpecification": {"imageId": "y"}}, ["x"], (["x"], None, None)),
        (None, None, None, (None, None, None)),
    ],
)
def test_image_ids(response: Any, request_: Any, every: Any, by_index: tuple[Any, ...]) -> None:
    def decoded(values: list[bytes] | None) -> list[str] | None:
        return None if values is None else [item.decode() for item in values]

    members = {"responseElements": response, "requestParameters": request_}
    assert decoded(value("ec2.imageids", **members)) == every
    assert tuple(decoded(value("ec2.imageids", index, **members)) for index in "012") == by_index
    assert value("ec2.imageid", **members) == (by_index[0][0] if by_index[0] else None)


def test_image_ids_of_many_records_keep_their_rows() -> None:
    listed = json.dumps({"responseElements": started({"imageId": "a"}, {"imageId": "b"})}).encode()
    asked = b'{"requestParameters":{"imageId":"x"}}'
    column = PLUGIN.extract(PLUGIN.prepare(payloads(asked, b"{}", listed, asked, listed)), "ec2.imageids", None)
    assert isinstance(column, Lists)
    assert column.to_arrow().to_pylist() == [[b"x"], None, [b"a", b"b"], [b"x"], [b"a", b"b"]]


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ({}, "alice via 192.0.2.10 ← GetObject"),
        ({"readOnly": False}, "alice via 192.0.2.10 → GetObject"),
        ({"readOnly": ...}, "alice via 192.0.2.10 ← GetObject"),
        ({"readOnly": "true"}, "alice via 192.0.2.10 → GetObject"),
        ({"errorCode": None}, "alice via 192.0.2.10 !← GetObject"),
        ({"errorCode": "x", "readOnly": False}, "alice via 192.0.2.10 !→ GetObject"),
        ({"sourceIPAddress": "alice"}, "alice ← GetObject"),
        ({"userIdentity": ...}, "<invalid cloudtrail event: userIdentity field missing>"),
        ({"sourceIPAddress": ..., "eventName": ...}, "<invalid cloudtrail event: eventSource field missing>"),
        ({"eventName": ...}, "<invalid cloudtrail event: eventName field missing>"),
        (
            {"requestParameters": {"bucketName": "b", "key": "k"}, "additionalEventData": {"bytesTransferredOut": 36}},
            "alice via 192.0.2.10 ← GetObject Size=36 URI=s3://b/k",
        ),
        ({"requestParameters": {"bucketName": "b", "Host": "h"}}, "alice via 192.0.2.10 ← GetObject Bucket=b"),
        ({"requestParameters": {"key": "k", "Host": "h"}}, "alice via 192.0.2.10 ← GetObject Key=k"),
        ({"requestParameters": {"Host": "h"}}, "alice via 192.0.2.10 ← GetObject Host=h"),
        (
            {
                "eventName": "PutBucketPublicAccessBlock",
                "requestParameters": {"bucketName": "b", "PublicAccessBlockConfiguration": {"BlockPublicAcls": True}},
                "BlockPublicPolicy": True,
            },
            (
                "alice via 192.0.2.10 ← PutBucketPublicAccessBlock BlockPublicAcls=false BlockPublicPolicy=true"
                " IgnorePublicAcls=false RestrictPublicBuckets=false "
            ),
        ),
        (
            {"eventName": "PutBucketPublicAccessBlock", "requestParameters": {"bucketName": "b"}},
            "alice via 192.0.2.10 ← PutBucketPublicAccessBlock",
        ),
    ],
)
def test_info(members: dict[str, Any], line: str) -> None:
    assert value("ct.info", **members) == line


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "us-east-1 alice s3 GetObject alice via 192.0.2.10 ← GetObject"),
        ({"userIdentity": {"type": "IAMUser", "userName": ""}}, "us-east-1 s3 GetObject  via 192.0.2.10 ← GetObject"),
        (
            {"userIdentity": {"type": "Root"}},
            "us-east-1<NA> s3 GetObject <invalid cloudtrail event: userIdentity field missing>",
        ),
        (
            {"userIdentity": {"type": "SAMLUser"}},
            "us-east-1<unknown user type> s3 GetObject <invalid cloudtrail event: userIdentity field missing>",
        ),
        ({"userIdentity": {}}, "us-east-1 s3 GetObject <invalid cloudtrail event: userIdentity field missing>"),
        ({"eventSource": 1, "awsRegion": None}, "<invalid JSON: event did not contain a source>"),
        ({"awsRegion": None, "eventName": None}, "<invalid JSON: event did not contain an awsRegion>"),
        ({"eventName": 7}, "<invalid JSON: event did not contain an eventName>"),
        ({"eventName": "Get\0Object"}, "us-east-1 alice s3 Get"),
    ],
)
def test_event_text(changed: dict[str, Any], line: str) -> None:
    assert text(BASE | changed) == line


def test_event_text_of_what_is_no_json() -> None:
    assert text(b"{") == text(b"") == "<invalid JSON>"
    assert text(b'\0{"eventSource":"\xff","awsRegion":"r","eventName":"n"}\0').startswith("r \ufffd n <invalid")


def test_event_texts_agree_with_each_event_text() -> None:
    records = [json.dumps(BASE | {"eventName": f"n{number}"}).encode() for number in range(20)] + [b"[]", b"x"]
    found = PLUGIN.event_texts(payloads(*records)).array.to_pylist()
    assert [line.decode() for line in found] == [text(record) for record in records]


def test_text_ends_at_the_first_nul() -> None:
    assert value("ct.name", eventName="a\0b") == "a"
    assert value("ct.shortsrc", eventSource="s\0.amazonaws.com") == "s"
    assert value("ct.info", userIdentity={"type": "IAMUser", "userName": "al\0ice"}) == "al"
    assert value("ec2.imageids", requestParameters={"imageId": "a\0b"}) == [b"a"]
    assert extract("ct.name", b'{"eventName":"raw\0nul"}') == [b"raw"]


def test_nul_bytes_around_a_payload() -> None:
    assert extract("ct.name", b'\0{"eventName":"a"}\0\0', b"\0", b"", b'{"eventName":"b"}') == [b"a", None, None, b"b"]


def test_a_payload_that_does_not_parse_has_no_field() -> None:
    prepared = PLUGIN.prepare(payloads(b'{"eventName":"a"', b"", b'{"eventName":"a",}', b"{}"))
    for field in PLUGIN.fields:
        assert PLUGIN.extract(prepared, field.name, None).validity()[:3].tolist() == [False] * 3, field.name


def test_a_payload_that_is_no_object() -> None:
    for payload in (b"[]", b"1", b'"x"', b"-"):
        present = [f.name for f in PLUGIN.fields if extract(f.name, payload)[0] is not None]
        assert present == ["ct.info", "s3.cnt.other"]


def test_no_payloads() -> None:
    for field in PLUGIN.fields:
        assert extract(field.name) == []
    assert len(PLUGIN.event_texts(payloads())) == 0


@settings(deadline=None)
@given(st.lists(documents | st.binary(max_size=30), min_size=1, max_size=4))
def test_any_bytes_are_only_data(records: list[bytes]) -> None:
    wrapped = [
        b'{"userIdentity":%s,"requestParameters":{"tagSpecificationSet":{"items":%s}}}' % (r, r) for r in records
    ]
    prepared = PLUGIN.prepare(payloads(*records, *wrapped))
    for field in PLUGIN.fields:
        column: Column = PLUGIN.extract(prepared, field.name, None)
        assert len(column) == 2 * len(records)
        assert isinstance(column, Numbers) == (field.type is ParamType.UINT64)
    assert PLUGIN.event_texts(payloads(*records)).array.null_count == 0


@pytest.mark.parametrize(
    ("name", "argument"),
    [("ct.nothing", None), ("ct.name", "0"), ("ec2.imageids", "x"), ("ec2.imageids", ""), ("ec2.imageids", "-1"),
     ("ec2.imageids", "1" * 30)],
)  # fmt: skip
def test_what_was_never_declared(name: str, argument: str | None) -> None:
    with pytest.raises(PluginError):
        extract(name, b"{}", argument=argument)
