"""The init configuration: its keys, their types and defaults.

Key names match without regard to case, keys nobody knows are accepted, and null stands for the default. A value of
the wrong type is an error under the exact key name, as a schema would have it; under any other spelling, which a schema
does not see, it leaves the default.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from scaptools.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """Where credentials and region come from; an empty text leaves it to the environment."""

    profile: str = field(default="", metadata={"about": "Profile of the shared AWS configuration"})
    region: str = field(default="", metadata={"about": "AWS region"})
    config: str = field(default="", metadata={"about": "Path of the shared AWS configuration file"})
    credentials: str = field(default="", metadata={"about": "Path of the shared AWS credentials file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The decoded configuration. ``key`` in a field's metadata is its name in the JSON object."""

    download_concurrency: int = field(
        default=32,
        metadata={"key": "s3DownloadConcurrency", "about": "Objects downloaded at a time, and as one chunk"},
    )
    interval: str = field(
        default="", metadata={"key": "s3Interval", "about": "Time window on the names of log files in a bucket"}
    )
    delete_messages: bool = field(
        default=True, metadata={"key": "sqsDelete", "about": "Delete queue messages once they are received"}
    )
    use_async: bool = field(
        default=True, metadata={"key": "useAsync", "about": "Accepted for compatibility, without effect"}
    )
    s3_notifications: bool = field(
        default=False, metadata={"key": "useS3SNS", "about": "Queue messages carry S3 events, not CloudTrail notices"}
    )
    accounts: str = field(
        default="", metadata={"key": "s3AccountList", "about": "Accounts to read in a bucket, joined by commas"}
    )
    queue_owner: str = field(default="", metadata={"key": "sqsOwnerAccount", "about": "Account that owns the queue"})
    skip_bad_messages: bool = field(
        default=False,
        metadata={
            "key": "sqsSkipBad",
            "about": "Pass over queue messages that are no use and objects that are gone, instead of ending",
        },
    )
    official_quirks: bool = field(
        default=False,
        metadata={
            "key": "officialQuirks",
            "about": "Choose objects exactly as version 0.17.1 of the plugin of that name does, slips included",
        },
    )
    aws: AwsConfig = field(
        default_factory=AwsConfig,
        metadata={"key": "aws", "about": "Access to AWS: profile, region, config, credentials"},
    )

    @staticmethod
    def parse(values: Mapping[str, Any], *, plugin: str) -> Config:
        """Read a JSON object. Raises PluginError for a value of the wrong type."""
        return Config(**_parsed(Config, values, plugin, ""))


_JSON_TYPES: Final = {"int": ("integer", int), "str": ("string", str), "bool": ("boolean", bool)}


def _parsed(config: type, values: Mapping[str, Any], plugin: str, prefix: str) -> dict[str, Any]:
    known = {_key(entry): entry for entry in fields(config)}
    folded = {key.casefold(): key for key in known}
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        key = folded.get(name.casefold())
        if key is None or value is None:
            continue
        entry = known[key]
        if entry.type == "AwsConfig":
            right, kind = isinstance(value, dict), "object"
        else:
            kind, python = _JSON_TYPES[str(entry.type)]
            right = isinstance(value, python) and (python is bool or not isinstance(value, bool))
        if right:
            nested = entry.type == "AwsConfig"
            arguments[entry.name] = AwsConfig(**_parsed(AwsConfig, value, plugin, f"{key}.")) if nested else value
        elif name == key:
            raise PluginError(f"init config: {prefix}{key} must be of type {kind}", plugin=plugin)
    return arguments


def _key(entry: Any) -> str:
    return str(entry.metadata.get("key", entry.name))


def _schema(config: type) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for entry in fields(config):
        about = {"description": entry.metadata["about"]}
        if entry.type == "AwsConfig":
            properties[_key(entry)] = about | _schema(AwsConfig)
        else:
            properties[_key(entry)] = about | {"type": _JSON_TYPES[str(entry.type)][0], "default": entry.default}
    return {"type": "object", "properties": properties, "additionalProperties": True}


SCHEMA: Final[dict[str, Any]] = {"$schema": "http://json-schema.org/draft-04/schema#", **_schema(Config)}
