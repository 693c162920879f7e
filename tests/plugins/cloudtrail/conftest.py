"""The cloud on this machine, and an environment in which nothing else is one."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.plugins.cloudtrail.cloud import REGION, Cloud, Fault, Flaky


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """The server."""
    server_module = pytest.importorskip("moto.server", reason="moto's server is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Cloud(f"http://{host}:{port}")
    server.stop()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No settings of AWS but keys that are none, and that there is no metadata service."""
    pytest.importorskip("boto3", reason="boto3 is not installed")
    # Every session reads the SDK's service descriptions anew, which takes longer than what is tested here.
    monkeypatch.setattr("botocore.session.create_loader", _loader)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    return monkeypatch


@cache
def _loader(data_path: str | None) -> object:
    from botocore.loaders import create_loader

    return create_loader(data_path)


@pytest.fixture
def aws(environment: pytest.MonkeyPatch, cloud: Cloud) -> Cloud:
    """The server, with the environment leading to it."""
    environment.setenv("AWS_ENDPOINT_URL", cloud.url)
    return cloud


@pytest.fixture
def flaky(aws: Cloud, environment: pytest.MonkeyPatch) -> Iterator[Callable[[Fault], Flaky]]:
    """Put a failing server in front, with the environment leading to it."""
    servers: list[Flaky] = []

    def start(fault: Fault) -> Flaky:
        servers.append(Flaky(aws.url, fault))
        environment.setenv("AWS_ENDPOINT_URL", servers[-1].url)
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def name() -> str:
    """A name nothing else has."""
    return f"t{uuid.uuid4().hex}"
