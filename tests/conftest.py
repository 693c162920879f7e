"""What all tests share: where the shared data lies, and what a missing peer means."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# Machines differ, and tests run side by side: no example fails for being slow.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing a test does may reach a cloud's metadata service or a user's own credentials."""
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """Under CI a skipped interoperability test is a failure: there every peer is installed."""
    report = yield
    interop = item.get_closest_marker("interop") is not None and not hasattr(report, "wasxfail")
    if report.skipped and interop and os.environ.get("CI"):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared captures and logs; tests that need them are skipped where they are not beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the shared data is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def sysdig() -> str:
    """The sysdig command."""
    return _peer("sysdig")


@pytest.fixture(scope="session")
def tshark() -> str:
    """The tshark command."""
    return _peer("tshark")


def _peer(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
