from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.blocks import BLOCKS, BlockKind
from scap_formats.bodies import build_block, parse_block
from scap_formats.codec import ByteOrder, FormatsError, build, parse
from scap_formats.events import event_body, length_width, v1_nparams
from scap_formats.header import DumpFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPEN_EXIT = bytes.fromhex(
    """
    04020000 50000000
    0000
    04cca30e0da76714 684e000000000000 3f000000 0300
    0800 1100 0400 0400
    0300000000000000
    2f6574632f6c642e736f2e636163686500
    01100000 00000000
    000000
    50000000
    """
)
EVENT_IDS = [id_ for id_, layout in BLOCKS.items() if layout.kind is BlockKind.EVENT]


def v2(event_type: int, lens: bytes, data: bytes, *, nparams: int, large: bool = False, slack: int = 0) -> Any:
    """Parse a v2 event made by hand."""
    length = 26 + len(lens) + len(data)
    body = struct.pack("<HQqIHI", 0, 1, 2, length, event_type, nparams) + lens + data + bytes(slack)
    return parse(event_body("little", has_nparams=True, has_flags=False, large=large), body)


def v1(event_type: int, lens: bytes, data: bytes, *, excess: int = 0, after: bytes = b"") -> Any:
    """Parse a v1 event made by hand."""
    length = 22 + len(lens) + len(data) + excess
    body = struct.pack("<HQqIH", 0, 1, 2, length, event_type) + lens + data + after
    value = parse(event_body("little", has_nparams=False, has_flags=False), body)
    assert build(event_body("little", has_nparams=False, has_flags=False), value) == body
    return value


def test_open_exit_of_a_v1_block() -> None:
    body = parse_block(OPEN_EXIT).body
    assert (body.cpu, body.ts, body.tid, body.length, body.type) == (0, 1470327477881785348, 20072, 63, 3)
    assert (body.nparams, body.lens) == (4, [8, 17, 4, 4])
    assert body.params == [b"\3\0\0\0\0\0\0\0", b"/etc/ld.so.cache\0", b"\x01\x10\0\0", bytes(4)]
    assert build_block(0x204, body) == OPEN_EXIT


def test_open_exit_is_in_the_capture(captures: Path, read_capture: Callable[[Path], bytes]) -> None:
    data = read_capture(captures / "cat_write.scap")
    assert data[92804 : 92804 + 80] == OPEN_EXIT


def test_building_needs_no_lengths() -> None:
    body = {"cpu": 0, "ts": 1, "tid": 2, "type": 5, "params": [bytes(8), bytes(8)]}
    value = parse_block(build_block(0x216, body)).body
    assert (value.length, value.nparams, value.lens) == (26 + 4 + 16, 2, [8, 8])
    assert (value.padding, value.options, value.rest) == (None, [], b"")


def test_changed_params_change_the_lengths() -> None:
    value = parse_block(OPEN_EXIT).body
    value.params[1] = b"/etc/passwd\0"
    again = parse_block(build_block(0x204, value)).body
    assert (again.lens, again.length) == ([8, 12, 4, 4], 58)


@pytest.mark.parametrize(
    ("lens", "size", "expected"),
    [((), 0, 0), ((8, 17, 4, 4), 41, 4), ((0, 0, 0), 4, 2), ((1,), 4, None), ((5, 5), 4, None), ((), 2, None)],
)
def test_number_of_v1_parameters(lens: tuple[int, ...], size: int, expected: int | None) -> None:
    assert v1_nparams(iter(lens), size) == expected


@pytest.mark.parametrize("event_type", [280, 286])
def test_notification_lengths_are_3_too_large(event_type: int) -> None:
    lens, data = struct.pack("<2H", 3, 5), b"id\0desc\0"
    for excess in (0, 3):
        value = v1(event_type, lens, data, excess=excess)
        assert (value.params, value.length_excess) == ([b"id\0", b"desc\0"], excess)
    with pytest.raises(FormatsError, match="no number of parameters fits"):
        v1(3, lens, data, excess=3, after=bytes(3))


@given(params=st.lists(st.binary(max_size=9), min_size=2, max_size=2), excess=st.sampled_from([0, 3]))
def test_notifications_with_the_parameters_of_the_table_are_never_mistaken(params: list[bytes], excess: int) -> None:
    lens = struct.pack("<2H", *map(len, params))
    value = v1(280, lens, b"".join(params), excess=excess)
    assert (value.params, value.length_excess) == (params, excess)


def test_v1_lengths_that_do_not_fit() -> None:
    with pytest.raises(FormatsError, match="lens: no number of parameters fits an event of 26 bytes"):
        v1(3, struct.pack("<H", 3), b"ab")


@pytest.mark.parametrize(
    ("event_type", "width"), [(3, 2), (322, 4), (324, 4), (402, 4), (453, 2), (454, None), (-1, None)]
)
def test_width_of_lengths(event_type: int, width: int | None) -> None:
    assert length_width(event_type) == width


@pytest.mark.parametrize("large", [False, True])
def test_width_follows_the_type_and_not_the_block(large: bool) -> None:
    assert v2(322, struct.pack("<2I", 4, 2), b"\1\0\0\0hi", nparams=2, large=large).params == [b"\1\0\0\0", b"hi"]
    assert v2(4, struct.pack("<H", 8), bytes(8), nparams=1, large=large).params == [bytes(8)]
    with pytest.raises(FormatsError):
        v2(322, struct.pack("<2H", 4, 2), b"\1\0\0\0hi", nparams=2, large=large)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("code", "width"), [("H", 2), ("I", 4)])
def test_unknown_types_take_the_width_that_tiles(large: bool, code: str, width: int) -> None:
    value = v2(9999, struct.pack(f"<2{code}", 1, 2), b"abc", nparams=2, large=large)
    assert (value.params, value.length_width) == ([b"a", b"bc"], width)
    again = parse_block(build_block(0x221 if large else 0x216, value)).body
    assert (again.params, again.length) == (value.params, value.length)


def test_unknown_types_need_an_exact_tiling() -> None:
    with pytest.raises(FormatsError, match="2 parameters do not fit an event of 35 bytes"):
        v2(9999, struct.pack("<2H", 1, 2), b"abcde", nparams=2)


def test_slack_of_known_types_is_kept() -> None:
    value = v2(4, struct.pack("<H", 8), bytes(8) + b"slack", nparams=1)
    assert value.slack == b"slack"
    assert parse_block(build_block(0x216, value)).body.slack == b"slack"


@pytest.mark.parametrize(
    ("length", "nparams"), [(0, 0), (25, 0), (26, 1), (26, 2**32 - 1), (2**32 - 1, 0), (28, 1), (40, 0)]
)
def test_lengths_that_are_nonsense(length: int, nparams: int) -> None:
    body = struct.pack("<HQqIHI", 0, 1, 2, length, 3, nparams) + b"\x09\0"
    with pytest.raises(FormatsError):
        parse(event_body("little", has_nparams=True, has_flags=False), body)


def test_a_parameter_too_long_for_its_length() -> None:
    body = {"cpu": 0, "ts": 1, "tid": 2, "type": 3, "params": [bytes(65536)]}
    with pytest.raises(FormatsError, match="lens: a parameter does not fit 2-byte lengths"):
        build_block(0x216, body)
    assert len(parse_block(build_block(0x221, {**body, "type": 322})).body.params[0]) == 65536


def test_options_after_the_padding(
    captures: Path, read_capture: Callable[[Path], bytes], walk: Callable[[bytes], Iterator[tuple[int, bytes]]]
) -> None:
    comments: dict[int, list[tuple[int, bool]]] = {}
    for offset, block in walk(read_capture(captures / "curl_google_comments.scap")):
        if block[:4] == b"\x04\2\0\0":
            options = parse_block(block).body.options
            comments |= {offset: [(option.code, bool(option.value)) for option in options]} if options else {}
    assert comments == {offset: [(1, True), (0, False)] for offset in (54676, 66468, 68936)}


def test_dump_flags() -> None:
    body = {"cpu": 3, "dump_flags": DumpFlag.STATE_ONLY, "ts": 1, "tid": 2, "type": 4, "params": [bytes(8)]}
    for block_type in (0x208, 0x217, 0x222):
        value = parse_block(build_block(block_type, body)).body
        assert (value.cpu, value.dump_flags, value.type) == (3, 1, 4)


EVENTS = st.fixed_dictionaries(
    {
        "cpu": st.integers(0, 2**16 - 1),
        "dump_flags": st.integers(0, 7),
        "ts": st.integers(0, 2**64 - 1),
        "tid": st.integers(-(2**63), 2**63 - 1),
        "type": st.sampled_from([0, 3, 322, 402, 453]),
        "params": st.lists(st.binary(max_size=30), max_size=5),
        "options": st.lists(
            st.fixed_dictionaries({"code": st.integers(1, 2**16 - 1), "value": st.binary(max_size=9)}), max_size=2
        ),
    }
)


@pytest.mark.parametrize("byteorder", ["little", "big"])
@given(event=EVENTS, block_type=st.sampled_from(EVENT_IDS))
def test_what_is_built_is_parsed(byteorder: ByteOrder, event: dict[str, Any], block_type: int) -> None:
    block = build_block(block_type, event, byteorder)
    value = parse_block(block, byteorder)
    body = value.body
    assert (value.block_type, value.block_length, value.trailer) == (block_type, len(block), len(block))
    keys = ["cpu", "ts", "tid", "type", "params", *(["dump_flags"] if BLOCKS[block_type].has_flags else [])]
    assert {key: body[key] for key in keys} == {key: event[key] for key in keys}
    assert [(option.code, option.value) for option in body.options] == [
        (option["code"], option["value"]) for option in event["options"]
    ]
    assert build_block(block_type, body, byteorder) == block


@given(data=st.binary(max_size=120), block_type=st.sampled_from(EVENT_IDS))
def test_any_bytes_are_an_event_or_an_error(data: bytes, block_type: int) -> None:
    block = build_block(block_type, data)
    try:
        value = parse_block(block)
    except FormatsError:
        return
    assert build_block(block_type, value.body) == block
