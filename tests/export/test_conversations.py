from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.codec import parse
from scap_formats.pcapng import sll2_header
from scaptools import CaptureWriter, open_capture
from scaptools.export.conversations import rebuilt_packets
from scaptools.export.hostnames import HostNames
from scaptools.export.segments import (
    ACK,
    FIN,
    INCOMING,
    MAX_DATA,
    OUTGOING,
    PSH,
    SYN,
    TCP,
    UDP,
    Endpoint,
    tcp_packet,
    udp_packet,
)
from scaptools.export.sockets import Act, Connection, SocketCall
from scaptools.export.wireshark import WiresharkExport
from scaptools.testing import CaptureBuilder

CLIENT, SERVER = Endpoint(bytes([10, 1, 2, 3]), 40000), Endpoint(bytes([203, 0, 113, 80]), 80)


class Calls:
    """Socket calls of one connection, as the collector has them."""

    def __init__(self, protocol: int, *calls: tuple[Act, bool, bytes | int]) -> None:
        self.connections = [Connection(CLIENT, SERVER, protocol)]
        self.writers = {(0, from_client) for act, from_client, _ in calls if act is Act.SEND}
        self._calls = []
        for index, (act, from_client, moved) in enumerate(calls):
            data, length = (moved, len(moved)) if isinstance(moved, bytes) else (b"x" * min(moved, 80), moved)
            self._calls.append(SocketCall(index, index, 0, act, from_client, 0, 0, "host", length, data))

    def calls(self) -> list[SocketCall]:
        return self._calls


def rebuilt(calls: Calls) -> list[tuple[str, str, int, int, int]]:
    """Direction, flags, relative sequence and acknowledgement numbers, and data length of each packet."""
    found = []
    for packet in rebuilt_packets(calls):  # type: ignore[arg-type]
        tcp = packet.data[40:]
        to_server = int.from_bytes(tcp[2:4], "big") == SERVER.port
        isn = (1000, 5000) if to_server else (5000, 1000)
        flags = "".join(letter for letter, bit in (("S", SYN), ("F", FIN), ("P", PSH), ("A", ACK)) if tcp[13] & bit)
        sequence, acknowledged = int.from_bytes(tcp[4:8], "big"), int.from_bytes(tcp[8:12], "big")
        relative = sequence - isn[0], acknowledged - isn[1] if "A" in flags else 0
        found.append((">" if to_server else "<", flags, *relative, packet.length - 60))
    return found


def test_a_connection_seen_by_its_client() -> None:
    calls = Calls(
        TCP,
        (Act.CONNECT, True, b""),
        (Act.SEND, True, b"GET"),
        (Act.RECEIVE, True, 1000),
        (Act.CLOSE, True, b""),
    )
    assert rebuilt(calls) == [
        (">", "S", 0, 0, 0),
        ("<", "SA", 0, 1, 0),
        (">", "A", 1, 1, 0),
        (">", "PA", 1, 1, 3),
        ("<", "PA", 1, 4, 1000),
        (">", "FA", 4, 1001, 0),
        ("<", "FA", 1001, 5, 0),
        (">", "A", 5, 1002, 0),
    ]


def test_of_both_ends_the_writer_is_believed() -> None:
    calls = Calls(
        TCP,
        (Act.CONNECT, True, b""),
        (Act.ACCEPT, False, b""),
        (Act.SEND, True, b"ping"),
        (Act.RECEIVE, False, b"pi"),
        (Act.RECEIVE, False, b"ng"),
        (Act.SEND, False, b"pong"),
        (Act.CLOSE, False, b""),
        (Act.RECEIVE, True, b"pong"),
        (Act.CLOSE, True, b""),
    )
    assert rebuilt(calls)[3:] == [
        (">", "PA", 1, 1, 4),
        ("<", "PA", 1, 5, 4),
        (">", "FA", 5, 5, 0),
        ("<", "FA", 5, 6, 0),
        (">", "A", 6, 6, 0),
    ]


def test_what_does_not_fit_a_packet_is_split_and_used_again() -> None:
    calls = Calls(TCP, (Act.SEND, True, 2 * MAX_DATA + 5), (Act.CLOSE, True, b""), (Act.CONNECT, True, b""))
    found = rebuilt(calls)
    assert [length for *_, length in found[:3]] == [MAX_DATA, MAX_DATA, 5]
    assert [sequence for _, _, sequence, _, _ in found[:3]] == [0, MAX_DATA, 2 * MAX_DATA]
    assert [flags for _, flags, *_ in found[3:]] == ["FA", "FA", "A", "S", "SA", "A"]


def test_a_close_that_is_not_the_last_says_nothing() -> None:
    calls = Calls(TCP, (Act.SEND, True, b"a"), (Act.CLOSE, True, b""), (Act.SEND, True, b"b"))
    assert [flags for _, flags, *_ in rebuilt(calls)] == ["PA", "PA"]


def test_datagrams_are_packets_each() -> None:
    calls = Calls(
        UDP, (Act.CONNECT, True, b""), (Act.SEND, True, b"q"), (Act.RECEIVE, True, b"a"), (Act.CLOSE, True, b"")
    )
    packets = list(rebuilt_packets(calls))  # type: ignore[arg-type]
    assert [(packet.data[-1:], packet.incoming) for packet in packets] == [(b"q", False), (b"a", True)]


def words(data: bytes) -> int:
    """The sum the Internet checksum is made of, added up one word at a time."""
    data += bytes(len(data) % 2)
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2], "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=50), st.booleans(), st.booleans())
def test_checksums_are_right_where_all_data_is_there(data: bytes, is_ipv6: bool, is_udp: bool) -> None:
    source, target = CLIENT, SERVER
    if is_ipv6:
        source, target = Endpoint(bytes(range(16)), 1), Endpoint(bytes(range(16, 32)), 2)
    if is_udp:
        packet = udp_packet(source, target, OUTGOING, data, len(data))
    else:
        packet = tcp_packet(source, target, OUTGOING, PSH | ACK, (2**32 + 5, 7), data, len(data))
    cooked = parse(sll2_header(), packet[:20])
    assert (cooked.protocol, cooked.packet_type) == (0x86DD if is_ipv6 else 0x0800, 4)
    size = 40 if is_ipv6 else 20
    header, body = packet[20 : 20 + size], packet[20 + size :]
    assert is_ipv6 or words(header) == 0xFFFF
    pseudo = (
        source.address + target.address + len(body).to_bytes(4, "big") + (UDP if is_udp else TCP).to_bytes(4, "big")
    )
    assert words(pseudo + body) == 0xFFFF


def test_cut_data_keeps_its_length() -> None:
    packet = udp_packet(CLIENT, SERVER, INCOMING, b"abc", 100)
    assert int.from_bytes(packet[22:24], "big") == 20 + 8 + 100
    assert packet[40:48] == b"\x9c\x40\x00\x50" + (108).to_bytes(2, "big") + b"\0\0"
    assert packet[48:] == b"abc"


ANSWER = (
    b"\x07\x02\x81\x80\0\1\0\3\0\0\0\0\3www\6google\3com\0\0\x1c\0\1"
    b"\xc0\x0c\0\x05\0\1\0\0\0\1\0\2\xc0\x10"
    b"\xc0\x0c\0\x1c\0\1\0\0\0\1\0\x10" + bytes(range(1, 17)) + b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x01\x02\x03\x04"
)


def resolved(message: bytes) -> dict[bytes, list[bytes]]:
    names = HostNames()
    names.add_answer(message)
    return {address: list(each) for address, each in names._names.items()}


def test_answers_name_addresses() -> None:
    assert resolved(ANSWER) == {bytes(range(1, 17)): [b"www.google.com"], bytes([1, 2, 3, 4]): [b"www.google.com"]}
    assert resolved(ANSWER[:2] + b"\x01" + ANSWER[3:]) == {}


@given(st.integers(0, len(ANSWER)), st.integers(0, len(ANSWER) - 1), st.integers(0, 255))
def test_damaged_answers_name_less(length: int, place: int, byte: int) -> None:
    assert set(resolved(ANSWER[:length])) <= set(resolved(ANSWER))
    resolved(ANSWER[:place] + bytes([byte]) + ANSWER[place + 1 :])


def test_names_in_circles_end() -> None:
    assert resolved(ANSWER[:12] + b"\xc0\x0c" + ANSWER[14:]) == {}


def number(value: int, size: int = 8) -> bytes:
    return value.to_bytes(size, "little", signed=value < 0)


def socket_tuple(source: Endpoint, target: Endpoint) -> bytes:
    ends = (end.address + number(end.port, 2) for end in (source, target))
    return b"\2" + b"".join(ends)


@pytest.mark.interop
def test_tshark_follows_a_connection_both_ends_of_which_are_seen(tmp_path: Path, tshark: str) -> None:
    ends = socket_tuple(Endpoint(b"\x7f\0\0\1", 40000), Endpoint(b"\x7f\0\0\1", 80))
    request = b"GET /x HTTP/1.1\r\nHost: www.example\r\n\r\n"
    answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno"
    builder = (
        CaptureBuilder()
        .event("socket", [number(2, 4), number(1, 4), number(0, 4)], tid=1)
        .event("socket", [number(3), number(2, 4), number(1, 4), number(0, 4)], tid=1, exit=True)
        .event("connect", [number(3), b""], tid=1)
        .event("connect", [number(0), ends, number(3), b""], tid=1, exit=True)
        .event(388, [number(0, 4)], tid=2)
        .event(389, [number(9), ends, b"\0", number(0, 4), number(0, 4), number(0, 4)], tid=2)
        .event(6, [number(9), number(500, 4)], tid=2)
        .event(119, [number(len(request)), request, number(3), number(500, 4)], tid=1)
        .event(7, [number(len(request)), request, number(9), number(500, 4)], tid=2)
        .event(119, [number(len(answer)), answer, number(9), number(500, 4)], tid=2)
        .event(5, [number(0), number(9)], tid=2)
        .event(7, [number(len(answer)), answer, number(3), number(500, 4)], tid=1)
        .event(5, [number(0), number(3)], tid=1)
    )
    path = tmp_path / "out.pcapng"
    capture = open_capture(io.BytesIO(builder.to_bytes()))
    with CaptureWriter(path) as writer:
        WiresharkExport(capture.catalog, packets=True, events=False).run(capture.reader, writer)

    def shown(*options: str) -> list[str]:
        done = subprocess.run([tshark, "-r", path, *options], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert shown("-Y", "_ws.malformed || tcp.analysis.flags") == []
    assert len(shown()) == 3 + 2 + 3
    assert len(shown("-Y", "http.response.code==502")) == 1
    assert len(shown("-Y", 'http.request.uri=="/x"')) == 1


def test_no_length_makes_packets_without_end() -> None:
    calls = Calls(TCP, (Act.SEND, True, 2**62))
    packets = list(rebuilt_packets(calls))  # type: ignore[arg-type]
    assert len(packets) == 256
    assert all(len(packet.data) <= 60 + 80 for packet in packets)


def test_names_have_bounds() -> None:
    names = HostNames()
    for index in range(1000):
        names.add(b"\1\2\3\4", b"%0200d" % index)
    names.add(b"\1\2\3\5", b"x" * 256)
    names.add(bytes(4), b"nowhere")
    (block,) = names.block()
    assert block.count(b"\1\2\3\4") == 1
    assert block.count(b"0" * 190) == 64
    assert HostNames().block() == []
