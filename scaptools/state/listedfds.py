"""Listed descriptors: the tables a section starts with, from its lists of open descriptors.

Lists do not tell which end of a connection a process is. A connection whose source is a port somebody listens on is
the server's, seen from the wrong side; all others are taken for clients'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scap_formats.descriptors import DescriptorType, L4Protocol
from scaptools.state.descriptors import (
    CONNECTIONS,
    INET,
    INET6,
    SERVERS,
    TYPE_TEXTS,
    UNIX,
    Descriptor,
    Endpoints,
    Role,
    endpoint_name,
    server_name,
)
from scaptools.state.sockets import Network
from scaptools.state.tables import Tables

if TYPE_CHECKING:
    from scaptools.state.initial import Listed

_IPV6_TYPES = frozenset({DescriptorType.IPV6_SOCKET, DescriptorType.IPV6_SERVER_SOCKET})


def listed_tables(listed: Listed) -> Tables:
    """The descriptor tables of all listed threads."""
    tables = Tables(network=Network(tuple(listed.interfaces)))
    found = [
        (listed.threads[tid].entry, entry.fd, _descriptor(entry))
        for tid, entries in listed.descriptors.items()
        for entry in entries
    ]
    ports = {descriptor.ends.dport for _, _, descriptor in found if descriptor.type in SERVERS}
    for table, fd, descriptor in found:
        tables.tables.setdefault(table, {})[fd] = len(tables.descriptors)
        tables.descriptors.append(_with_role(descriptor, ports))
    return tables


def _descriptor(entry: Any) -> Descriptor:
    type_ = entry.type if entry.type in TYPE_TEXTS else DescriptorType.UNKNOWN
    family = INET6 if type_ in _IPV6_TYPES else INET
    if type_ in CONNECTIONS:
        ends = Endpoints(family, entry.sip, entry.sport, entry.dip, entry.dport).as_ipv4()
        type_ = DescriptorType.IPV4_SOCKET if ends.family == INET else type_
        name = endpoint_name(ends, entry.l4proto)
        is_tcp = entry.l4proto == L4Protocol.TCP
        return Descriptor(type_, name, ends, entry.l4proto, connected=is_tcp, ino=entry.ino)
    if type_ in SERVERS:
        ends = Endpoints(family, dip=entry.ip, dport=entry.port)
        return Descriptor(type_, server_name(entry.ip, entry.port), ends, entry.l4proto, Role.SERVER, ino=entry.ino)
    if type_ == DescriptorType.UNIX_SOCKET:
        source, target = (end.to_bytes(8, "little") for end in (entry.source, entry.destination))
        role = Role.SERVER if entry.name else Role.CLIENT
        return Descriptor(type_, entry.name, Endpoints(UNIX, source, 0, target, 0), role=role, ino=entry.ino)
    name = bytes(entry.get("name", b""))
    flags, dev = entry.get("open_flags", 0), entry.get("dev") or 0
    return Descriptor(type_, name, flags=flags, dev=dev, ino=entry.ino, raw=name)


def _with_role(descriptor: Descriptor, server_ports: set[int]) -> Descriptor:
    if descriptor.type != DescriptorType.IPV4_SOCKET:
        return descriptor
    if descriptor.ends.sport not in server_ports:
        return descriptor._replace(role=Role.CLIENT)
    ends = descriptor.ends.swapped()
    return descriptor._replace(ends=ends, name=endpoint_name(ends, descriptor.l4), role=Role.SERVER)
