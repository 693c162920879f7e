"""Processes: who a packet belongs to, as numbered entries of a table that newer Wireshark versions show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scap_formats.pcapng import PcapngBlock, ProcessOption, build_pcapng_block, option
from scaptools.columns import Coded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.columns import Column

#: No process.
NO_PROCESS = -1
_NAME_BYTES = 255


class ProcessTable:
    """Numbers processes, each a pid with a name, in the order in which they come up."""

    def __init__(self) -> None:
        self._indices: dict[tuple[int, bytes], int] = {}

    def index(self, pid: int, name: bytes) -> int:
        """The number of a process."""
        return self._indices.setdefault((pid, name), len(self._indices))

    def indices(self, pids: Column, names: Column) -> NDArray[np.int64]:
        """The numbers of processes by two columns of as many rows, `NO_PROCESS` where one has no value.

        Names that are coded have to be so by thread: rows with equal codes have equal pids.
        """
        known = pids.validity() & names.validity()
        rows = np.flatnonzero(known)
        numbers = pids.to_arrow().fill_null(0).to_numpy()
        if isinstance(names, Coded):
            some_row = np.full(len(names.values), -1)
            some_row[names.codes[rows]] = rows
            found = np.flatnonzero(some_row >= 0)
            texts = names.values.take(found).to_arrow().to_pylist()
            index = np.full(len(names.values), NO_PROCESS)
            index[found] = [
                self.index(pid, name) for pid, name in zip(numbers[some_row[found]].tolist(), texts, strict=True)
            ]
            result = np.full(len(known), NO_PROCESS)
            result[rows] = index[names.codes[rows]]
            return result
        texts = names.to_arrow().to_pylist()
        return np.array(
            [
                self.index(pid, text) if has else NO_PROCESS
                for pid, text, has in zip(numbers.tolist(), texts, known.tolist(), strict=True)
            ],
            np.int64,
        )

    def blocks(self) -> list[bytes]:
        """The blocks that say who the processes are, in the order of their numbers."""
        return [
            build_pcapng_block(
                PcapngBlock.PROCESS,
                {
                    "pid": pid & 0xFFFFFFFF,
                    "options": [
                        *([option(ProcessOption.NAME, name[:_NAME_BYTES])] if name else []),
                        option(ProcessOption.END),
                    ],
                    "rest": b"",
                },
            )
            for pid, name in self._indices
        ]
