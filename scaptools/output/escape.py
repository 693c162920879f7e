r"""Escaping: bytes that may not stand for themselves in the output, replaced in whole columns.

Most columns need nothing, which is found out first. Then single bytes are replaced by Arrow, one kind at a time, in
the values that have any. Only values with bytes that are not UTF-8 are decoded one by one, each distinct one once.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaptools.columns import Texts, concatenated
from scaptools.fields.paramtext.arrays import packed
from scaptools.output.text import per_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scaptools.fields.paramtext.context import TextColumn

_BACKSLASH = ord("\\")
_ASCII_LIMIT = 0x80


#: Beyond this many bytes to replace per row the whole column is worked on instead of the rows that have any.
_MANY_HITS = 0.5


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
        if not len(content):
            return array
        hits = {byte: np.flatnonzero(content == byte) for byte in self._candidates(content)}
        present = [byte for byte, positions in hits.items() if len(positions)]
        if not present:
            return array
        if sum(map(len, hits.values())) > _MANY_HITS * len(array):
            return self._replace(array, present)
        rows = np.zeros(len(array), bool)
        for byte in present:
            rows[np.searchsorted(bounds, hits[byte], "right") - 1] = True
        mask = pa.array(rows)
        return pc.replace_with_mask(array, mask, self._replace(array.filter(mask), present))

    def _candidates(self, content: NDArray[np.uint8]) -> list[int]:
        lowest = int(content.min())
        return [byte for byte in self.replacements if byte >= lowest]

    def _replace(self, array: pa.Array, present: list[int]) -> pa.Array:
        # The backslash comes first, because replacements may hold some themselves.
        for byte in sorted(present, key=lambda byte: byte != _BACKSLASH):
            array = pc.replace_substring(array, bytes([byte]), self.replacements[byte])
        return array


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
