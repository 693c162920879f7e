"""Make a big capture from any small one: its events again and again, each time later and in other threads.

    python -m bench.generate SMALL.scap BIG.scap --megabytes 1000

Metadata is written once. Copy ``i`` is shifted by ``i`` times the capture's time span, and its thread ids by ``i``
times a stride, so that neither time nor threads repeat.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from scap_formats.dtypes import event_block_dtype
from scaptools.capture.overlap import overlapping
from scaptools.capture.reader import open_reader

#: Thread ids of one copy lie below this many above those of the copy before.
THREAD_STRIDE = 4_000_000
#: Thread ids stay in the range kernels give out, in cycles of so many copies.
THREAD_CYCLE = 256


def generate(small: str, big: Path, megabytes: int, *, shift_threads: bool = True) -> int:
    """Write ``big`` with about so many megabytes; the number of events in it."""
    reader = open_reader(small, window_bytes=1 << 30)
    batches = list(reader.batches())
    if len(batches) != 1:
        raise SystemExit("one section with events is needed, of less than a gigabyte")
    batch = batches[0]
    section = batch.section
    events = np.frombuffer(batch.raw_blocks(), np.uint8)
    offsets = np.concatenate(([0], np.cumsum(batch.lengths)[:-1]))
    times = batch.header("ts")
    span = int(times.max() - times[times > 0].min()) + 1000
    if batch.dump_flags() is not None:
        raise SystemExit("a capture without dump flags is needed")
    metadata = section.header.raw + b"".join(block.raw for block in section.blocks)
    copies = max((megabytes * 1_000_000 - len(metadata)) // len(events), 1)
    with big.open("wb") as out:
        out.write(metadata)
        for copy in range(copies):
            shifted = events.copy()
            view = overlapping(shifted, event_block_dtype(has_nparams=False, has_flags=False))
            view["ts"][offsets] += np.uint64(copy * span)
            if shift_threads:
                view["tid"][offsets] += np.where(
                    view["tid"][offsets] > 0, THREAD_STRIDE // THREAD_CYCLE * (copy % THREAD_CYCLE), 0
                )
            out.write(shifted.data)
    return copies * len(batch)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("small")
    parser.add_argument("big", type=Path)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--same-threads", action="store_true", help="leave thread ids as they are")
    arguments = parser.parse_args()
    events = generate(arguments.small, arguments.big, arguments.megabytes, shift_threads=not arguments.same_threads)
    print(f"{events} events, {arguments.big.stat().st_size} bytes in {arguments.big}")


if __name__ == "__main__":
    main()
