from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.blocks import BlockKind, BlockType
from scap_formats.table import event_table
from scaptools.capture.reader import open_reader
from scaptools.errors import (
    CorruptedError,
    NotACaptureError,
    ScapError,
    TruncatedError,
    UnsupportedVersionError,
)
from scaptools.testing import CaptureBuilder

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "captures"
NAMES = sorted(path.name for path in CAPTURES.glob("*.scap")) or ["(none)"]


def events_of(data: bytes) -> int:
    return sum(len(batch) for batch in open_reader(io.BytesIO(data)).batches())


#: sysdig 0.29.3 refuses options in the section header.
UNREADABLE_BY_SYSDIG = {"curl_google_comments.scap"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.interop
def test_headers_agree_with_sysdig(name: str, shared_data: Path, sysdig: str) -> None:
    if name in UNREADABLE_BY_SYSDIG:
        assert subprocess.run([sysdig, "-r", shared_data / "captures" / name], capture_output=True).returncode == 1
        return
    path = shared_data / "captures" / name
    fields = ("evt.rawtime", "evt.cpu", "thread.tid", "evt.type", "evt.dir")
    form = "*%evt.num " + " ".join(f"%{field}" for field in fields)
    # -D shows internal events too; event types sysdig 0.29.3 does not know have no number there.
    lines = subprocess.run(
        [sysdig, "-D", "-r", path, "-p", form], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    table = event_table()
    ours = []
    for batch in open_reader(path).batches():
        columns = (batch.header(name).tolist() for name in ("ts", "cpu", "tid", "type"))
        for ts, cpu, tid, number in zip(*columns, strict=True):
            event = table.events[number]
            if number < table.old_event_max:
                ours.append([str(ts), str(cpu), str(tid), event.old_name, event.direction.symbol])
    theirs = {int(line.split()[0]): line.split()[1:] for line in lines}
    # Container events in front of all others are used up when sysdig opens a file; they are numbered, but never shown.
    hidden = set(range(1, len(ours) + 1)) - set(theirs)
    assert all("container" in ours[number - 1][3] for number in hidden)
    generic = {"syscall"}
    for number, line in theirs.items():
        mine = ours[number - 1]
        assert mine[:3] == line[:3]
        if mine[3] not in generic:
            assert mine[3:] == line[3:]


@pytest.mark.parametrize("name", NAMES)
def test_every_block_number_of_the_oracle_is_an_event(name: str, shared_data: Path) -> None:
    import gzip

    oracle = shared_data / "oracle" / name.replace(".scap", ".libsnew.jsonl.gz")
    last = max(json.loads(line)["_raw"] for line in gzip.open(oracle, "rt"))
    reader = open_reader(shared_data / "captures" / name)
    events = sum(len(batch) for batch in reader.batches())
    assert events >= last
    assert not reader.damage


def test_sections_and_metadata() -> None:
    builder = (
        CaptureBuilder().block(BlockType.MI, bytes(180)).event("read").section(minor=0).event("read").event("open")
    )
    reader = open_reader(io.BytesIO(builder.to_bytes()))
    batches = list(reader.batches())
    assert [len(batch) for batch in batches] == [1, 2]
    assert [batch.first_number for batch in batches] == [1, 2]
    assert [section.version for section in reader.sections] == [(1, 2), (1, 0)]
    (machine,) = reader.sections[0].of_kind(BlockKind.MACHINE)
    assert machine.parse().num_cpus == 0


def test_unknown_blocks_and_events_are_passed_over_and_counted() -> None:
    builder = CaptureBuilder().block(0x999, b"abcd").event(9999, [b"x"]).event("read").block(0x999, b"").event("open")
    reader = open_reader(io.BytesIO(builder.to_bytes()))
    (batch,) = reader.batches()
    assert len(batch) == 2
    assert reader.sections[0].unknown_events == 1
    assert [block.type for block in reader.sections[0].blocks] == [0x999, 0x999]
    assert not reader.damage


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"hello world, this is text", NotACaptureError),
        (b"\x7fELF" + bytes(100), NotACaptureError),
        (b"\n", NotACaptureError),
        (CaptureBuilder().to_bytes()[:20], TruncatedError),
        (CaptureBuilder().block(1, bytes(8)).to_bytes(), NotACaptureError),
        (b"\n\r\r\n" + CaptureBuilder().section(major=2).to_bytes()[4:], UnsupportedVersionError),
    ],
)
def test_what_is_no_capture(data: bytes, error: type[ScapError]) -> None:
    with pytest.raises(error):
        reader = open_reader(io.BytesIO(data))
        list(reader.batches())
        raise reader.damage_errors()[0]


def test_an_event_block_too_short_for_its_header_is_reported() -> None:
    data = CaptureBuilder().event("read").block(BlockType.EV_V2, bytes(12)).event("open").to_bytes()
    reader = open_reader(io.BytesIO(data))
    assert sum(len(batch) for batch in reader.batches()) == 2
    (error,) = reader.damage_errors()
    assert isinstance(error, CorruptedError)
    assert error.offset == 28 + 40


def test_a_huge_event_needs_no_larger_window() -> None:
    data = CaptureBuilder().event("read").plugin_event(bytes(300_000)).event("open").to_bytes()
    reader = open_reader(io.BytesIO(data), window_bytes=4096)
    assert [len(batch.data) > 4096 for batch in reader.batches()] == [False, True]
    assert not reader.damage


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_files_give_scap_errors_only(data: st.DataObject) -> None:
    builder = CaptureBuilder()
    for number in range(20):
        builder.event("chdir", [bytes(8), f"/tmp/{number}\0".encode()], exit=True)
    original = bytearray(builder.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(original) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if change == "flip":
            original[at] ^= data.draw(st.integers(1, 255))
        elif change == "cut":
            del original[at : at + data.draw(st.integers(1, 40))]
        else:
            original[at:at] = data.draw(st.binary(min_size=1, max_size=40))
    try:
        for batch in open_reader(io.BytesIO(bytes(original))).batches():
            for event_type in batch.types_present():
                table = batch.parameters(event_type)
                for index in range(table.stored):
                    table.column(index).bytes()
            np.asarray(batch.header("ts"))
    except ScapError:
        pass


def test_every_cut_delivers_the_events_before_it() -> None:
    data = CaptureBuilder().event("read").event("open").event("close").to_bytes()
    for end in range(28, len(data)):
        reader = open_reader(io.BytesIO(data[:end]))
        assert sum(len(batch) for batch in reader.batches()) == (end - 28) // 40
        expected = 0 if (end - 28) % 40 == 0 else 1
        assert len(reader.damage) == expected
        assert all(damage.truncated for damage in reader.damage)


def test_no_schema_is_run_per_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers, parameters, conversion and copies of events cost no call of Construct, however many there are."""
    from construct import Construct

    from scaptools.capture.conversion import convert_batches

    calls = 0
    original = Construct.parse_stream

    def counting(self: Construct, *args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        return original(self, *args, **options)

    monkeypatch.setattr(Construct, "parse_stream", counting)
    counts = []
    for events in (10, 1000):
        builder = CaptureBuilder().block(BlockType.MI, bytes(180))
        for _ in range(events):
            builder.event(6, [bytes(8), bytes(4)]).event(7, [bytes(8), b"data"])
        data = builder.to_bytes()
        calls = 0
        batches = list(open_reader(io.BytesIO(data)).batches())
        for batch in [*batches, *convert_batches(batches)]:
            batch.raw_blocks()
            for event_type in batch.types_present():
                batch.parameters(event_type).column(1).bytes()
        counts.append(calls)
    assert counts[0] == counts[1] < 10


def test_a_hundred_thousand_processes() -> None:
    entry = {"tid": 5, "pid": 5, "comm": b"worker", "tail_size": 76, "extra": b""}
    one = CaptureBuilder().block(BlockType.PL_V9, {"entries": [entry], "padding": b"", "rest": b""}).to_bytes()
    builder = CaptureBuilder().block(BlockType.PL_V9, one[28 + 8 : -4] * 100_000).event("read")
    reader = open_reader(io.BytesIO(builder.to_bytes()), window_bytes=1 << 20)
    assert sum(len(batch) for batch in reader.batches()) == 1
    (block,) = reader.sections[0].of_kind(BlockKind.PROCESSES)
    assert len(block.raw) > 10_000_000
    assert not reader.damage


@pytest.mark.parametrize("builder", [CaptureBuilder(), CaptureBuilder().block(BlockType.MI, bytes(180))])
def test_captures_without_events(builder: CaptureBuilder) -> None:
    reader = open_reader(io.BytesIO(builder.to_bytes()))
    assert list(reader.batches()) == []
    assert len(reader.sections) == 1
    assert not reader.damage


def test_a_header_without_its_magic_is_told_and_read_on() -> None:
    second = bytearray(CaptureBuilder().event("open").to_bytes())
    second[8:12] = b"oops"
    reader = open_reader(io.BytesIO(CaptureBuilder().event("read").to_bytes() + bytes(second)))
    assert sum(len(batch) for batch in reader.batches()) == 2
    (error,) = reader.damage_errors()
    assert error.offset == 68
