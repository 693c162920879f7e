"""Conversations: packets rebuilt from socket calls, in order of time.

A TCP connection starts with a handshake where its connect or accept was seen, and ends with the last close of an end.
What an end sent is told by its own calls where the capture has them, else by what the other end received. Handshakes,
acknowledgements and ends are made up, as are initial sequence numbers, which are always the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from scaptools.export.segments import ACK, FIN, INCOMING, MAX_DATA, OUTGOING, PSH, SYN, TCP, tcp_packet, udp_packet
from scaptools.export.sockets import Act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.export.sockets import Connection, SocketCall, SocketCalls

_CLIENT_ISN, _SERVER_ISN = 1000, 5000
#: Packets a call makes at most beyond those that hold its data; a damaged event may tell of any number of bytes.
_MOST_PIECES = 256


class NetworkPacket(NamedTuple):
    """A packet, the call it comes from, and whether it came in; ``length`` is that of the packet before it was cut."""

    call: SocketCall
    data: bytes
    length: int
    incoming: bool


@dataclass(slots=True)
class _Stream:
    """A connection as far as it is rebuilt; ``sent`` are the next sequence numbers of server and client."""

    connection: Connection
    sent: list[int] = field(default_factory=lambda: [_SERVER_ISN, _CLIENT_ISN])
    opened: set[bool] = field(default_factory=set)
    started: bool = False
    closing: SocketCall | None = None

    def segment(
        self, call: SocketCall, from_client: bool, flags: int, data: bytes = b"", length: int = 0
    ) -> NetworkPacket:
        """The next segment of one end."""
        client, server, _ = self.connection
        source, target = (client, server) if from_client else (server, client)
        incoming = from_client != call.from_client
        acknowledged = self.sent[not from_client] if flags & ACK else 0
        numbers = self.sent[from_client], acknowledged
        packet = tcp_packet(source, target, INCOMING if incoming else OUTGOING, flags, numbers, data, length)
        self.sent[from_client] += length + bool(flags & (SYN | FIN))
        return NetworkPacket(call, packet, len(packet) - len(data) + length, incoming)

    def handshake(self, call: SocketCall) -> Iterator[NetworkPacket]:
        """The three packets that open a connection."""
        yield self.segment(call, True, SYN)
        yield self.segment(call, False, SYN | ACK)
        yield self.segment(call, True, ACK)

    def end(self) -> Iterator[NetworkPacket]:
        """The three packets that close it, if it was closed."""
        call = self.closing
        if call is not None and self.started:
            yield self.segment(call, call.from_client, FIN | ACK)
            yield self.segment(call, not call.from_client, FIN | ACK)
            yield self.segment(call, call.from_client, ACK)


def rebuilt_packets(calls: SocketCalls) -> Iterator[NetworkPacket]:
    """The packets of all calls; a close is delivered late, once it is known to be the last."""
    streams: dict[int, _Stream] = {}
    for call in calls.calls():
        connection = calls.connections[call.connection]
        if connection.protocol == TCP:
            yield from _tcp(call, streams, connection, calls.writers)
        elif call.act in {Act.SEND, Act.RECEIVE}:
            yield from _udp(call, connection, calls.writers)
    for stream in streams.values():
        yield from stream.end()


def _tcp(
    call: SocketCall, streams: dict[int, _Stream], connection: Connection, writers: set[tuple[int, bool]]
) -> Iterator[NetworkPacket]:
    stream = streams.setdefault(call.connection, _Stream(connection))
    if call.act in {Act.CONNECT, Act.ACCEPT}:
        if call.from_client in stream.opened or (stream.closing is not None and stream.started):
            yield from stream.end()
            stream = streams[call.connection] = _Stream(connection)
        stream.opened.add(call.from_client)
        if not stream.started:
            stream.started = True
            yield from stream.handshake(call)
    elif call.act is Act.CLOSE:
        stream.closing = call
    else:
        sender = call.from_client == (call.act is Act.SEND)
        if call.act is Act.RECEIVE and (call.connection, sender) in writers:
            return
        stream.started, stream.closing = True, None
        for data, length in _pieces(call):
            yield stream.segment(call, sender, PSH | ACK, data, length)


def _udp(call: SocketCall, connection: Connection, writers: set[tuple[int, bool]]) -> Iterator[NetworkPacket]:
    sender = call.from_client == (call.act is Act.SEND)
    if call.act is Act.RECEIVE and (call.connection, sender) in writers:
        return
    client, server, _ = connection
    source, target = (client, server) if sender else (server, client)
    incoming = call.act is Act.RECEIVE
    for data, length in _pieces(call):
        packet = udp_packet(source, target, INCOMING if incoming else OUTGOING, data, length)
        yield NetworkPacket(call, packet, len(packet) - len(data) + length, incoming)


def _pieces(call: SocketCall) -> Iterator[tuple[bytes, int]]:
    """What fits into one packet each, and how long it was."""
    length = min(call.length, max(len(call.data), _MOST_PIECES * MAX_DATA))
    for start in range(0, length, MAX_DATA):
        yield call.data[start : start + MAX_DATA], min(MAX_DATA, length - start)
