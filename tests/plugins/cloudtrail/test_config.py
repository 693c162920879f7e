from __future__ import annotations

from typing import Any

import pytest

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.plugins.cloudtrail.config import AwsConfig, Config


def parsed(**values: Any) -> Config:
    return Config.parse(values, plugin="cloudtrail")


def test_defaults() -> None:
    config = parsed()
    assert (config.download_concurrency, config.interval, config.accounts, config.queue_owner) == (32, "", "", "")
    assert (config.delete_messages, config.use_async, config.s3_notifications) == (True, True, False)
    assert (config.skip_bad_messages, config.official_quirks) == (False, False)
    assert config.aws == AwsConfig("", "", "", "")


def test_every_key() -> None:
    config = parsed(
        s3DownloadConcurrency=4,
        s3Interval="5d",
        sqsDelete=False,
        useAsync=False,
        useS3SNS=True,
        s3AccountList="111111111111",
        sqsOwnerAccount="222222222222",
        sqsSkipBad=True,
        officialQuirks=True,
        aws={"profile": "p", "region": "r", "config": "c", "credentials": "d"},
    )
    assert config == Config(
        download_concurrency=4,
        interval="5d",
        delete_messages=False,
        use_async=False,
        s3_notifications=True,
        accounts="111111111111",
        queue_owner="222222222222",
        skip_bad_messages=True,
        official_quirks=True,
        aws=AwsConfig("p", "r", "c", "d"),
    )


def test_names_match_without_regard_to_case() -> None:
    config = parsed(S3Interval="5d", SQSDELETE=False, AWS={"Region": "r"})
    assert (config.interval, config.delete_messages, config.aws.region) == ("5d", False, "r")


def test_unknown_keys_and_null() -> None:
    assert parsed(other=1, s3Interval=None, aws=None, sqsDelete=None) == Config()
    assert parsed(aws={"region": None, "other": 1}) == Config()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"s3DownloadConcurrency": "4"}, "s3DownloadConcurrency must be of type integer"),
        ({"s3DownloadConcurrency": True}, "s3DownloadConcurrency must be of type integer"),
        ({"s3DownloadConcurrency": 1.5}, "s3DownloadConcurrency must be of type integer"),
        ({"s3Interval": 5}, "s3Interval must be of type string"),
        ({"sqsDelete": "false"}, "sqsDelete must be of type boolean"),
        ({"sqsDelete": 0}, "sqsDelete must be of type boolean"),
        ({"aws": "profile"}, "aws must be of type object"),
        ({"aws": {"region": 1}}, r"aws\.region must be of type string"),
    ],
)
def test_a_wrong_type_under_the_exact_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        CloudTrailPlugin(values)


def test_a_wrong_type_under_another_spelling_leaves_the_default() -> None:
    assert parsed(S3INTERVAL=5, SqsDelete="x", Aws=1) == Config()


def test_the_schema_names_every_key() -> None:
    schema = CloudTrailPlugin.config_schema
    assert schema is not None
    kinds = {name: entry["type"] for name, entry in schema["properties"].items()}
    assert kinds == {
        "s3DownloadConcurrency": "integer",
        "s3Interval": "string",
        "sqsDelete": "boolean",
        "useAsync": "boolean",
        "useS3SNS": "boolean",
        "s3AccountList": "string",
        "sqsOwnerAccount": "string",
        "aws": "object",
        "sqsSkipBad": "boolean",
        "officialQuirks": "boolean",
    }
    assert set(schema["properties"]["aws"]["properties"]) == {"profile", "region", "config", "credentials"}
