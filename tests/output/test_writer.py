from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from scaptools.output.writer import BackgroundOutput, RenderedOutput


class Numbered:
    """Prints the batch, which is a number; ``gathered_by`` are the threads that looked at it."""

    def __init__(self) -> None:
        self.gathered_by: set[threading.Thread] = set()

    def gather(self, batch: Any, rows: Any) -> list[Any]:
        self.gathered_by.add(threading.current_thread())
        return [batch, rows]

    def print(self, gathered: list[Any]) -> Iterator[memoryview]:
        yield memoryview(f"{gathered[0]} ".encode())
        yield memoryview(b"")
        yield memoryview(f"{gathered[1]}\n".encode())


class OneByteAtATime(io.RawIOBase):
    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.content += bytes(data[:1])
        return 1


class File(io.BytesIO):
    """A file that counts flushes and fails when the text ``fails_at`` is written."""

    def __init__(self, fails_at: bytes | None = None, error: BaseException | None = None) -> None:
        super().__init__()
        self.fails_at, self.error, self.flushed = fails_at, error, 0

    def write(self, data: Any) -> int:
        if self.error is not None and bytes(data) == self.fails_at:
            raise self.error
        return super().write(data)

    def flush(self) -> None:
        self.flushed += 1


def expected(numbers: range) -> bytes:
    return b"".join(b"%d x\n" % number for number in numbers)


def write_all(output: Any, numbers: range) -> None:
    for number in numbers:
        output.write(number, "x")


def test_rendered_output() -> None:
    file = File()
    output = RenderedOutput(Numbered(), file)
    write_all(output, range(3))
    output.close()
    assert file.getvalue() == expected(range(3))
    assert file.flushed == 1
    assert not file.closed


def test_partial_writes() -> None:
    file = OneByteAtATime()
    write_all(RenderedOutput(Numbered(), file), range(2))  # type: ignore[arg-type]
    assert file.content == expected(range(2))


@pytest.mark.parametrize("ahead", [1, 3])
def test_background_keeps_order(ahead: int) -> None:
    file, renderer = File(), Numbered()
    with BackgroundOutput(RenderedOutput(renderer, file), ahead=ahead) as output:
        write_all(output, range(50))
    assert file.getvalue() == expected(range(50))
    assert file.flushed == 1
    assert renderer.gathered_by == {threading.current_thread()}
    output.close()
    assert file.flushed == 1


def test_background_does_not_run_ahead_without_bound() -> None:
    release, started = threading.Event(), threading.Event()

    class Slow(File):
        def write(self, data: Any) -> int:
            started.set()
            release.wait(10)
            return super().write(data)

    file = Slow()
    output = BackgroundOutput(RenderedOutput(Numbered(), file), ahead=1)
    write_all(output, range(1))
    started.wait(10)
    write_all(output, range(1, 2))
    third = threading.Thread(target=write_all, args=(output, range(2, 3)))
    third.start()
    third.join(0.1)
    assert third.is_alive()
    release.set()
    third.join(10)
    output.close()
    assert file.getvalue() == expected(range(3))


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ValueError("wrong"), KeyboardInterrupt()])
def test_background_raises_what_the_output_raises(error: BaseException) -> None:
    file = File(b"3 ", error)
    output = BackgroundOutput(RenderedOutput(Numbered(), file))
    raised = []
    for number in range(20):
        try:
            output.write(number, "x")  # type: ignore[arg-type]
        except type(error) as caught:
            raised.append(caught)
    try:
        output.close()
    except type(error) as caught:
        raised.append(caught)
    assert raised == [error]
    assert file.getvalue() == expected(range(3))
    assert file.flushed == 0


def test_background_raises_at_the_end() -> None:
    output = BackgroundOutput(RenderedOutput(Numbered(), File(b"0 ", BrokenPipeError(32, "Broken pipe"))))
    with pytest.raises(BrokenPipeError), output:
        write_all(output, range(1))


def test_background_gives_up_when_its_body_fails() -> None:
    before = threading.active_count()
    file = File()
    with pytest.raises(ZeroDivisionError), BackgroundOutput(RenderedOutput(Numbered(), file)) as output:
        write_all(output, range(1))
        raise ZeroDivisionError
    assert file.flushed == 0
    assert threading.active_count() == before
