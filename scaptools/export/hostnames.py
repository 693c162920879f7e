"""Host names: addresses by name as the capture's own DNS answers and containers tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scap_formats.pcapng import PcapngBlock, build_pcapng_block, name_record, option

if TYPE_CHECKING:
    from collections.abc import Iterator

DNS_PORT = 53
_HEADER = 12
_ADDRESS_TYPES = {1: 4, 28: 16}
_RESPONSE = 0x80
_INTERNET = 1
_POINTER = 0xC0
#: Pointers followed in one name; a damaged message may point in circles.
_MOST_POINTERS = 16
#: Names kept of one address, and bytes of the longest; a record has room for 65535 bytes.
_MOST_NAMES = 64
_NAME_BYTES = 255


class HostNames:
    """Collects the names of addresses; names of one address are kept in the order in which they came."""

    def __init__(self) -> None:
        self._names: dict[bytes, dict[bytes, None]] = {}

    def add(self, address: bytes, name: bytes) -> None:
        """Take in one name."""
        names = self._names.setdefault(address, {}) if any(address) else {}
        if 0 < len(name) <= _NAME_BYTES and b"\0" not in name and len(names) < _MOST_NAMES:
            names[name] = None

    def add_answer(self, message: bytes) -> None:
        """Take in the addresses a DNS answer gives for the name that was asked for; cut or damaged ones give fewer."""
        try:
            for address, name in _answers(message):
                self.add(address, name)
        except IndexError:
            return

    def block(self) -> list[bytes]:
        """The block that has the names, none where there are no names."""
        records = [name_record(address, names) for address, names in self._names.items() if names]
        if not records:
            return []
        body = {"records": [*records, option(0)], "options": [], "rest": b""}
        return [build_pcapng_block(PcapngBlock.NRB, body)]


def _answers(message: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The addresses of an answer, each with the name that was asked for. Raises IndexError where it is cut."""
    if len(message) < _HEADER or not message[2] & _RESPONSE:
        return
    questions, answers = (int.from_bytes(message[at : at + 2], "big") for at in (4, 6))
    position, asked = _HEADER, b""
    for _ in range(questions):
        asked, position = _name(message, position)
        position += 4
    for _ in range(answers):
        _, position = _name(message, position)
        kind, class_ = (int.from_bytes(message[at : at + 2], "big") for at in (position, position + 2))
        length = int.from_bytes(message[position + 8 : position + 10], "big")
        position += 10 + length
        if position > len(message):
            return
        if class_ == _INTERNET and _ADDRESS_TYPES.get(kind) == length:
            yield message[position - length : position], asked


def _name(message: bytes, position: int) -> tuple[bytes, int]:
    """A name and where the message goes on behind it. Raises IndexError where it is cut."""
    labels: list[bytes] = []
    end = -1
    pointers = 0
    while (length := message[position]) != 0:
        if length & _POINTER == _POINTER:
            end = position + 2 if end < 0 else end
            position = (length & ~_POINTER) << 8 | message[position + 1]
            pointers += 1
            if pointers > _MOST_POINTERS:
                raise IndexError("pointers in a circle")
            continue
        labels.append(message[position + 1 : position + 1 + length])
        position += 1 + length
    return b".".join(labels), position + 1 if end < 0 else end
