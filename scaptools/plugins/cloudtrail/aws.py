"""Access to AWS: clients as the configuration and the environment ask for them, and failures in words.

Credentials, region and endpoints are found as the AWS SDKs find them, with one addition: ``AWS_REGION`` counts, and
before ``AWS_DEFAULT_REGION``. A request is made three times at most, unless ``AWS_MAX_ATTEMPTS`` or the profile says
otherwise, with up to 20 seconds between two attempts.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from scaptools.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.plugins.cloudtrail.config import AwsConfig

#: Attempts at a request, the first one included.
_ATTEMPTS: Final = 3
_CREDENTIALS: Final = "check the credentials, and the clock of this machine"
_QUEUE: Final = "check the queue's name and region, and sqsOwnerAccount where it belongs to another account"
#: How to go on, by AWS error code or by the name of the SDK's exception.
_HINTS: Final = {
    "NoSuchBucket": "check the bucket's name",
    "AccessDenied": "the credentials do not allow it",
    "AccessDeniedException": "the credentials do not allow it",
    "AllAccessDisabled": "the bucket is closed to everybody",
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "RequestTimeTooSkewed": _CREDENTIALS,
    "ExpiredToken": "the credentials have expired",
    "AWS.SimpleQueueService.NonExistentQueue": _QUEUE,
    "QueueDoesNotExist": _QUEUE,
    "SlowDown": "a smaller s3DownloadConcurrency asks for less at a time",
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in aws.profile",
    "NoRegionError": "set aws.region in the init config, or AWS_REGION",
    "ProfileNotFound": "check aws.profile and AWS_PROFILE",
    "EndpointConnectionError": "check the region, the network and AWS_ENDPOINT_URL",
}


class MissingObjectError(PluginError):
    """An object that was announced is not there."""


class AwsAccess:
    """What all clients of one opened source share."""

    def __init__(self, config: AwsConfig, *, connections: int, plugin: str) -> None:
        """``connections`` is how many requests may run at a time.

        Raises PluginError where boto3 is not installed or the configuration is no use.
        """
        try:
            import boto3
            import botocore.session
        except ImportError as error:
            raise PluginError(
                "reading s3:// and sqs:// needs an extra", plugin=plugin, hint="pip install 'scaptools[aws]'"
            ) from error
        self._plugin = plugin
        with self.explained("cannot access AWS"):
            self._sdk = botocore.session.Session(profile=config.profile or None)
            for variable, path in (("config_file", config.config), ("credentials_file", config.credentials)):
                if path:
                    self._sdk.set_config_variable(variable, path)
            region = config.region or os.environ.get("AWS_REGION") or None
            self._session = boto3.Session(botocore_session=self._sdk, region_name=region)
            #: Attempts at one request.
            self.attempts = int(self._sdk.get_config_variable("max_attempts") or _ATTEMPTS)
        self._connections = connections

    def client(self, service: str) -> Any:
        """A client for ``s3`` or ``sqs``. Raises PluginError."""
        from botocore.config import Config

        with self.explained("cannot access AWS"):
            adaptive = self._sdk.get_config_variable("retry_mode") == "adaptive"
            options = Config(
                retries={"mode": "adaptive" if adaptive else "standard", "total_max_attempts": self.attempts},
                max_pool_connections=self._connections,
            )
            client = self._session.client(service, config=options)
            if service == "s3" and _is_loopback(client.meta.endpoint_url):
                # Nothing resolves a bucket's name in front of localhost.
                options = options.merge(Config(s3={"addressing_style": "path"}))
                client = self._session.client(service, config=options)
        return client

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn the SDK's errors into PluginError, MissingObjectError where an object is not there."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            said = error.response.get("Error", {})
            code = str(said.get("Code", "")) or "unknown error"
            kind = MissingObjectError if code == "NoSuchKey" else PluginError
            raise kind(
                f"{doing}: {code}: {_line(said.get('Message', ''))}", plugin=self._plugin, hint=_HINTS.get(code)
            ) from error
        except (BotoCoreError, OSError, ValueError) as error:
            hint = _HINTS.get(type(error).__name__)
            raise PluginError(f"{doing}: {_line(error)}", plugin=self._plugin, hint=hint) from error


def _line(text: object) -> str:
    return " ".join(str(text).split()).rstrip(".")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
