from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.blocks import BlockType
from scaptools.capture.encode import encode_plugin_events
from scaptools.capture.reader import open_reader
from scaptools.capture.rotation import RotatingWriter, RotationLimits, numbered
from scaptools.capture.split import split_capture
from scaptools.errors import OutputError
from scaptools.testing import CaptureBuilder

SECOND = 1_000_000_000
MACHINE = CaptureBuilder().block(BlockType.MI, bytes(180))


def sample(times: list[int], **sizes: int) -> CaptureBuilder:
    builder = CaptureBuilder().block(BlockType.MI, bytes(180))
    for ts in times:
        builder.event("chdir", [bytes(8), bytes(ts % 7) + b"\0"], ts=ts, exit=True)
    return builder


def split(data: bytes, target: Path, limits: RotationLimits, **options: int) -> list[Path]:
    with RotatingWriter(target, limits, atomic=True) as writer:
        split_capture(open_reader(io.BytesIO(data), **options), writer)
    return writer.parts


def times_of(path: Path) -> list[int]:
    reader = open_reader(path)
    found = [ts for batch in reader.batches() for ts in batch.header("ts").tolist()]
    assert not reader.damage
    assert [block.raw for block in reader.sections[0].blocks] == [MACHINE.to_bytes()[28:]]
    return found


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(0, 100), min_size=1, max_size=40),
    events=st.integers(1, 10) | st.none(),
    size=st.integers(250, 700) | st.none(),
    duration=st.integers(1, 30) | st.none(),
    window_bytes=st.sampled_from([220, 1 << 20]),
)
def test_parts_hold_all_events_within_their_limits(
    times: list[int],
    events: int | None,
    size: int | None,
    duration: int | None,
    window_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    limits = RotationLimits(size_bytes=size, events=events, duration_ns=duration)
    parts = split(
        sample(times).to_bytes(), tmp_path_factory.mktemp("parts") / "out.scap", limits, window_bytes=window_bytes
    )
    found = [times_of(part) for part in parts]
    assert [ts for part in found for ts in part] == times
    assert all(found)
    for part, path in zip(found, parts, strict=True):
        assert events is None or len(part) <= events
        assert size is None or path.stat().st_size <= size or len(part) == 1
        assert duration is None or max(part) < part[0] + duration or max(part) == part[0]
    # A part ends only where the next event would be too much.
    for part, path, following in zip(found, parts, found[1:], strict=False):
        block = 36 + 4 + 8 + following[0] % 7 + 1 + 4
        fits_size = size is None or path.stat().st_size + block + -block % 4 <= size
        fits_time = duration is None or following[0] < part[0] + duration
        fits_count = events is None or len(part) < events
        assert not (fits_size and fits_time and fits_count)


def test_names_count_up_before_the_ending(tmp_path: Path) -> None:
    parts = split(sample([1, 2, 3]).to_bytes(), tmp_path / "day.1.scap", RotationLimits(events=1))
    assert [part.name for part in parts] == ["day.1-0001.scap", "day.1-0002.scap", "day.1-0003.scap"]
    assert numbered("x.scap.gz", 12) == Path("x-0012.scap.gz")
    assert numbered("x", 1) == Path("x-0001")


def test_names_by_time(tmp_path: Path) -> None:
    times = [0, 3599 * SECOND, 3600 * SECOND, 7300 * SECOND, 7301 * SECOND]
    parts = split(sample(times).to_bytes(), tmp_path / "h%H.scap", RotationLimits(duration_ns=3600 * SECOND, events=3))
    assert [part.name for part in parts] == ["h00.scap", "h01.scap", "h02.scap"]
    parts = split(sample([0, 1, 2]).to_bytes(), tmp_path / "d%d.scap", RotationLimits(events=2))
    assert [part.name for part in parts] == ["d01.scap", "d01-0002.scap"]


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    parts = split(sample(list(range(6))).to_bytes(), tmp_path / "o.scap", RotationLimits(events=1, files=2))
    assert len(parts) == 6
    assert sorted(tmp_path.iterdir()) == parts[-2:]


def test_sections_begin_where_they_did(tmp_path: Path) -> None:
    builder = sample([1, 2]).section(minor=0).event("read", ts=3).event("read", ts=4)
    parts = split(builder.to_bytes(), tmp_path / "o.scap", RotationLimits(events=3))
    versions = []
    for part in parts:
        reader = open_reader(part)
        list(reader.batches())
        versions.append([section.version for section in reader.sections])
    assert versions == [[(1, 2), (1, 0)], [(1, 0)]]


def test_metadata_alone_is_one_part(tmp_path: Path) -> None:
    (part,) = split(MACHINE.to_bytes(), tmp_path / "o.scap", RotationLimits(events=3))
    assert part.read_bytes() == MACHINE.to_bytes()


def test_a_recording_rotates(tmp_path: Path) -> None:
    with RotatingWriter(tmp_path / "r.scap", RotationLimits(events=2)) as writer:
        writer.section_header()
        for start in (1, 4):
            writer.write(encode_plugin_events(7, [b"a", b"b", b"c"], np.arange(start, start + 3).astype(np.uint64)))
    found = [
        [ts for batch in open_reader(part).batches() for ts in batch.header("ts").tolist()] for part in writer.parts
    ]
    assert found == [[1, 2], [3, 4], [5, 6]]


def test_standard_output_has_no_parts() -> None:
    with pytest.raises(OutputError, match="name a file"):
        RotatingWriter("-", RotationLimits(events=1))
