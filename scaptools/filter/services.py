"""Names of well-known ports, so that ``fd.sport = https`` does not depend on the machine's own list."""

from __future__ import annotations

import socket
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: IANA names in use in rules and captures; the machine's own list knows the rest.
SERVICES: Mapping[str, int] = MappingProxyType(
    {
        "echo": 7,
        "discard": 9,
        "daytime": 13,
        "ftp-data": 20,
        "ftp": 21,
        "ssh": 22,
        "telnet": 23,
        "smtp": 25,
        "time": 37,
        "whois": 43,
        "domain": 53,
        "bootps": 67,
        "bootpc": 68,
        "tftp": 69,
        "finger": 79,
        "http": 80,
        "kerberos": 88,
        "pop3": 110,
        "sunrpc": 111,
        "nntp": 119,
        "ntp": 123,
        "netbios-ns": 137,
        "netbios-dgm": 138,
        "netbios-ssn": 139,
        "imap2": 143,
        "snmp": 161,
        "snmp-trap": 162,
        "bgp": 179,
        "irc": 194,
        "ldap": 389,
        "https": 443,
        "microsoft-ds": 445,
        "syslog": 514,
        "submission": 587,
        "ldaps": 636,
        "domain-s": 853,
        "rsync": 873,
        "imaps": 993,
        "pop3s": 995,
        "socks": 1080,
        "ms-sql-s": 1433,
        "nfs": 2049,
        "mysql": 3306,
        "postgresql": 5432,
        "amqps": 5671,
        "amqp": 5672,
        "redis": 6379,
        "http-alt": 8080,
    }
)


def service_port(name: str) -> int | None:
    """The port a service name stands for, None where nobody knows it."""
    if name in SERVICES:
        return SERVICES[name]
    for protocol in ("tcp", "udp"):
        try:
            return socket.getservbyname(name, protocol)
        except (OSError, ValueError):
            continue
    return None
