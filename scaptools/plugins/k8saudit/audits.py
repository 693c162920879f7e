"""Audit events as columns: what every field rule starts from.

Paths are member names joined by blanks, for names of annotations have dots and slashes in them. A payload that is no
JSON object with an ``auditID`` has no values at all. Texts are Arrow arrays, a missing value is a null.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from scaptools.columns import Lists, Texts
from scaptools.plugins.jsontext import compact
from scaptools.plugins.jsontext.texts import replaced, row_numbers, slices

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.columns import Mask
    from scaptools.plugins.jsontext import Documents, Spans


@cache
def _steps(path: str) -> tuple[bytes, ...]:
    return tuple(step.encode() for step in path.split())


@dataclass(frozen=True, slots=True)
class Items:
    """Elements of lists: the event each belongs to, ascending, its place in the list, and where it lies."""

    rows: NDArray[np.intp]
    places: NDArray[np.intp]
    spans: Spans

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, mask: Mask) -> Items:
        """Some of the elements."""
        spans = type(self.spans)(self.spans.start[mask], self.spans.end[mask], self.spans.level)
        return Items(self.rows[mask], self.places[mask], spans)


class Audits:
    """The events of one set of payloads."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self._lists: dict[str, Items] = {}

    def __len__(self) -> int:
        return len(self.documents)

    @cached_property
    def readable(self) -> Mask:
        """Which payloads are audit events."""
        begins = np.isin(self.documents.first_bytes(), list(b"{["))
        return np.asarray(begins & self.documents.path(b"auditID").present)

    def at(self, path: str) -> Spans:
        """Where the values at a path lie."""
        return self.documents.path(*_steps(path)).where(self.readable)

    def text(self, path: str) -> pa.Array:
        """Strings as their text, any other value as compact JSON."""
        return self.documents.printed(self.at(path))

    def items(self, path: str, index: int | None = None) -> Items:
        """The elements of the lists at a path, or those at one place of each list."""
        items = self._lists.get(path)
        if items is None:
            rows, found = self.documents.elements(self.at(path))
            items = self._lists[path] = Items(rows, np.arange(len(rows)) - np.searchsorted(rows, rows), found)
        return items if index is None else items.taken(items.places == index)

    def below(self, items: Items, path: str) -> Spans:
        """Values inside of elements."""
        spans = items.spans
        for step in _steps(path):
            spans = self.documents.descend(spans, step)
        return spans

    def printed(self, items: Items, path: str = "") -> pa.Array:
        """What `text` is for events, for elements."""
        documents, spans = self.documents, self.below(items, path)
        string = documents.is_string(spans)
        other = spans.present & ~string
        sources = slices(documents.buffer, spans.start, spans.end, other)
        loose = np.flatnonzero(other & documents.index.spaced[items.rows])
        compacted = [compact(documents.bytes[spans.start[row] : spans.end[row]].tobytes()) for row in loose]
        return pc.coalesce(replaced(sources, loose, compacted), documents.strings(spans.where(string)))

    def inner(self, items: Items, path: str) -> tuple[NDArray[np.intp], Items]:
        """The elements of lists inside of elements: which of ``items`` each is from, and the elements as ever."""
        owners, found = self.documents.elements(self.below(items, path))
        return owners, Items(items.rows[owners], np.arange(len(owners)) - np.searchsorted(owners, owners), found)

    def lists(self, rows: NDArray[np.intp], values: pa.Array) -> Lists:
        """Values as the lists of the events they belong to; missing ones are left out, and empty lists missing."""
        there = values.is_valid().to_numpy(zero_copy_only=False)
        counts = np.bincount(rows[there], minlength=len(self))
        offsets = np.concatenate(([0], np.cumsum(counts)))
        return Lists(offsets, Texts(values.take(row_numbers(np.flatnonzero(there)))), counts > 0)

    def single(self, values: pa.Array) -> Lists:
        """One value of each event as a list."""
        return self.lists(np.arange(len(self)), values)

    def made(self, values: list[Any]) -> pa.Array:
        """A text column of Python values, for what is made one by one."""
        import pyarrow as pa

        return pa.array(values, self.documents.text_type)
