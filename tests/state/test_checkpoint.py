"""An engine resumed from a checkpoint says what one that never stopped says; what is no checkpoint is refused."""

from __future__ import annotations

import io
import random
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.capture.reader import CaptureReader
from scaptools.errors import CorruptedError
from scaptools.fields.catalog import Catalog
from scaptools.state.attached import attach
from scaptools.state.checkpoint import resume_state, store_state
from scaptools.state.engine import ALL_NEEDS, StateEngine, track
from scaptools.state.packing import Packer, Unpacker
from tests.state.scenarios import Operation, capture_bytes, events_of, operations, random_operations

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from scaptools.capture.batch import EventBatch

#: Of everything state answers something: threads, tables, descriptors, counters, latencies, accounts, containers.
NAMES = tuple(
    """
    proc.name proc.pid proc.ppid proc.args proc.exepath proc.cwd proc.env proc.sid proc.vpgid proc.nthreads proc.nchilds
    proc.fdlimit proc.fdopencount proc.vmsize proc.pname proc.aname[2] proc.duration thread.pfminor thread.cgroups
    thread.totexectime thread.cpu user.uid user.name group.gid group.name evt.latency evt.args fd.num fd.type fd.name
    fd.connected fd.l4proto fd.sip fd.cport fd.dev fd.ino fd.types container.id container.name container.image
    """.split()  # noqa: SIM905 - as a list it would be a page long
)
CATALOG = Catalog()
#: What stands in front of the compressed part: a magic number and a size.
HEAD = b"SCAPST\x01\n" + bytes(8)


def answers(batch: EventBatch) -> dict[str, list[Any]]:
    return {name: CATALOG.parse(name).column(batch, slice(None)).to_arrow().to_pylist() for name in NAMES}


def reader_of(capture: bytes, window_bytes: int) -> CaptureReader:
    return CaptureReader(io.BytesIO(capture), window_bytes=window_bytes)


def whole(capture: bytes, window_bytes: int) -> list[dict[str, list[Any]]]:
    return [answers(batch) for batch in track(reader_of(capture, window_bytes))]


def interrupted(capture: bytes, window_bytes: int, stops: Collection[int]) -> list[dict[str, list[Any]]]:
    """The answers when the engine is stored and resumed behind the batches of some numbers."""
    found, engine = [], StateEngine()
    for number, batch in enumerate(reader_of(capture, window_bytes).batches()):
        attach(batch, engine.advance(batch))
        found.append(answers(batch))
        if number in stops:
            engine = resume_state(store_state(engine), batch.section)
    return found


@settings(deadline=None, max_examples=30)
@given(operations(min_size=1), st.sampled_from((300, 900)))
def test_nothing_is_lost_between_random_batches(chosen: list[Operation], window_bytes: int) -> None:
    capture = capture_bytes(events_of(chosen))
    assert interrupted(capture, window_bytes, range(10_000)) == whole(capture, window_bytes)


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_in_long_captures(seed: int) -> None:
    capture = capture_bytes(events_of(random_operations(seed, 500)))
    expected = whole(capture, 4000)
    assert interrupted(capture, 4000, range(3, len(expected), 7)) == expected


@pytest.mark.parametrize("name", ["curl_google", "run_as_user_0_container", "open-multiple-files"])
def test_nothing_is_lost_in_real_captures(shared_data: Path, name: str) -> None:
    capture = (shared_data / "captures" / f"{name}.scap").read_bytes()
    expected = whole(capture, 20_000)
    assert len(expected) > 1
    assert interrupted(capture, 20_000, range(len(expected))) == expected


def stored_example() -> tuple[bytes, EventBatch]:
    engine = StateEngine()
    batch = next(iter(reader_of(capture_bytes(events_of(random_operations(1, 300))), 1 << 20).batches()))
    engine.advance(batch)
    return store_state(engine), batch


def test_a_state_stored_twice_is_the_same_bytes() -> None:
    stored, batch = stored_example()
    assert store_state(resume_state(stored, batch.section)) == stored


def test_less_may_be_asked_of_a_resumed_engine_but_not_more() -> None:
    capture = capture_bytes(events_of(random_operations(5, 200)))
    first, *others = reader_of(capture, 6000).batches()
    engine = StateEngine({"fds"})
    engine.advance(first)
    stored = store_state(engine)
    fewer = resume_state(stored, first.section, set())
    for batch in others:
        assert fewer.advance(batch).threads(slice(None)).tolist() == engine.advance(batch).threads(slice(None)).tolist()
    for needs in (ALL_NEEDS, {"counters"}):
        with pytest.raises(CorruptedError, match="less than is asked"):
            resume_state(stored, first.section, needs)


def test_there_is_nothing_to_store_before_the_first_batch() -> None:
    with pytest.raises(LookupError, match="no batch"):
        store_state(StateEngine())


@pytest.mark.parametrize("stored", [b"", b"SCAPST", b"SCAPST\x02\n" + bytes(20), b"SCAPST\x01\n" + b"\xff" * 12])
def test_what_is_no_checkpoint_is_refused(stored: bytes) -> None:
    with pytest.raises(CorruptedError, match="stored state"):
        resume_state(stored, stored_example()[1].section)


def changed(stored: bytes, seed: int) -> bytes:
    """A checkpoint with a few bytes changed inside of what is compressed."""
    dice = random.Random(seed)
    plain = bytearray(zlib.decompress(stored[len(HEAD) :]))
    header = plain.index(b"\n")
    first, last = ((0, header), (header, len(plain)), (len(plain) // 2, len(plain)))[seed % 3]
    for _ in range(1 + seed % 4):
        plain[dice.randrange(first, last)] = dice.randrange(256)
    return HEAD[:8] + len(plain).to_bytes(8, "little") + zlib.compress(bytes(plain), 1)


def test_changed_checkpoints_are_refused_or_harmless() -> None:
    stored, _ = stored_example()
    refused = 0
    for seed in range(120):
        (batch,) = reader_of(capture_bytes(events_of(random_operations(2, 40))), 1 << 20).batches()
        try:
            engine = resume_state(changed(stored, seed), batch.section)
        except CorruptedError:
            refused += 1
        else:
            attach(batch, engine.advance(batch))
            assert len(answers(batch)["proc.name"]) == len(batch)
    assert 20 < refused < 120


def test_numbers_of_any_sign_and_width_come_back() -> None:
    numbers = [0, -1, 255, 1 << 62, (1 << 64) - 1, -(1 << 63)]
    packer = Packer()
    packer.numbers("n", numbers)
    packer.texts("t", [b"", b"a\n", b"\0", b"a\n"])
    unpacker = Unpacker(packer.finish(b"magic", {"k": 1}), b"magic")
    assert (unpacker.numbers("n"), unpacker.texts("t")) == (numbers, [b"", b"a\n", b"\0", b"a\n"])
    assert unpacker.header == {"k": 1}
    with pytest.raises(CorruptedError, match="impossible n"):
        unpacker.array("n", 0)
    with pytest.raises(CorruptedError, match="without m"):
        unpacker.array("m")
