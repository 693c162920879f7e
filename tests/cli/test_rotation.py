"""``filter -w`` over several files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from scap_formats.blocks import BlockType
from scaptools.capture.reader import open_reader
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Literal

    from click.testing import Result

    Run = Callable[..., Result]


def capture(path: Path, byteorder: Literal["little", "big"] = "little") -> Path:
    builder = CaptureBuilder(byteorder)
    builder.block(BlockType.MI, {"num_cpus": 2, "memory_bytes": 3, "hostname": b"host"})
    for number in range(20):
        builder.event("close", [number.to_bytes(8, byteorder)], ts=number * 1_000_000_000)
        builder.event("poll", [], ts=number * 1_000_000_000)
    return builder.write(path)


def numbers(path: Path) -> list[int]:
    reader = open_reader(path)
    found = [int(ts) // 1_000_000_000 for batch in reader.batches() for ts in batch.header("ts")]
    (section,) = reader.sections
    assert [block.type for block in section.blocks] == [BlockType.MI]
    assert not reader.damage
    return found


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("words", [("--minimal",), ("--sanitize",), ()])
def test_every_part_is_a_capture(
    words: tuple[str, ...], byteorder: Literal["little", "big"], run: Run, tmp_path: Path
) -> None:
    source = capture(tmp_path / "c.scap", byteorder)
    run("filter", "evt.type=poll", source, "-w", tmp_path / "part.scap", "--max-events", 8, *words)
    parts = sorted(tmp_path.glob("part-*.scap"))
    assert len(parts) >= 3
    assert {number for part in parts for number in numbers(part)} == set(range(20))
    assert not (tmp_path / "part.scap").exists()


def test_parts_end_by_time_and_only_the_newest_stay(run: Run, tmp_path: Path) -> None:
    source = capture(tmp_path / "c.scap")
    run("filter", "evt.type=poll", source, "-w", tmp_path / "part.scap", "--minimal", "-G", 5, "-W", 2)
    parts = sorted(tmp_path.glob("part-*.scap"))
    assert [numbers(part) for part in parts] == [list(range(10, 15)), list(range(15, 20))]


def test_rotation_is_for_writing(run: Run, tmp_path: Path) -> None:
    source = capture(tmp_path / "c.scap")
    with pytest.raises(click.UsageError, match="-w"):
        run("filter", "evt.type=poll", source, "-C", 1)
