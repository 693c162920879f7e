"""``dump --blocks``: everything a capture consists of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from scap_formats.blocks import BlockType
from scaptools.testing import CaptureBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    builder = CaptureBuilder().block(BlockType.MI, {"num_cpus": 2, "memory_bytes": 3, "hostname": b"host"})
    builder.event("chdir", [bytes(8), b"/tmp\0"], exit=True).block(0x999, b"what")
    builder.event("close", [(5).to_bytes(8, "little")])
    return builder.write(tmp_path / "c.scap")


def test_every_block_has_its_lines(run: Run, capture: Path) -> None:
    lines = run("dump", "--blocks", capture).output.splitlines()
    assert lines[0] == "@0 SHB (0xa0d0d0a), 28 bytes"
    assert '  hostname: "host"' in lines
    assert '    [1] path: "/tmp"' in lines
    assert "@280 unknown (0x999), 16 bytes" in lines
    assert '  hex: "77686174"' in lines


def test_json_is_one_object_a_block(run: Run, capture: Path) -> None:
    records: list[dict[str, Any]] = [
        json.loads(line) for line in run("dump", "--blocks", "--json", capture).output.splitlines()
    ]
    assert [record["name"] for record in records] == ["SHB", "MI", "EV_V2", "unknown", "EV_V2"]
    assert sum(record["length"] for record in records) == capture.stat().st_size
    assert records[-1]["body"]["params"] == [{"name": "fd", "type": "FD", "value": 5}]


def test_the_limit_counts_blocks_of_all_captures(run: Run, capture: Path) -> None:
    output = run("dump", "--blocks", "--json", "-n", 7, capture, capture).output
    assert [json.loads(line)["name"] for line in output.splitlines()][4:] == ["EV_V2", "SHB", "MI"]
    assert len(run("dump", "--blocks", "--json", "-n", 5, capture, capture).output.splitlines()) == 5


def test_damage_is_shown_where_it_is(run: Run, capture: Path) -> None:
    data = capture.read_bytes()
    capture.write_bytes(data[:280] + b"\xff" * 8 + data[280:])
    heads = [line for line in run("dump", "--blocks", capture).output.splitlines() if line.startswith("@")]
    assert heads[2] == "@220 EV_V2 (0x216), 60 bytes"
    assert heads[3].startswith("@280 damage, ")
    assert heads[-1] == "@304 EV_V2 (0x216), 52 bytes"
    assert run("dump", "--blocks", "--strict", capture).return_value == 3


def test_no_field_goes_with_blocks(run: Run, capture: Path) -> None:
    with pytest.raises(click.UsageError, match="--blocks"):
        run("dump", "--blocks", "--fields", "evt.num", capture)


def test_all_captures_down_to_the_last_byte(run: Run, shared_data: Path) -> None:
    """Nothing is left over, nothing does not fit, and the lengths add up."""

    def left_over(value: Any) -> bool:
        if isinstance(value, dict):
            return any(key in {"rest", "extra", "error"} or left_over(part) for key, part in value.items())
        return isinstance(value, list) and any(map(left_over, value))

    for path in sorted((shared_data / "captures").glob("*.scap")):
        end = 0
        for line in run("dump", "--blocks", "--json", path).output.splitlines():
            block = json.loads(line)
            assert block["offset"] == end, path.name
            assert block["kind"] != "unknown"
            assert not left_over(block), block
            end += block["length"]
        assert end > 0
