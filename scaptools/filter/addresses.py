"""Predicates on IP addresses, byte strings of 4 or 16 bytes: whether they lie inside a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaptools.filter.arrow import extents, mask_of
from scaptools.filter.compare import TextPredicate

if TYPE_CHECKING:
    import pyarrow as pa

    from scaptools.columns import Mask


@dataclass(frozen=True, slots=True)
class Network:
    """An address, 4 or 16 bytes, of which the first ``bits`` bits count."""

    address: bytes
    bits: int

    def __contains__(self, address: bytes) -> bool:
        """Whether an address of the same family shares the leading bits."""
        rest = 8 * len(self.address) - self.bits
        return len(address) == len(self.address) and not (
            (int.from_bytes(address) ^ int.from_bytes(self.address)) >> rest
        )


class InNetworks(TextPredicate):
    """The address lies in one of the networks."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self.networks = networks

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return any(value in network for network in self.networks)

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        mask = np.zeros(len(array), bool)
        if not len(array):
            return mask
        starts, lengths, content = extents(array)
        for network in self.networks:
            rows = np.flatnonzero(lengths == len(network.address))
            for index, expected in enumerate(network.address[: (network.bits + 7) // 8]):
                significant = 0xFF << max(0, 8 * (index + 1) - network.bits) & 0xFF
                rows = rows[(content[starts[rows] + index] ^ expected) & significant == 0]
            mask[rows] = True
        return mask & mask_of(array.is_valid())


class OutsideNetwork(TextPredicate):
    """The address lies outside the network, or belongs to another family."""

    def __init__(self, network: Network) -> None:
        self.inside = InNetworks((network,))

    def one(self, value: bytes) -> bool:
        """See `TextPredicate.one`."""
        return not self.inside.one(value)

    def many(self, array: pa.Array) -> Mask:
        """See `TextPredicate.many`."""
        return ~self.inside.many(array) & mask_of(array.is_valid())
