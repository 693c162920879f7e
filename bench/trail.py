"""Make CloudTrail logs of any size: log files as AWS writes them, or one capture with so many events.

    python -m bench.trail logs DIRECTORY --megabytes 1000
    python -m bench.trail capture trail.scap --events 200000

Records are of a few services and kinds of identity, with identifiers, times and addresses of their own; one in fifty
is of a kind the rules for CloudTrail look for. The same seed gives the same bytes. ``--megabytes`` counts what lies in
the directory, zipped; beyond ``DISTINCT`` files those made before come again under other names.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.capture.encode import encode_plugin_events
from scaptools.capture.writer import CaptureWriter
from scaptools.plugins.cloudtrail import CloudTrailPlugin

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Log files that differ.
DISTINCT = 64
#: Records of one log file.
RECORDS = 2500
_START_S = 1_622_505_600
_ACCOUNT = "123456789012"
_REGIONS = ("us-east-1", "eu-west-1", "eu-central-1", "ap-southeast-2")
_USERS = ("alice", "bob", "carol", "dave", "erin", "deploy", "backup", "ci-runner")
_AGENTS = (
    "aws-cli/2.13.5 Python/3.11.4 Linux/5.15.0 exe/x86_64.ubuntu.22 prompt/off command/s3.cp",
    "Boto3/1.28.17 md/Botocore#1.31.17 ua/2.0 os/linux#5.10.184 md/arch#x86_64 lang/python#3.11.4",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/115.0.0.0 Safari/537.36",
    "ec2.amazonaws.com",
)
#: What is common: service, call, whether it only reads, and what the request names.
_COMMON: tuple[tuple[str, str, bool, dict[str, Any]], ...] = (
    ("s3", "GetObject", True, {"bucketName": "example-logs", "key": "AWSLogs/2021/06/part-0001.json.gz"}),
    ("s3", "PutObject", False, {"bucketName": "example-data", "key": "incoming/2021/06/01/0001.parquet"}),
    ("s3", "HeadBucket", True, {"bucketName": "example-data", "Host": "example-data.s3.amazonaws.com"}),
    ("sts", "AssumeRole", True, {"roleArn": f"arn:aws:iam::{_ACCOUNT}:role/Deploy", "roleSessionName": "deploy"}),
    ("kms", "Decrypt", True, {"encryptionContext": {"aws:s3:arn": "arn:aws:s3:::example-data"}}),
    ("ec2", "DescribeInstances", True, {"maxResults": 50, "instancesSet": {}, "filterSet": {}}),
    ("dynamodb", "DescribeTable", True, {"tableName": "sessions"}),
    ("logs", "CreateLogStream", False, {"logGroupName": "/aws/lambda/resize", "logStreamName": "2021/06/01/0001"}),
)
#: What the rules look for.
_RARE: tuple[tuple[str, str, bool, dict[str, Any] | None], ...] = (
    ("signin", "ConsoleLogin", False, None),
    ("iam", "CreateUser", False, {"userName": "mallory"}),
    ("iam", "DeactivateMFADevice", False, {"userName": "AWS ROOT USER", "serialNumber": "arn:aws:iam::1:mfa/root"}),
    ("ecs", "RunTask", False, {"cluster": "main", "taskDefinition": "web:7"}),
    ("lambda", "UpdateFunctionCode20150331v2", False, {"functionName": "resize"}),
    ("ec2", "RunInstances", False, {"availabilityZone": "us-east-1a", "instanceType": "m5.large"}),
    ("s3", "DeleteBucketEncryption", False, {"bucketName": "example-data"}),
    ("s3", "PutBucketPolicy", False, {"bucketName": "example-data", "policy": "{}"}),
    ("cloudtrail", "StopLogging", False, {"name": "main-trail"}),
    ("s3", "ListBuckets", True, {"Host": "s3.amazonaws.com"}),
)
_RARE_EVERY = 50


class Trail:
    """An endless trail of records, always the same for one seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._number = count()

    def records(self, amount: int) -> Iterator[bytes]:
        """The next records, as compact JSON."""
        for record in islice(self._all(), amount):
            yield json.dumps(record, separators=(",", ":")).encode()

    def log(self, amount: int) -> bytes:
        """The next records as a log file's text."""
        return b'{"Records":[' + b",".join(self.records(amount)) + b"]}"

    def _all(self) -> Iterator[dict[str, Any]]:
        for number in self._number:
            chance = self._random
            rare = chance.randrange(_RARE_EVERY) == 0
            service, name, reads, request = chance.choice(_RARE if rare else _COMMON)
            console = name == "ConsoleLogin"
            seconds = _START_S + number // 20
            record: dict[str, Any] = {
                "eventVersion": "1.08",
                "userIdentity": self._identity(seconds),
                "eventTime": _time(seconds),
                "eventSource": f"{service}.amazonaws.com",
                "eventName": name,
                "awsRegion": chance.choice(_REGIONS),
                "sourceIPAddress": f"198.51.100.{chance.randrange(1, 255)}",
                "userAgent": chance.choice(_AGENTS),
                "requestParameters": request,
                "responseElements": {name: "Success"} if console else None,
            }
            if chance.randrange(20) == 0:
                record |= {"errorCode": "AccessDenied", "errorMessage": f"not authorized to perform: {service}:{name}"}
            if console:
                record["additionalEventData"] = {"MobileVersion": "No", "MFAUsed": chance.choice(("No", "Yes"))}
            elif service == "s3":
                moved = chance.randrange(1 << 20)
                record["additionalEventData"] = {
                    "SignatureVersion": "SigV4",
                    "CipherSuite": "ECDHE-RSA-AES128-GCM-SHA256",
                    "bytesTransferredIn": 0 if reads else moved,
                    "bytesTransferredOut": moved if reads else 0,
                    "AuthenticationMethod": "AuthHeader",
                    "x-amz-id-2": self._hex(48),
                }
            record |= {
                "requestID": self._hex(16).upper(),
                "eventID": self._uuid(),
                "readOnly": reads,
                "eventType": "AwsConsoleSignIn" if console else "AwsApiCall",
                "managementEvent": service != "s3",
                "recipientAccountId": _ACCOUNT,
                "eventCategory": "Management" if service != "s3" else "Data",
            }
            yield record

    def _identity(self, seconds: int) -> dict[str, Any]:
        chance, name = self._random, self._random.choice(_USERS)
        kind = chance.randrange(4)
        if kind == 0:
            return {
                "type": "IAMUser",
                "principalId": "AIDACKCEVSQ6C2EXAMPLE",
                "arn": f"arn:aws:iam::{_ACCOUNT}:user/{name}",
                "accountId": _ACCOUNT,
                "accessKeyId": f"AKIA{self._hex(8).upper()}EXAMPLE",
                "userName": name,
            }
        if kind == 1:
            return {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
        return {
            "type": "AssumedRole",
            "principalId": f"AROAIIPEUHXAFEXAMPLE:{name}@example.com",
            "arn": f"arn:aws:sts::{_ACCOUNT}:assumed-role/Deploy/{name}@example.com",
            "accountId": _ACCOUNT,
            "accessKeyId": f"ASIA{self._hex(8).upper()}EXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAIIPEUHXAFEXAMPLE",
                    "arn": f"arn:aws:iam::{_ACCOUNT}:role/Deploy",
                    "accountId": _ACCOUNT,
                    "userName": "Deploy",
                },
                "webIdFederationData": {},
                "attributes": {"creationDate": _time(seconds - 900), "mfaAuthenticated": "false"},
            },
        }

    def _hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def _uuid(self) -> str:
        digits = self._hex(32)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _time(seconds: int) -> str:
    return f"{np.datetime64(seconds, 's')}Z"


def write_logs(directory: Path, megabytes: int) -> int:
    """Fill a directory with zipped log files of so many megabytes; the number of records in them."""
    directory.mkdir(parents=True, exist_ok=True)
    trail, size, files = Trail(), 0, 0
    made: list[bytes] = []
    while size < megabytes * 1_000_000:
        if len(made) < DISTINCT:
            made.append(gzip.compress(trail.log(RECORDS), mtime=0))
        data = made[files % DISTINCT]
        (directory / f"{_ACCOUNT}_CloudTrail_us-east-1_20210601T0000Z_{files:08d}.json.gz").write_bytes(data)
        size += len(data)
        files += 1
    return files * RECORDS


def write_capture(path: Path, events: int) -> None:
    """Write a capture with so many events."""
    trail, start = Trail(), 0
    with path.open("wb") as file:
        writer = CaptureWriter(file)
        writer.section_header()
        while start < events:
            payloads = list(trail.records(min(10_000, events - start)))
            times = np.arange(start, start + len(payloads), dtype=np.uint64) * 50_000_000 + _START_S * 1_000_000_000
            writer.write(encode_plugin_events(CloudTrailPlugin.info.id, payloads, times))
            start += len(payloads)
        writer.close()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    logs = kinds.add_parser("logs")
    logs.add_argument("directory", type=Path)
    logs.add_argument("--megabytes", type=int, default=100)
    capture = kinds.add_parser("capture")
    capture.add_argument("capture", type=Path)
    capture.add_argument("--events", type=int, default=200_000)
    arguments = parser.parse_args()
    if arguments.kind == "logs":
        records = write_logs(arguments.directory, arguments.megabytes)
        print(f"{records} records below {arguments.directory}")
    else:
        write_capture(arguments.capture, arguments.events)
        print(f"{arguments.events} events, {arguments.capture.stat().st_size} bytes in {arguments.capture}")


if __name__ == "__main__":
    main()
