"""sysdig and this program over the same captures.

The ordinary run looks at a choice of captures and filters; with ``SCAPTOOLS_FULL=1`` it looks at all of them.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from scaptools.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FULL = bool(os.environ.get("SCAPTOOLS_FULL"))
HERE = Path(__file__).parent
#: Whole captures sysdig 0.29.3 can read.
READABLE = (
    "cat_write",
    "connect_localhost",
    "curl_google",
    "empty_v1",
    "empty_v2",
    "open-multiple-files",
    "run_as_user_0_container",
    "syscall",
    "write_tmp_test",
)


def corpus(name: str) -> list[str]:
    """The lines of a file beside this one that are neither empty nor comments."""
    lines = (HERE / name).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


@dataclass(frozen=True)
class Answer:
    """What a run of sysdig printed, and its error where it failed."""

    output: bytes
    error: str | None


@pytest.fixture(scope="session")
def theirs(sysdig: str) -> Callable[..., Answer]:
    """Run sysdig over a capture."""

    def run(capture: Path, *words: str) -> Answer:
        done = subprocess.run([sysdig, "-r", str(capture), *words], capture_output=True, check=False)
        failed = done.returncode != 0 or (not done.stdout and b"rror" in done.stderr)
        return Answer(done.stdout, done.stderr.decode("utf-8", "replace").strip() if failed else None)

    return run


@pytest.fixture(scope="session")
def answers(theirs: Callable[..., Answer]) -> Callable[[Sequence[tuple[Any, ...]]], list[Answer]]:
    """Run sysdig several times, two at a time."""

    def run(calls: Sequence[tuple[Any, ...]]) -> list[Answer]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda call: theirs(*call), calls))

    return run


@pytest.fixture(scope="session")
def ours() -> Callable[..., bytes]:
    """Run ``scap`` in this process; what it printed."""

    def run(*words: object) -> bytes:
        arguments = [str(word) for word in words]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False, obj={})
        return done.stdout_bytes

    return run


@pytest.fixture(scope="session")
def captures(shared_data: Path) -> Path:
    """The folder of captures."""
    return shared_data / "captures"
