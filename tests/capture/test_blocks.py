from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from scap_formats.blocks import BlockType
from scaptools.capture.blocks import iterate_blocks, plain
from scaptools.capture.reader import open_reader
from scaptools.testing import CaptureBuilder

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "captures"
NAMES = sorted(path.name for path in CAPTURES.glob("*.scap")) or ["(none)"]


def blocks_of(data: bytes, **options: int) -> list[dict[str, Any]]:
    blocks = list(iterate_blocks(open_reader(io.BytesIO(data), **options)))
    json.dumps(blocks)
    return blocks


@pytest.mark.parametrize("name", NAMES)
def test_every_block_of_real_captures_is_decoded_to_the_last_byte(name: str, shared_data: Path) -> None:
    reader = open_reader(shared_data / "captures" / name)
    position = 0
    for block in iterate_blocks(reader):
        json.dumps(block)
        assert block["offset"] == position
        assert not block.keys() & {"error", "damage"}
        assert block["kind"] != "unknown"
        body = block["body"]
        assert isinstance(body, dict)
        assert not body.keys() & {"rest", "slack"}
        for param in body.get("params", []):  # type: ignore[union-attr]
            assert "error" not in param, block  # type: ignore[operator]
        position += int(block["length"])  # type: ignore[call-overload]
    assert position == reader.decompressed_bytes


def test_an_event_has_named_values() -> None:
    (_, event) = blocks_of(CaptureBuilder().event(6, [(7).to_bytes(8, "little"), (9).to_bytes(4, "little")]).to_bytes())
    assert event["name"] == "EV_V2"
    assert (event["body"]["event"], event["body"]["direction"]) == ("read", ">")
    assert event["body"]["params"] == [
        {"name": "fd", "type": "FD", "value": 7},
        {"name": "size", "type": "UINT32", "value": 9},
    ]


def test_unknown_and_broken_blocks_are_told_in_hexadecimal() -> None:
    data = (
        CaptureBuilder().block(0x999, b"\1\2").block(BlockType.UL_V2, b"\xff\0\0\0abcd").event(9999, [b"\1"]).to_bytes()
    )
    _, unknown, broken, event = blocks_of(data)
    assert (unknown["kind"], unknown["body"]) == ("unknown", {"hex": "0102"})
    assert broken["body"] == {"hex": "ff00000061626364"}
    assert "entry" in broken["error"]
    assert event["body"]["params"] == [{"name": None, "hex": "01"}]


def test_damage_is_in_its_place() -> None:
    before = CaptureBuilder().event("read").to_bytes()
    after = CaptureBuilder().event("open").event("close").event("write").to_bytes()[28:]
    blocks = blocks_of(before + b"\xff" * 8 + after)
    assert [block.get("damage", block.get("name")) for block in blocks] == [
        "SHB", "EV_V2", "not a valid block", "EV_V2", "EV_V2", "EV_V2"
    ]  # fmt: skip
    assert (blocks[2]["offset"], blocks[2]["length"]) == (len(before), 8)


def test_addresses_lists_and_bytes() -> None:
    assert plain({"sip": b"\x7f\0\0\1", "args": b"-a\0-b\0", "name": b"\xff", "_io": 1, "rest": b""}) == {
        "sip": "127.0.0.1",
        "args": ["-a", "-b"],
        "name": {"hex": "ff"},
    }


def test_sections_of_both_byte_orders_in_one_file() -> None:
    little, big = CaptureBuilder(), CaptureBuilder("big")
    for builder in (little, big):
        for ts in (1, 2, 3):
            builder.event(6, [(7).to_bytes(8, builder.byteorder), (9).to_bytes(4, builder.byteorder)], ts=ts)
    data = little.to_bytes() + big.to_bytes() + little.to_bytes()
    for window_bytes in (1 << 20, 100):
        blocks = blocks_of(data, window_bytes=window_bytes)
        assert [block["body"].get("ts") for block in blocks] == [None, 1, 2, 3] * 3
        assert {block["body"]["params"][0]["value"] for block in blocks if block["kind"] == "event"} == {7}
        reader = open_reader(io.BytesIO(data), window_bytes=window_bytes)
        batches = list(reader.batches())
        assert [ts for batch in batches for ts in batch.header("ts").tolist()] == [1, 2, 3] * 3
        assert not reader.damage
        assert len(reader.sections) == 3


def test_damage_before_a_section_of_the_other_byte_order_ends_there() -> None:
    little, big = CaptureBuilder().event("read"), CaptureBuilder("big").event("read", ts=5)
    reader = open_reader(io.BytesIO(little.to_bytes() + bytes(range(1, 20)) + big.to_bytes()))
    assert [ts for batch in reader.batches() for ts in batch.header("ts").tolist()][-1] == 5
    assert [damage.length for damage in reader.damage] == [19]
