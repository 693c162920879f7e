"""Sockets: how binding, connecting and transfers change what is known about one.

Every rule takes a descriptor and returns the changed one. Addresses that nobody has set are all zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scap_formats.descriptors import DescriptorType, L4Protocol
from scaptools.state.descriptors import (
    CONNECTIONS,
    INET,
    INET6,
    NETLINK,
    SERVERS,
    UNIX,
    Descriptor,
    Endpoints,
    Role,
    connection_type,
    endpoint_name,
    server_name,
    tuple_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scaptools.state.initial import Interface

_SOCK_STREAM, _SOCK_DGRAM, _SOCK_RAW = 1, 2, 3
_TYPE_MASK = 0xFF
_IPPROTO = {6: L4Protocol.TCP, 17: L4Protocol.UDP, 1: L4Protocol.ICMP, 255: L4Protocol.RAW}
_RAW_PROTOCOLS = frozenset({6, 17, 1})
_FAMILY_TYPES = {
    UNIX: DescriptorType.UNIX_SOCKET,
    INET: DescriptorType.IPV4_SOCKET,
    INET6: DescriptorType.IPV6_SOCKET,
    NETLINK: DescriptorType.NETLINK,
}
#: Bytes of an IPv6 address that name its network.
_NETWORK6 = 8
_LOOPBACK = b"lo"


class Network(NamedTuple):
    """The host's addresses."""

    interfaces: tuple[Interface, ...] = ()

    def is_local(self, address: bytes) -> bool:
        """Whether an address is the host's."""
        if len(address) == 16:
            return any(
                len(each.address) == 16 and each.address[:_NETWORK6] == address[:_NETWORK6] for each in self.interfaces
            )
        return any(each.address == address for each in self.interfaces)

    def infer(self, other: bytes) -> bytes:
        """The address the host uses towards another one, all zero where it has none."""
        same = [each for each in self.interfaces if len(each.address) == len(other)]
        for each in same:
            if each.address == other:
                return each.address
        for each in same:
            if self._same_network(each, other):
                return each.address
        away = (each.address for each in same if not each.name.startswith(_LOOPBACK))
        return next(away, b"\0" * len(other))

    @staticmethod
    def _same_network(interface: Interface, other: bytes) -> bool:
        if len(other) == 16:
            return interface.address[:_NETWORK6] == other[:_NETWORK6]
        mask = int.from_bytes(interface.netmask, "big")
        return (int.from_bytes(interface.address, "big") & mask) == (int.from_bytes(other, "big") & mask)

    def patched(self, ends: Endpoints) -> Endpoints:
        """The endpoints with a wildcard address replaced by what it stands for."""
        if not any(ends.sip) and any(ends.dip):
            found = self.infer(ends.dip)
            return ends if found == ends.dip and ends.sport == ends.dport else ends._replace(sip=found)
        if not any(ends.dip) and any(ends.sip):
            found = self.infer(ends.sip)
            return ends if found == ends.sip and ends.sport == ends.dport else ends._replace(dip=found)
        return ends


def created(domain: int, kind: int, protocol: int) -> Descriptor:
    """A new socket."""
    if domain not in {INET, INET6}:
        return Descriptor(_FAMILY_TYPES.get(domain, DescriptorType.UNKNOWN))
    if protocol:
        l4 = _IPPROTO.get(protocol, L4Protocol.UNKNOWN)
        if kind == _SOCK_RAW and protocol in _RAW_PROTOCOLS:
            l4 = L4Protocol.RAW
    else:
        by_kind = {_SOCK_STREAM: L4Protocol.TCP, _SOCK_DGRAM: L4Protocol.UDP}
        l4 = by_kind.get(kind & _TYPE_MASK, L4Protocol.UNKNOWN)
    nowhere = b"\0" * (4 if domain == INET else 16)
    return Descriptor(_FAMILY_TYPES[domain], ends=Endpoints(domain, nowhere, 0, nowhere, 0), l4=l4)


def accepted(ends: Endpoints) -> Descriptor:
    """The connection an accept returned."""
    ends = ends.as_ipv4()
    l4 = L4Protocol.UNKNOWN if ends.family == UNIX else L4Protocol.TCP
    return Descriptor(
        connection_type(ends.family),
        tuple_name(ends),
        ends,
        l4,
        Role.SERVER,
        connected=True,
    )


def bound(descriptor: Descriptor, ends: Endpoints) -> Descriptor:
    """A socket that got an address of its own."""
    if ends.family == UNIX:
        return descriptor._replace(name=ends.path)
    name = server_name(ends.dip, ends.dport)
    if not ends.dport:
        return descriptor._replace(name=name)
    ends = ends.as_ipv4()
    is_ipv4 = ends.family == INET
    server = DescriptorType.IPV4_SERVER_SOCKET if is_ipv4 else DescriptorType.IPV6_SERVER_SOCKET
    return descriptor._replace(type=server, name=name, ends=ends, role=Role.SERVER)


def connecting(descriptor: Descriptor, ends: Endpoints) -> Descriptor:
    """A socket that is about to connect, of which newer captures tell the destination beforehand."""
    if ends.family == UNIX:
        return descriptor._replace(name=ends.path)
    current = descriptor.ends if descriptor.ends.family == ends.family else ends
    return descriptor._replace(type=connection_type(ends.family), ends=current._replace(dip=ends.dip, dport=ends.dport))


def connected(descriptor: Descriptor, ends: Endpoints | None) -> Descriptor:
    """A socket that was connected, or is being connected; None where the event does not say to what."""
    descriptor = descriptor._replace(connected=True)
    if ends is None:
        return descriptor
    role = descriptor.role or Role.CLIENT
    if ends.family == UNIX:
        return descriptor._replace(ends=ends, name=tuple_name(ends), role=role)
    ends = ends.as_ipv4()
    merged, changed = _merged(descriptor, ends)
    if changed and descriptor.role == Role.SERVER and descriptor.l4 == L4Protocol.UDP:
        merged = merged.swapped()
    name = endpoint_name(merged, descriptor.l4)
    return descriptor._replace(type=connection_type(ends.family), ends=merged, name=name, role=role)


def transferred(
    descriptor: Descriptor, ends: Endpoints, *, sends: bool, others: Iterable[Descriptor], network: Network
) -> Descriptor:
    """A socket that sent to or received from ``ends``; ``others`` are all descriptors of the process."""
    if descriptor.name and descriptor.type == DescriptorType.IPV4_SOCKET and descriptor.l4 == L4Protocol.TCP:
        return descriptor
    if ends.family == UNIX:
        return descriptor._replace(ends=ends, name=tuple_name(ends))
    ends = ends.as_ipv4()
    merged, changed = _merged(descriptor, ends)
    # An IPv6 transfer does not turn an IPv4 or a server socket into an IPv6 connection.
    type_ = DescriptorType.IPV4_SOCKET if ends.family == INET else descriptor.type
    if not changed:
        return descriptor._replace(type=type_)
    l4 = descriptor.l4 or L4Protocol.UDP
    merged = network.patched(merged)
    now = descriptor._replace(type=type_, ends=merged)
    role = descriptor.role or _guessed_role(merged, sends=sends, descriptors=[now, *others])
    if role == (Role.SERVER if sends else Role.CLIENT):
        merged = merged.swapped()
    return descriptor._replace(type=type_, ends=merged, l4=l4, role=role, name=endpoint_name(merged, l4))


def _merged(descriptor: Descriptor, ends: Endpoints) -> tuple[Endpoints, bool]:
    """The endpoints after an event told ``ends``: the source is replaced, the destination only where it is unknown."""
    current = descriptor.ends
    is_connection = descriptor.type in CONNECTIONS and current.family == ends.family
    if is_connection and ends in {current, current.swapped()}:
        return current, False
    if not is_connection:
        return ends, True
    merged = ends._replace(dip=current.dip if any(current.dip) else ends.dip, dport=current.dport or ends.dport)
    return merged, merged != current


def _guessed_role(ends: Endpoints, *, sends: bool, descriptors: Iterable[Descriptor]) -> Role:
    """Which end a socket of unknown role is, by how the process, this socket included, uses its ports."""
    connections, known_port = [], False
    for other in descriptors:
        if other.type == DescriptorType.IPV4_SOCKET:
            connections.append(other.ends)
            known_port |= other.ends.dport == ends.dport
        elif other.type == DescriptorType.IPV4_SERVER_SOCKET:
            known_port |= other.ends.dport == ends.dport
    if not known_port:
        return Role.CLIENT
    if any(other.sport == ends.sport for other in connections):
        return Role.CLIENT if sends else Role.SERVER
    return Role.SERVER


def is_server_type(descriptor: Descriptor) -> bool:
    """Whether a socket only waits for others."""
    return descriptor.type in SERVERS
