"""``--follow``: what is there is printed at once, and an interrupt ends it well."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from scaptools.capture.reader import open_reader
from scaptools.cli.following import until_interrupted
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Run = Callable[..., Result]

SCAP = Path(sys.executable).with_name("scap")


def events(first: int, count: int) -> bytes:
    builder = CaptureBuilder()
    for number in range(first, first + count):
        builder.event("chdir", [bytes(8), f"/{number}\0".encode()], exit=True)
    return builder.to_bytes()[0 if first == 0 else 28 :]


@pytest.mark.parametrize(
    "words", [("dump", "-p", "%evt.arg.path"), ("filter", "evt.type=chdir", "-p", "%evt.arg.path")]
)
def test_events_are_printed_as_they_come(words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "growing.scap"
    path.write_bytes(events(0, 3))
    with subprocess.Popen([SCAP, *words, "--follow", path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["/0\n", "/1\n", "/2\n"]
        whole = events(3, 3)
        with path.open("ab", buffering=0) as file:
            file.write(whole[:150])
            assert process.stdout.readline() == "/3\n"
            file.write(whole[150:])
        assert [process.stdout.readline() for _ in range(2)] == ["/4\n", "/5\n"]
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
    assert process.returncode == 0


def test_a_pipe_is_followed_to_its_end() -> None:
    done = subprocess.run(
        [SCAP, "filter", "-c", "--follow", "evt.type=chdir", "-"], input=events(0, 5), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"5\n")


def test_only_one_capture_is_followed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.scap"
    path.write_bytes(events(0, 1))
    for words in (("dump",), ("dump", "--blocks"), ("filter", "evt.type=chdir"), ("filter", "-c", "evt.type=chdir")):
        with pytest.raises(click.UsageError, match="--follow"):
            run(*words, "--follow", path, path)
    with pytest.raises(click.UsageError, match="--follow"):
        run("filter", "evt.type=chdir", "--follow", "-w", tmp_path / "out", path)


def test_handlers_are_put_back(tmp_path: Path) -> None:
    path = tmp_path / "c.scap"
    path.write_bytes(events(0, 1))
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with open_reader(path, follow=True) as reader:
        with until_interrupted(reader, following=True):
            signal.raise_signal(signal.SIGTERM)
            assert sum(map(len, reader.batches())) == 1
        with until_interrupted(reader, following=False):
            assert signal.getsignal(signal.SIGTERM) == before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
