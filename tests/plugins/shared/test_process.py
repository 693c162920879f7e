"""Processes of plugins: forked where that is safe, else started anew, and gone when they should be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scaptools.plugins.shared import process
from scaptools.plugins.shared.plugin import load_library

ROOT = Path(__file__).parents[3]
#: Loads a library from a process of one thread; what is printed is whether the plugin's process is a fork of it.
FORKING = """
import sys
from pathlib import Path
from scaptools.plugins.shared.plugin import load_library
plugin = load_library(sys.argv[1])
commands = [Path(f"/proc/{each}/cmdline").read_bytes() for each in ("self", plugin.session._process.pid)]
files = list(Path(f"/proc/{plugin.session._process.pid}/fd").iterdir())
texts = [event.payload for batch in plugin.open("2") for event in batch]
plugin.end()
print(commands[0] == commands[1], "numpy" in sys.modules, sorted(map(bytes.decode, texts)))
"""
#: Records from the command line; what is printed is what had to be imported for it.
RECORDING = """
import sys
from scaptools.cli.main import cli
cli.main(["record", sys.argv[1], "5", "-w", sys.argv[2]], standalone_mode=False)
print(sorted({"numpy", "pyarrow", "construct"} & set(sys.modules)))
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "formats")])}
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many threads there are")
def test_a_process_of_one_thread_is_forked(build) -> None:
    done = run(FORKING, build("sample.c", "2.0.0"))
    assert done.stdout == "True True ['event 0', 'event 1 word']\n"
    assert done.stderr == ""


def test_other_threads_are_not_carried_along(build) -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert not process._may_fork()
        plugin = load_library(build("sample.c", "2.0.0"))
        command = Path(f"/proc/{plugin.session._process.pid}/cmdline")
        assert not command.exists() or b"scaptools.plugins.shared.worker" in command.read_bytes()
        assert [event.payload for batch in plugin.open("1") for event in batch] == [b"event 0"]
        plugin.end()
    finally:
        done.set()
        thread.join()


def test_recording_starts_without_what_it_does_not_need(build, tmp_path) -> None:
    done = run(RECORDING, build("sample.c", "2.0.0"), str(tmp_path / "out.scap"))
    assert done.stdout == "[]\n"


def child(seconds: float, status: int = 0) -> process.Process:
    script = f"import time, os; time.sleep({seconds}); os._exit({status})"
    started = subprocess.Popen([sys.executable, "-S", "-c", script])
    started.returncode = 0  # it is waited for by its number
    return process.Process(started.pid)


def test_how_a_process_ended_is_known() -> None:
    assert child(0, 7).wait(30) == 7
    sleeping = child(60)
    assert sleeping.wait(0) is None
    sleeping.kill()
    assert sleeping.poll() == -signal.SIGKILL
    sleeping.kill()


def test_a_status_somebody_else_took_is_not_waited_for() -> None:
    ended = child(0)
    os.waitpid(ended.pid, 0)
    assert ended.poll() == 0
