"""Damaged captures of every sort: nothing but a ScapError, everything intact delivered, in bounded time and memory.

A few hundred cases run every time; ``SCAP_DAMAGE_ROUNDS=10000`` runs as many as that.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from scaptools.capture.blocks import iterate_blocks
from scaptools.capture.conversion import convert_batches
from scaptools.capture.reader import open_reader
from scaptools.errors import ScapError, TruncatedError

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "captures"
NAMES = sorted(path.name for path in CAPTURES.glob("*.scap")) or ["(none)"]
ROUNDS = int(os.environ.get("SCAP_DAMAGE_ROUNDS", "120"))
#: Of the last 4 KB every so many cuts are tried.
CUT_STEP = max(4096 // ROUNDS, 1)
LONGEST_SECONDS = 5
SPARE_BYTES = 200 << 20


@pytest.fixture(scope="module")
def captures(shared_data: Path) -> dict[str, bytes]:
    found = {}
    for name in NAMES:
        data = (shared_data / "captures" / name).read_bytes()
        found[name] = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return found


def places(data: bytes) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Where the events of a whole capture begin and end."""
    batches = list(open_reader(io.BytesIO(data)).batches(unknown=True))
    starts = np.concatenate([batch.offsets + batch.base for batch in batches])
    return starts, starts + np.concatenate([batch.lengths for batch in batches])


def read_everything(data: bytes, **options: int) -> int:
    """Every event, parameter and metadata block, as recorded and converted; how many events there are."""
    reader = open_reader(io.BytesIO(data), headless=True, **options)
    batches = list(reader.batches())
    for batch in [*batches, *convert_batches(batches)]:
        for event_type in batch.types_present():
            table = batch.parameters(event_type)
            for index in range(table.stored):
                table.column(index).bytes()
    for section in reader.sections:
        for block in section.blocks:
            try:
                block.parse()
            except ScapError:
                continue
    reader.damage_errors()
    return sum(map(len, batches))


@pytest.mark.parametrize("name", ["cat_write.scap", "sample.scap"])
def test_cuts(name: str, captures: dict[str, bytes]) -> None:
    data = captures[name]
    _, ends = places(data)
    blocks = {int(block["offset"]) for block in iterate_blocks(open_reader(io.BytesIO(data)))}  # type: ignore[arg-type]
    boundaries = np.array([*sorted(blocks), len(data)])
    chance = random.Random(1)
    cuts = [*range(len(data) - 4096, len(data), CUT_STEP), *chance.sample(range(29, len(data)), min(ROUNDS // 2, 500))]
    for cut in cuts:
        reader = open_reader(io.BytesIO(data[:cut]))
        delivered = sum(len(batch) for batch in reader.batches(unknown=True))
        assert delivered == np.count_nonzero(ends <= cut)
        if cut in boundaries:
            assert not reader.damage
            continue
        (error,) = reader.damage_errors()
        assert isinstance(error, TruncatedError)
        assert error.offset == boundaries[np.searchsorted(boundaries, cut) - 1]


def test_flips_insertions_and_deletions(captures: dict[str, bytes]) -> None:
    chance = random.Random(ROUNDS)
    for name in NAMES:
        read_everything(captures[name])
    for _ in range(ROUNDS):
        data = bytearray(captures[chance.choice(NAMES)])
        at = chance.randrange(len(data))
        change = chance.choice(["flip", "insert", "delete"])
        if change == "flip":
            data[at] ^= 1 << chance.randrange(8)
        elif change == "insert":
            data[at:at] = chance.randbytes(chance.randint(1, 64))
        else:
            del data[at : at + chance.randint(1, 64)]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        started = time.process_time()
        try:
            read_everything(bytes(data), window_bytes=chance.choice([1 << 25, 10_000]))
        except ScapError:
            continue
        finally:
            assert time.process_time() - started < LONGEST_SECONDS
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
            assert grown < 10 * len(data) + SPARE_BYTES


def test_one_flip_costs_at_most_its_neighbours(captures: dict[str, bytes]) -> None:
    """Damage inside one event block leaves every other event."""
    data = captures["cat_write.scap"]
    starts, ends = places(data)
    chance = random.Random(5)
    for _ in range(ROUNDS):
        which = chance.randrange(len(starts))
        broken = bytearray(data)
        broken[chance.randrange(int(starts[which]), int(ends[which]))] ^= 1 << chance.randrange(8)
        reader = open_reader(io.BytesIO(bytes(broken)))
        found = np.concatenate([batch.offsets + batch.base for batch in reader.batches(unknown=True)])
        lost = np.setdiff1d(starts, found)
        assert len(lost) <= 1


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\x16\x02\0\0", b"\x16\x02\0\0\x28\0\0\0"])
def test_a_long_stretch_of_nonsense_takes_no_time(fill: bytes, captures: dict[str, bytes]) -> None:
    data = captures["cat_write.scap"]
    starts, _ = places(data)
    middle = int(starts[len(starts) // 2])
    broken = data[:middle] + fill * (20_000_000 // len(fill)) + data[middle:]
    started = time.process_time()
    reader = open_reader(io.BytesIO(broken), window_bytes=1 << 22)
    delivered = sum(len(batch) for batch in reader.batches())
    assert time.process_time() - started < LONGEST_SECONDS
    assert delivered >= len(starts) - 1
    if fill in {b"\0", b"\xff"}:  # the others look like blocks here and there
        assert sum(damage.length for damage in reader.damage) == pytest.approx(20_000_000, abs=1000)
