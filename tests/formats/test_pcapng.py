from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.codec import ByteOrder, FormatsError, build, parse
from scap_formats.pcapng import (
    InterfaceOption,
    LinkType,
    NameRecord,
    PacketOption,
    PcapngBlock,
    SectionOption,
    UpperPduTag,
    build_pcapng_block,
    name_record,
    option,
    parse_pcapng_block,
    sll2_header,
    split_timestamp,
    tag,
    upper_pdu,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPTIONS = st.lists(st.builds(option, st.integers(1, 2**16 - 1), st.binary(max_size=9)), max_size=3).map(
    lambda options: [*options, option(0)]
)
U32 = st.integers(0, 2**32 - 1)
BODIES: dict[int, st.SearchStrategy[dict[str, Any]]] = {
    PcapngBlock.SHB: st.fixed_dictionaries({"minor": st.just(0), "options": OPTIONS}),
    PcapngBlock.IDB: st.fixed_dictionaries({"linktype": st.sampled_from(LinkType), "snaplen": U32, "options": OPTIONS}),
    PcapngBlock.NRB: st.fixed_dictionaries({"records": OPTIONS, "options": OPTIONS}),
    PcapngBlock.ISB: st.fixed_dictionaries({"interface": U32, "ts_high": U32, "ts_low": U32, "options": OPTIONS}),
    PcapngBlock.EPB: st.fixed_dictionaries(
        {"interface": U32, "ts_high": U32, "ts_low": U32, "data": st.binary(max_size=30), "options": OPTIONS}
    ),
    PcapngBlock.PROCESS: st.fixed_dictionaries({"pid": U32, "options": OPTIONS}),
}


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("block_type", list(PcapngBlock))
@given(data=st.data())
def test_what_is_built_is_parsed(byteorder: ByteOrder, block_type: int, data: st.DataObject) -> None:
    wanted = data.draw(BODIES[block_type])
    block = build_pcapng_block(block_type, wanted, byteorder)
    body = parse_pcapng_block(block, byteorder).body
    assert {key: body[key] for key in wanted} == wanted
    assert body.rest == b""
    assert build_pcapng_block(block_type, body, byteorder) == block


def test_every_block_of_real_files(
    pcapng_path: Path,
    read_capture: Callable[[Path], bytes],
    walk: Callable[[bytes], Iterator[tuple[int, bytes]]],
) -> None:
    linktypes, pdus = [], 0
    for _offset, block in walk(read_capture(pcapng_path)):
        value = parse_pcapng_block(block)
        body = value.body
        assert body.rest == b""
        assert build_pcapng_block(value.block_type, body) == block
        if value.block_type == PcapngBlock.IDB:
            linktypes.append(body.linktype)
        if value.block_type == PcapngBlock.EPB and linktypes[body.interface] == LinkType.UPPER_PDU:
            packet = parse(upper_pdu(), body.data)
            assert packet.tags[-1] == tag(UpperPduTag.END)
            assert build(upper_pdu(), packet) == body.data
            pdus += 1
        if value.block_type == PcapngBlock.EPB and linktypes[body.interface] == LinkType.SLL2:
            header = parse(sll2_header(), body.data[:20])
            assert (header.protocol, header.hardware_type) == (0x0800, 65534)
            assert build(sll2_header(), header) == body.data[:20]
    assert linktypes
    assert (pdus > 0) == (LinkType.UPPER_PDU in linktypes)


def test_upper_pdu_packet() -> None:
    tags = [
        tag(UpperPduTag.DISSECTOR, b"json"),
        tag(UpperPduTag.IPV4_SOURCE, bytes([198, 51, 100, 7])),
        tag(UpperPduTag.ORIGINAL_FRAME, (1).to_bytes(4, "big")),
        tag(UpperPduTag.PROTOCOL, b"aws_cloudtrail"),
        tag(UpperPduTag.END),
    ]
    assert (
        build(upper_pdu(), {"tags": tags, "payload": b"{}"}).hex()
        == ("000c00046a736f6e00140004c6336407001e000400000001002100106177735f636c6f7564747261696c000000000000")
        + b"{}".hex()
    )


def test_tags_without_padding_in_their_length_are_read() -> None:
    packet = parse(upper_pdu(), bytes.fromhex("00210003") + b"abc\0" + bytes(4) + b"payload")
    assert [(entry.code, entry.value) for entry in packet.tags] == [(33, b"abc"), (0, b"")]
    assert packet.payload == b"payload"


def test_packet_lengths() -> None:
    packet = {"interface": 1, "ts_high": 2, "ts_low": 3, "data": b"abcde"}
    block = build_pcapng_block(PcapngBlock.EPB, packet)
    assert block.hex() == ("06000000280000000100000002000000030000000500000005000000616263646500000028000000")
    body = parse_pcapng_block(build_pcapng_block(PcapngBlock.EPB, {**packet, "original_length": 900})).body
    assert (body.captured_length, body.original_length) == (5, 900)


def test_names() -> None:
    body = {"records": [name_record(bytes([10, 0, 0, 1]), [b"a", b"b"]), name_record(bytes(16), [b"c"]), option(0)]}
    records = parse_pcapng_block(build_pcapng_block(PcapngBlock.NRB, body)).body.records
    assert [(record.code, record.value) for record in records] == [
        (NameRecord.IPV4, b"\x0a\0\0\1a\0b\0"),
        (NameRecord.IPV6, bytes(16) + b"c\0"),
        (NameRecord.END, b""),
    ]
    with pytest.raises(FormatsError, match="an address of 5 bytes"):
        name_record(bytes(5), [])


def test_timestamps_are_two_words() -> None:
    assert split_timestamp(1600000000000000000) == (0x16345785, 0xD8A00000)


def test_option_numbers() -> None:
    assert (SectionOption.APPLICATION, InterfaceOption.TSRESOL, PacketOption.PACKET_ID) == (4, 9, 5)


def test_unknown_blocks() -> None:
    block = bytes.fromhex("09000000 10000000 61626364 10000000")
    assert parse_pcapng_block(block).body == b"abcd"
    with pytest.raises(FormatsError, match="block id 0x9 has no pcapng layout"):
        build_pcapng_block(9, {})
