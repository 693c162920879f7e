"""Following: captures that grow while they are read, until somebody interrupts."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scaptools.capture.reader import CaptureReader

F = TypeVar("F", bound="Callable[..., Any]")


def follow_option(function: F) -> F:
    """``-f`` and ``--follow``: go on as the capture grows."""
    return click.option(
        "-f", "--follow", is_flag=True, help="Go on as an uncompressed capture or a pipe grows, until interrupted."
    )(function)


def check_followed(names: Sequence[str], *, following: bool) -> None:
    """Raises click.UsageError where more than one capture would be followed."""
    if following and len(names) > 1:
        raise click.UsageError("--follow is for one capture: the first one would never end.")


@contextmanager
def until_interrupted(reader: CaptureReader, *, following: bool) -> Iterator[None]:
    """Let the first interrupt or termination signal end a followed capture with what is there.

    A second one is not held back.
    """
    if not following:
        yield
        return
    # The thread that runs handlers is the one that waits for events, and may wait on: another one has to wake it.
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    waker = threading.Thread(target=_stop_when_woken, args=(woken, reader), name="scap-interrupt", daemon=True)
    waker.start()
    former = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _only_once) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former)
        os.close(wakes)
        waker.join()
        os.close(woken)


def _only_once(number: int, _frame: object) -> None:
    signal.signal(number, signal.default_int_handler)


def _stop_when_woken(woken: int, reader: CaptureReader) -> None:
    """Stop a reader once one of the signals that end it has come; other signals are none of our business."""
    while signals := os.read(woken, 64):
        if {signal.SIGINT, signal.SIGTERM} & set(signals):
            reader.stop()
