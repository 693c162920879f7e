from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.blocks import BLOCKS, BlockKind, BlockType
from scap_formats.bodies import body_schema, build_block, parse_block
from scap_formats.codec import ByteOrder, FormatsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Block kinds and versions the real captures are known to hold, and event blocks in all of them.
SEEN = {
    "SHB": 13, "MI": 11, "IL_V1": 7, "IL_V2": 4, "UL_V1": 7, "UL_V2": 4, "PL_V5": 2, "PL_V6": 3, "PL_V7": 1,
    "PL_V8": 1, "PL_V9": 4, "FDL_V1": 825, "FDL_V2": 560, "EV_V1": 5514, "EV_V2": 5097, "EV_V2_LARGE": 2,
}  # fmt: skip


def test_blocks_of_real_captures_are_built_as_they_were(
    capture_path: Path,
    read_capture: Callable[[Path], bytes],
    walk: Callable[[bytes], Iterator[tuple[int, bytes]]],
) -> None:
    for offset, block in walk(read_capture(capture_path)):
        value = parse_block(block, offset=offset)
        assert value.trailer == value.block_length
        assert value.body.get("rest", b"") == b""
        assert value.body.get("padding") is None
        assert build_block(value.block_type, value.body) == block


def test_real_captures_hold_what_they_should(
    captures: Path,
    read_capture: Callable[[Path], bytes],
    walk: Callable[[bytes], Iterator[tuple[int, bytes]]],
) -> None:
    paths = [*captures.glob("*.scap"), *(captures.parent / "wireshark").glob("*.scap")]
    blocks = (block for path in paths for _offset, block in walk(read_capture(path)))
    seen = Counter(BlockType(int.from_bytes(block[:4], "little")).name for block in blocks)
    assert seen == SEEN


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_every_known_id_has_a_schema(byteorder: ByteOrder) -> None:
    for id_ in BLOCKS:
        assert body_schema(id_, byteorder) is not None
        assert body_schema(id_, byteorder) is body_schema(id_, byteorder)


def test_unknown_ids_keep_their_body() -> None:
    block = build_block(0x0BADCAFE, b"whatever")
    value = parse_block(block)
    assert (value.block_type, value.body) == (0x0BADCAFE, b"whatever")
    assert build_block(value.block_type, value.body) == block
    with pytest.raises(FormatsError, match="block id 0xbadcafe has no layout"):
        build_block(0x0BADCAFE, {})


def test_offsets_of_errors_count_from_the_file() -> None:
    with pytest.raises(FormatsError) as caught:
        parse_block(build_block(0x201, bytes(3)), offset=5000)
    assert caught.value.offset is not None
    assert 5008 <= caught.value.offset <= 5011


@given(
    block_type=st.sampled_from([id_ for id_, layout in BLOCKS.items() if layout.kind is not BlockKind.EVENT]),
    body=st.binary(max_size=120),
    byteorder=st.sampled_from(["little", "big"]),
)
def test_any_body_is_read_or_refused(block_type: int, body: bytes, byteorder: ByteOrder) -> None:
    block = build_block(block_type, body, byteorder)
    try:
        value = parse_block(block, byteorder)
    except FormatsError:
        return
    assert build_block(block_type, value.body, byteorder) == block


@given(data=st.data(), junk=st.binary(max_size=3))
def test_every_list_keeps_the_bytes_after_its_entries(data: st.DataObject, junk: bytes) -> None:
    block_type = data.draw(st.sampled_from([0x202, 0x205, 0x206, 0x215, 0x219, 0x220]))
    block = build_block(block_type, junk)
    value = parse_block(block)
    assert value.body.entries == []
    assert build_block(block_type, value.body) == block
