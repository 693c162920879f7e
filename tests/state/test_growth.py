"""What is carried from batch to batch grows with what is alive, and time with the number of events."""

from __future__ import annotations

import io
import struct
import time
from typing import TYPE_CHECKING

from bench.growth import write_lives
from scaptools.capture.reader import CaptureReader
from scaptools.state import lifecycle
from scaptools.state.engine import StateEngine
from tests.state.scenarios import START, Ev, capture_bytes, cstr, i64, u32, u64

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


#: A capture without events; how many processes are made before they are copied; where a block has its thread id.
NOTHING, COPIED, TID_OFFSET = capture_bytes([]), 500, 18


def short_life(tid: int, ts: int) -> Iterator[Ev]:
    """A process that is started by a listed one, opens and closes a file, and ends."""
    names = (cstr(b"sh"), b"", i64(tid), i64(tid), i64(10), cstr(b"/"), i64(64))
    counters = (u64(0), u64(1), u32(1), u32(1), u32(0))
    more = (cstr(b"sh"), b"", u32(0), u32(0), u32(0), i64(tid), i64(tid))
    yield Ev(223, tid, ts, (i64(0), *names, *counters, *more))
    yield Ev(306, tid, ts + 1, (i64(-100), cstr(b"rel%d" % (tid % 50)), u32(1), u32(0)))
    yield Ev(307, tid, ts + 2, (i64(3), i64(-100), cstr(b"rel%d" % (tid % 50)), u32(1), u32(0), u32(0)))
    yield Ev(4, tid, ts + 3, (i64(3),))
    yield Ev(5, tid, ts + 4, (i64(0),))
    yield Ev(186, tid, ts + 5, (i64(0), i64(0), b"\0", b"\0"))


def lives(processes: int) -> bytes:
    """The blocks of so many short processes, one after the other."""
    once = capture_bytes([event for number in range(COPIED) for event in short_life(100 + number, START + 10 * number)])
    blocks, rounds = once[len(NOTHING) :], []
    for copied in range(processes // COPIED):
        patched, position = bytearray(blocks), 0
        while position < len(patched):
            (total,) = struct.unpack_from("<I", patched, position + 4)
            (tid,) = struct.unpack_from("<q", patched, position + TID_OFFSET)
            struct.pack_into("<q", patched, position + TID_OFFSET, tid + COPIED * copied)
            position += total
        rounds.append(bytes(patched))
    return b"".join(rounds)


def seconds_for(processes: int) -> float:
    """The processor time the engine takes for so many short processes, which are all gone in the end."""
    reader = CaptureReader(io.BytesIO(NOTHING + lives(processes)), window_bytes=1 << 18)
    engine = StateEngine({"fds", "counters"})
    start = time.process_time()
    for batch in reader.batches():
        state = engine.advance(batch)
        assert len(state.versions) < len(batch) + 8
    elapsed = time.process_time() - start
    assert len(engine._population.threads) <= 4
    assert sum(map(len, engine._tables.tables.values())) <= 8
    assert len(engine._tables.descriptors) <= 8
    return elapsed


def test_time_grows_with_events_and_state_does_not() -> None:
    seconds_for(COPIED)
    few = min(seconds_for(1500) for _ in range(2))
    assert seconds_for(12_000) < 8 * 3 * few


def test_main_threads_that_end_before_others_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_MOST_ENDED", 20)
    made = io.BytesIO()
    assert write_lives(made, 2000, alive=30) == 14_000
    engine = StateEngine()
    for batch in CaptureReader(io.BytesIO(made.getvalue()), window_bytes=1 << 18).batches():
        engine.advance(batch)
        population = engine.carried().population
        assert len(population.threads) < 200
        assert len(population.ended) <= 21
        assert sum(population.members.values()) == len(population.threads)
