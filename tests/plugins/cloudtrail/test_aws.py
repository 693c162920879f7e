from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail import CloudTrailPlugin
from scaptools.plugins.cloudtrail.aws import AwsAccess
from scaptools.plugins.cloudtrail.config import AwsConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugins.cloudtrail.cloud import Flaky, Handler

NOWHERE = "http://127.0.0.1:9"


def access(**config: str) -> AwsAccess:
    return AwsAccess(AwsConfig(**config), connections=3, plugin="cloudtrail")


def credentials(client: Any) -> tuple[str, str]:
    found = client._request_signer._credentials.get_frozen_credentials()
    return found.access_key, found.secret_key


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A shared configuration with two profiles."""
    config, secrets = tmp_path / "config.ini", tmp_path / "secrets.ini"
    config.write_text("[default]\nregion = eu-north-1\n[profile other]\nregion = eu-south-1\nmax_attempts = 7\n")
    secrets.write_text(
        "[default]\naws_access_key_id = d\naws_secret_access_key = ds\n"
        "[other]\naws_access_key_id = o\naws_secret_access_key = os\n"
    )
    return {"config": str(config), "credentials": str(secrets)}


@pytest.mark.parametrize(
    ("variables", "config", "region"),
    [
        ({"AWS_REGION": "r1", "AWS_DEFAULT_REGION": "r2"}, {}, "r1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "r2"}, {}, "r2"),
        ({"AWS_REGION": "r1"}, {"region": "r3"}, "r3"),
        # Enough for finding out where a bucket is.
        ({"AWS_REGION": ""}, {"config": "", "profile": ""}, "us-east-1"),
    ],
)
def test_region(
    environment: pytest.MonkeyPatch, variables: dict[str, str], config: dict[str, str], region: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value) if value else environment.delenv(name, raising=False)
    assert access(**config).client("s3").meta.region_name == region


@pytest.mark.parametrize(
    ("profile", "region", "keys", "attempts"),
    [("", "eu-north-1", ("d", "ds"), 3), ("other", "eu-south-1", ("o", "os"), 7)],
)
@pytest.mark.parametrize("way", ["config", "environment"])
def test_shared_files(
    environment: pytest.MonkeyPatch,
    files: dict[str, str],
    way: str,
    profile: str,
    region: str,
    keys: tuple[str, str],
    attempts: int,
) -> None:
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)
    if way == "environment":
        environment.setenv("AWS_CONFIG_FILE", files["config"])
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", files["credentials"])
        if profile:
            environment.setenv("AWS_PROFILE", profile)
        made = access()
    else:
        made = access(profile=profile, **files)
    client = made.client("sqs")
    assert (client.meta.region_name, credentials(client), made.attempts) == (region, keys, attempts)


def test_the_environment_comes_before_the_default_profile(
    environment: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    client = access(**files).client("s3")
    assert (client.meta.region_name, credentials(client)) == ("us-east-1", ("testing", "testing"))


def test_retries(environment: pytest.MonkeyPatch) -> None:
    made = access()
    options = made.client("s3").meta.config
    assert made.attempts == 3
    assert options.retries["mode"] == "standard"
    assert options.retries["total_max_attempts"] == 3
    assert options.max_pool_connections == 3
    environment.setenv("AWS_MAX_ATTEMPTS", "9")
    environment.setenv("AWS_RETRY_MODE", "adaptive")
    assert access().client("s3").meta.config.retries["total_max_attempts"] == 9
    assert access().client("s3").meta.config.retries["mode"] == "adaptive"


@pytest.mark.parametrize(
    ("variables", "endpoints"),
    [
        ({"AWS_ENDPOINT_URL": "http://localhost:9"}, ("http://localhost:9", "http://localhost:9")),
        ({"AWS_ENDPOINT_URL": "http://a.test", "AWS_ENDPOINT_URL_S3": NOWHERE}, (NOWHERE, "http://a.test")),
        ({"AWS_ENDPOINT_URL_SQS": NOWHERE}, ("https://s3.amazonaws.com", NOWHERE)),
    ],
)
def test_endpoints(environment: pytest.MonkeyPatch, variables: dict[str, str], endpoints: tuple[str, str]) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    made = access()
    clients = [made.client(service) for service in ("s3", "sqs")]
    assert tuple(client.meta.endpoint_url for client in clients) == endpoints
    style = (clients[0].meta.config.s3 or {}).get("addressing_style")
    assert style == ("path" if endpoints[0].startswith(("http://localhost", "http://127.")) else None)


@pytest.mark.parametrize(
    ("variables", "config", "params", "message"),
    [
        (
            {},
            {"profile": "none"},
            "s3://b",
            r"cannot access AWS: The config profile \(none\) could not .*; check",
        ),
        ({"AWS_PROFILE": "none"}, {}, "s3://b", r"The config profile \(none\) could not be found"),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            {},
            "s3://b",
            "list s3://b/: Unable to locate cred",
        ),
        ({"AWS_REGION": ""}, {}, "sqs://q", "cannot access AWS: You must specify a region; set aws.region"),
        (
            {},
            {},
            "s3://bucket",
            "list s3://bucket/: Could not connect to the endpoint URL: .*; check the re",
        ),
        ({}, {}, "sqs://q", "cannot open queue q: Could not connect to the endpoint URL"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, {}, "s3://bucket", "cannot access AWS: Invalid endpoint: nonsense"),
        ({"AWS_MAX_ATTEMPTS": "many"}, {}, "s3://b", "cannot access AWS: invalid literal"),
        ({"AWS_MAX_ATTEMPTS": "-1"}, {}, "s3://b", "cannot access AWS: "),
        ({}, {"config": "broken.ini"}, "s3://b", "cannot access AWS: Unable to parse config file"),
    ],
)
def test_what_cannot_work(
    environment: pytest.MonkeyPatch, tmp_path: Path, variables: Any, config: Any, params: str, message: str
) -> None:
    environment.setenv("AWS_ENDPOINT_URL", NOWHERE)
    environment.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.005)
    environment.chdir(tmp_path)
    (tmp_path / "broken.ini").write_text("[default\n=")
    for name, value in variables.items():
        environment.setenv(name, value) if value else environment.delenv(name)
    with pytest.raises(PluginError, match=message) as raised:
        CloudTrailPlugin({"aws": config}).open(params)
    assert "\n" not in str(raised.value)


def test_a_request_is_made_three_times(flaky: Callable[..., Flaky], environment: pytest.MonkeyPatch) -> None:
    def fault(_server: Flaky, handler: Handler, _before: int) -> bool:
        handler.answer(503, b"<Error><Code>SlowDown</Code><Message>Slower</Message></Error>")
        return True

    server = flaky(fault)
    environment.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.005)
    with pytest.raises(PluginError, match="cannot list s3://b/: SlowDown: Slower; a smaller s3DownloadConcurrency"):
        CloudTrailPlugin().open("s3://b")
    assert len(server.requests) == 3
