"""The process a plugin runs in, as its owner sees it: started, waited for, ended.

Where this process has but one thread it is forked, which costs a few milliseconds; otherwise, as no other thread's
locks must be carried along, a new interpreter is started.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from scaptools.errors import PluginError
from scaptools.shares import can_fork

if TYPE_CHECKING:
    from collections.abc import Sequence

_STANDARD_INPUT, _STANDARD_OUTPUT, _STANDARD_ERROR = range(3)
_POLL_SECONDS: Final = 0.001
#: Largest process that is forked; what a large one takes would have to be told from what the plugin takes.
_FORKED_BYTES: Final = 1 << 27


class Process:
    """A child of this process; ``status`` is that of its end, negative for a signal, None while it runs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None

    def poll(self) -> int | None:
        """The status, if it has ended."""
        return self._reap(os.WNOHANG)

    def wait(self, seconds: float) -> int | None:
        """The status, if it ends within some time."""
        deadline = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return self.status

    def kill(self) -> None:
        """End it, and wait for that."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self._reap(0)

    def _reap(self, options: int) -> int | None:
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:
                # Somebody who waits for any child has taken the status away.
                self.status = 0
                return self.status
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status


def start(plugin: str) -> tuple[Process, socket.socket]:
    """Start a worker and connect to it; ``plugin`` is what errors are about. Raises PluginError."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = Process(_fork(theirs) if _may_fork() else _spawn(theirs))
        except OSError as error:
            ours.close()
            raise PluginError(f"no process can be started for it: {error}", plugin=plugin) from error
    return process, ours


def _may_fork() -> bool:
    """Whether this process has no thread but this one, and little memory."""
    if not can_fork():
        return False
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") < _FORKED_BYTES


def _fork(theirs: socket.socket) -> int:
    pid = os.fork()
    if not pid:
        _serve(theirs)
    return pid


def _serve(theirs: socket.socket) -> NoReturn:
    """What the forked process does: nothing but serving its socket, with nothing else of what was open."""
    try:
        # What was there is shared with the parent for as long as nobody touches it.
        gc.freeze()
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        end = theirs.detach()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, _STANDARD_INPUT)
        os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)
        os.closerange(_STANDARD_ERROR + 1, end)
        os.closerange(end + 1, os.sysconf("SC_OPEN_MAX"))
        from scaptools.plugins.shared.worker import serve

        serve(end)
    except BaseException:  # noqa: BLE001 - there is nobody above to whom it could go
        traceback.print_exc()
    os._exit(1)


def _spawn(theirs: socket.socket) -> int:
    import scap_formats
    import scaptools

    # The process finds this package where it was found here, and nothing in the current folder.
    homes = [str(Path(package.__path__[0]).parent) for package in (scaptools, scap_formats)]
    search = os.pathsep.join([*homes, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-P", "-m", "scaptools.plugins.shared.worker", str(theirs.fileno())]
    return _run(command, {**os.environ, "PYTHONPATH": search}, theirs.fileno())


def _run(command: Sequence[str], environment: dict[str, str], kept: int) -> int:
    import subprocess

    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=_STANDARD_ERROR,
        pass_fds=(kept,),
        env=environment,
        # A terminal's interrupt is for us, who end the recording and then the plugin.
        start_new_session=True,
    )
    # It is waited for by its number, as a forked one is.
    process.returncode = 0
    return process.pid
