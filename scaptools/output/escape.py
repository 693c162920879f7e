r"""Escaping: bytes that may not stand for themselves in the output, replaced in whole columns.

Most columns need nothing, which is found out first. Else the bytes of a whole column are spliced anew from the
stretches between those that are replaced, and the replacements. Only values with bytes that are not UTF-8 are decoded
one by one, each distinct one once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scaptools.capture.parameters import gather_binary
from scaptools.columns import Texts, concatenated
from scaptools.fields.paramtext.arrays import binary_of, packed, validity_of
from scaptools.output.text import per_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scaptools.fields.paramtext.context import TextColumn

_BACKSLASH = ord("\\")
_ASCII_LIMIT = 0x80
#: Bytes looked through at a time, few enough to stay in a processor's cache.
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Escaping:
    r"""Which bytes are replaced by what.

    ``replacements`` are of ASCII bytes. ``invalid`` says what happens to bytes that are not UTF-8: ``replace`` makes
    them U+FFFD, ``backslashreplace`` writes them as ``\xNN``, None lets them pass. That comes last where
    ``invalid_last``, so that its backslash is not replaced in turn.
    """

    replacements: Mapping[int, bytes]
    invalid: str | None
    invalid_last: bool = False

    def apply(self, texts: TextColumn) -> TextColumn:
        """The column with everything replaced; missing values stay missing."""
        return per_value(texts, lambda plain: Texts(self.array(plain.to_arrow())))

    def array(self, array: pa.Array) -> pa.Array:
        """The same for a binary array."""
        steps = (self._replaced, self._valid) if self.invalid_last else (self._valid, self._replaced)
        for step in steps:
            array = step(array)
        return array

    def _valid(self, array: pa.Array) -> pa.Array:
        content = np.frombuffer(concatenated(array), np.uint8)
        if self.invalid is None or not len(content) or int(content.max()) < _ASCII_LIMIT or _is_utf8(array):
            return array
        encoded = array.dictionary_encode()
        values = [value.decode("utf-8", self.invalid).encode() for value in encoded.dictionary.to_pylist()]
        return pa.array(values, array.type).take(encoded.indices)

    def _replaced(self, array: pa.Array) -> pa.Array:
        bounds, content = packed(array)
        places = self._places(content)
        if not len(places):
            return array
        # The replacements lie behind the content; what is spliced alternates between the two.
        ends, widths = self._replacement_ends
        kinds = content[places]
        starts, lengths = np.empty((2, 2 * len(places) + 1), np.int64)
        starts[0], starts[2::2] = 0, places + 1
        lengths[0:-1:2], lengths[-1] = places - starts[0:-1:2], len(content) - starts[-1]
        starts[1::2], lengths[1::2] = len(content) + ends[kinds] - widths[kinds], widths[kinds]
        source = np.concatenate((content, np.frombuffer(b"".join(self.replacements.values()), np.uint8)))
        spliced = concatenated(gather_binary(source, starts, lengths, np.ones(len(starts), bool)))
        grown = np.concatenate((np.zeros(1, np.int64), np.cumsum(widths[kinds] - 1)))
        bounds = bounds + grown[np.searchsorted(places, bounds)]
        return binary_of(bounds, np.frombuffer(spliced, np.uint8), validity_of(array))

    def _places(self, content: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Where bytes are to be replaced, ascending."""
        lowest = int(content.min(initial=255))
        candidates = [(low, high) for low, high in self._ranges if high >= lowest]
        found: list[NDArray[np.intp]] = []
        hits = np.empty(_BLOCK_BYTES, bool)
        for start in range(0, len(content), _BLOCK_BYTES):
            block = content[start : start + _BLOCK_BYTES]
            for low, high in candidates:
                within = hits[: len(block)]
                if low == high:
                    np.equal(block, low, out=within)
                else:
                    # Bytes below the range wrap around to above it.
                    np.less_equal(block - np.uint8(low) if low else block, high - low, out=within)
                if within.any():
                    found.append(np.flatnonzero(within) + start)
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.intp)

    @cached_property
    def _ranges(self) -> list[tuple[int, int]]:
        """The bytes that are replaced as ranges, both ends included."""
        ranges: list[tuple[int, int]] = []
        for byte in sorted(self.replacements):
            if ranges and ranges[-1][1] == byte - 1:
                ranges[-1] = (ranges[-1][0], byte)
            else:
                ranges.append((byte, byte))
        return ranges

    @cached_property
    def _replacement_ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each byte's replacement ends when all of them are joined, and how long it is, by byte."""
        ends, widths = np.zeros((2, 256), np.int64)
        for byte, text in self.replacements.items():
            widths[byte] = len(text)
        ends[list(self.replacements)] = np.cumsum(widths[list(self.replacements)])
        return ends, widths


def _is_utf8(array: pa.Array) -> bool:
    try:
        array.cast(pa.large_string() if array.type == pa.large_binary() else pa.string())
    except pa.ArrowInvalid:
        return False
    return True


_SHORT_JSON = {ord('"'): rb"\"", _BACKSLASH: rb"\\", 8: rb"\b", 9: rb"\t", 10: rb"\n", 12: rb"\f", 13: rb"\r"}
_JSON = MappingProxyType({byte: b"\\u%04x" % byte for byte in range(ord(" "))} | _SHORT_JSON)
#: Inside the quotes of a JSON string; invalid bytes become U+FFFD, as Falco prints them.
JSON_REPLACING = Escaping(_JSON, "replace")
#: The same with invalid bytes kept legible: byte FF reads ``\xff``, as if the text held these four characters.
JSON_LEGIBLE = Escaping(_JSON, "backslashreplace")
_TAB_SEPARATED = MappingProxyType({_BACKSLASH: rb"\\", 9: rb"\t", 10: rb"\n", 13: rb"\r"})
#: In a field of tab-separated values; all other bytes pass.
TAB_SEPARATED = Escaping(_TAB_SEPARATED, None)
_CONTROLS = {byte: b"\\x%02x" % byte for byte in (*range(ord(" ")), 0x7F)}
#: On a terminal, which obeys control characters.
TERMINAL = Escaping(MappingProxyType(_CONTROLS | dict(_TAB_SEPARATED)), "backslashreplace", invalid_last=True)
