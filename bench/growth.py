"""How time and memory grow with the number of short-lived processes in a capture.

    python -m bench.growth [--processes 10000 100000 1000000] [--alive 100]

Makes captures in which a shell starts one process after the other, each of which makes a thread, opens and closes a
file and ends ``--alive`` processes later, before its thread does, and tracks their state in a process of its own. One
line a capture: events, processor time, time a process took, and the most memory in use.
"""

from __future__ import annotations

import argparse
import resource
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from typing import BinaryIO

#: Processes that are made before they are copied under other ids, and where a block has its thread id.
_MADE, _TID_OFFSET = 1000, 18
_SHELL = 10
#: Flags of a clone that makes a thread, and by how much the ids of threads are higher than those of their processes.
_THREAD, _THREADS = 0x2001, 1 << 30
_TIME = 1_600_000_000_000_000_000


def _i64(value: int) -> bytes:
    return struct.pack("<q", value)


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


def _clone(tid: int, pid: int, flags: int) -> list[bytes]:
    names = (b"sh\0", b"-c\0", _i64(tid), _i64(pid), _i64(_SHELL), b"/\0", _i64(64))
    counters = (_i64(0), _i64(1), _u32(1), _u32(1), _u32(0))
    more = (b"sh\0", b"", _u32(flags), _u32(0), _u32(0), _i64(tid), _i64(pid))
    return [_i64(0), *names, *counters, *more]


def _life(builder: CaptureBuilder, tid: int, ts: int) -> None:
    builder.event(223, _clone(tid, tid, 0), tid=tid, ts=ts)
    builder.event(223, _clone(tid + _THREADS, tid, _THREAD), tid=tid + _THREADS, ts=ts)
    builder.event(307, [_i64(3), _i64(-100), b"rel\0", _u32(1), _u32(0), _u32(0)], tid=tid, ts=ts + 1)
    builder.event(4, [_i64(3)], tid=tid, ts=ts + 2)
    builder.event(5, [_i64(0)], tid=tid, ts=ts + 3)


def write_lives(file: BinaryIO, processes: int, alive: int) -> int:
    """Write a capture of so many processes, of which so many are there at a time; how many events it has."""
    empty = CaptureBuilder().to_bytes()
    builder = CaptureBuilder()
    for number in range(_MADE):
        _life(builder, 100 + number, _TIME + 10 * number)
        for tid in (100 + number - alive, 100 + number - alive + _THREADS):
            builder.event(186, [_i64(0), _i64(0), b"\0", b"\0"], tid=tid, ts=_TIME + 10 * number + 9)
    blocks = builder.to_bytes()[len(empty) :]
    places, count = _id_places(blocks)
    file.write(empty)
    for first in range(0, processes, _MADE):
        patched = bytearray(blocks)
        for place in places:
            struct.pack_into("<q", patched, place, struct.unpack_from("<q", patched, place)[0] + first)
        file.write(patched)
    return count * -(-processes // _MADE)


def _id_places(blocks: bytes) -> tuple[list[int], int]:
    """Where events have the id of their thread, and threads that of their process; and how many events there are."""
    places, position, count = [], 0, 0
    while position < len(blocks):
        size = int(struct.unpack_from("<I", blocks, position + 4)[0])
        places.append(position + _TID_OFFSET)
        (tid,) = struct.unpack_from("<q", blocks, position + _TID_OFFSET)
        pid, at = _i64(tid - _THREADS), position
        while tid > _THREADS and (at := blocks.find(pid, at + 1, position + size)) >= 0:
            places.append(at)
        position += size
        count += 1
    return places, count


def track_all(path: str) -> None:
    """Track the whole state of a capture and print the processor time in s and the most memory in MB."""
    from scaptools.capture.reader import open_reader
    from scaptools.state.engine import StateEngine

    engine = StateEngine()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for batch in open_reader(path).batches():
        engine.advance(batch)
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--alive", type=int, default=100, help="processes that are there at a time")
    parser.add_argument("--track", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.track is not None:
        track_all(arguments.track)
        return
    for processes in arguments.processes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lives.scap"
            with path.open("wb") as file:
                events = write_lives(file, processes, arguments.alive)
            command = [sys.executable, "-m", "bench.growth", "--track", str(path)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds, memory = map(float, told.split())
        each = 1e6 * seconds / processes
        print(f"{processes:9,} processes {events:10,} events {seconds:7.2f} s {each:6.1f} us each {memory:6.0f} MB")


if __name__ == "__main__":
    main()
