from __future__ import annotations

import pytest

from scap_formats.blocks import (
    BLOCKS,
    EVENT_BLOCKS,
    BlockKind,
    BlockType,
    block_size,
    build_frame,
    padded,
    parse_frame,
)
from scap_formats.codec import FormatsError


def test_every_block_id_has_a_layout() -> None:
    assert set(BLOCKS) == set(BlockType)


def test_versions_of_every_kind() -> None:
    versions: dict[BlockKind, set[int]] = {}
    for layout in BLOCKS.values():
        versions.setdefault(layout.kind, set()).add(layout.version)
    assert versions == {
        BlockKind.SECTION: {1},
        BlockKind.MACHINE: {1},
        BlockKind.PROCESSES: set(range(1, 10)),
        BlockKind.DESCRIPTORS: {1, 2},
        BlockKind.INTERFACES: {1, 2},
        BlockKind.USERS: {1, 2},
        BlockKind.EVENT: {1, 2},
    }


@pytest.mark.parametrize(
    ("id_", "has_flags", "large", "has_nparams"),
    [
        (0x204, False, False, False),
        (0x8010ABCD, False, False, False),
        (0x208, True, False, False),
        (0x216, False, False, True),
        (0x217, True, False, True),
        (0x221, False, True, True),
        (0x222, True, True, True),
    ],
)
def test_event_blocks(id_: int, has_flags: bool, large: bool, has_nparams: bool) -> None:
    layout = BLOCKS[id_]
    assert (layout.has_flags, layout.large, layout.has_nparams) == (has_flags, large, has_nparams)
    assert id_ in EVENT_BLOCKS


def test_there_are_no_other_event_blocks() -> None:
    assert len(EVENT_BLOCKS) == 7


def test_pre_release_ids_are_the_layouts_of_version_1() -> None:
    pairs = {"MI": "MI", "PL_V1": "PL_V1", "FDL": "FDL_V1", "EV": "EV_V1", "IL": "IL_V1", "UL": "UL_V1"}
    for old, new in pairs.items():
        assert BLOCKS[BlockType[f"{old}_INT"]] == BLOCKS[BlockType[new]]


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 4), (4, 4), (45, 48)])
def test_padding(size: int, expected: int) -> None:
    assert padded(size) == expected
    assert block_size(size) == expected + 12


def test_frame() -> None:
    block = build_frame(0x204, b"abcd")
    assert block.hex() == "04020000100000006162636410000000"
    assert parse_frame(block) == (0x204, b"abcd", 16)
    assert parse_frame(build_frame(0x204, b"abcd", "big"), "big") == (0x204, b"abcd", 16)


def test_a_wrong_trailer_is_kept() -> None:
    assert parse_frame(build_frame(1, b"abcd")[:-4] + b"\7\0\0\0").trailer == 7


@pytest.mark.parametrize("data", [b"", b"\4\2\0\0\x0c\0\0", b"\4\2\0\0\x08\0\0\0", b"\4\2\0\0\x10\0\0\0\x10\0\0\0"])
def test_what_is_not_one_block(data: bytes) -> None:
    with pytest.raises(FormatsError):
        parse_frame(data)
