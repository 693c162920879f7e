"""Narrowing: what a filter can need of a capture, as far as an index tells.

A filter is followed down to terms that look only at what an index knows of a whole chunk: which kinds of events are in
it, which threads, and from which number and time to which. Such a term is asked about those at once; any other term
may hold anywhere.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BlockType
from scaptools.capture.headers import StoredBatch
from scaptools.capture.section import Section
from scaptools.columns import ALL_ROWS
from scaptools.filter.compare import NumberRelation, NumberSet
from scaptools.filter.plan import (
    Conjunction,
    ConstantTest,
    ConstantValue,
    Disjunction,
    Existence,
    FieldTest,
    FieldValue,
    Frame,
    GroupValue,
    Negation,
    Term,
    TransformedValue,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.index import CaptureIndex
    from scaptools.capture.scan import Bytes
    from scaptools.filter.compiled import CompiledFilter

#: Fields that say the same of all events of a kind.
_KIND_FIELDS = frozenset({"evt.type", "evt.dir", "evt.is_io", "evt.is_io_read", "evt.is_io_write", "evt.is_wait"})
_THREAD_FIELDS = frozenset({"thread.tid"})
#: Fields that are numbers between two that an index knows of a chunk; without a last one there is one per event.
_SPANS = {"evt.num": ("first_number", None), "evt.rawtime": ("first_ts", "last_ts")}


class FilterSelection:
    """The events a compiled filter wants, as a reader with an index takes it."""

    def __init__(self, predicate: CompiledFilter) -> None:
        self._predicate = predicate

    def chunks(self, index: CaptureIndex) -> NDArray[np.bool_]:
        """See `scaptools.capture.index.Selection.chunks`."""
        return _Chunks(index).possible(self._predicate.plan)

    def rows(self, batch: EventBatch) -> NDArray[np.intp]:
        """See `scaptools.capture.index.Selection.rows`."""
        return self._predicate.select(batch)


class _Chunks:
    """Questions to an index about all of its chunks at once."""

    def __init__(self, index: CaptureIndex) -> None:
        self._index = index
        self._spans = {name: self._span(*bounds) for name, bounds in _SPANS.items()}

    def _span(self, first: str, last: str | None) -> tuple[NDArray[Any], NDArray[Any]]:
        chunks = self._index.chunks
        least = chunks[first]
        return least, chunks[last] if last else least + np.maximum(chunks["events"], 1) - 1

    def possible(self, term: Term) -> NDArray[np.bool_]:
        """Where a term can hold for some event, shape ``(chunks,)``."""
        fields = _fields(term)
        if fields and fields <= _KIND_FIELDS:
            samples = self._index.sample_batch()
            return self._index.with_kinds(_answers(term, samples) | self._index.kinds["vague"])
        if fields and fields <= _THREAD_FIELDS:
            return self._index.with_threads(_answers(term, _of_threads(self._index.tids)))
        match term:
            case Conjunction(terms=terms):
                return np.asarray(np.logical_and.reduce([self.possible(part) for part in terms]))
            case Disjunction(terms=terms):
                return np.asarray(np.logical_or.reduce([self.possible(part) for part in terms]))
            case ConstantTest(value=FieldValue(text=text), predicates=predicates) if text in self._spans:
                return np.asarray(np.logical_or.reduce([self._within(text, predicate) for predicate in predicates]))
        return self._anywhere()

    def _within(self, field: str, predicate: Any) -> NDArray[np.bool_]:
        """Where a predicate can hold for a number between the least and the greatest of a chunk."""
        least, greatest = self._spans[field]
        match predicate:
            case NumberSet(constants=constants):
                within = [(least <= number) & (number <= greatest) for number in constants]
                return np.asarray(np.logical_or.reduce(within))
            case NumberRelation(relation=relation, constant=number) if relation.kernel == "equal":
                return np.asarray((least <= number) & (number <= greatest))
            case NumberRelation():
                # All other relations are met by one of the ends where any number between meets them.
                return predicate.many(least) | predicate.many(greatest)
        return self._anywhere()

    def _anywhere(self) -> NDArray[np.bool_]:
        return np.ones(len(self._index.chunks), bool)


def _fields(term: Term) -> frozenset[str]:
    """The fields a term reads, arguments left aside; those with one are never among the ones known here."""
    match term:
        case Conjunction(terms=terms) | Disjunction(terms=terms):
            return frozenset().union(*map(_fields, terms))
        case Negation(term=inner):
            return _fields(inner)
        case Existence(value=value) | ConstantTest(value=value):
            return frozenset(_read(value))
        case FieldTest(left=left, right=right):
            return frozenset((*_read(left), *_read(right)))
    return frozenset({""})


def _read(value: Value) -> Iterator[str]:
    match value:
        case TransformedValue(arguments=values) | GroupValue(items=values):
            for item in values:
                yield from _read(item)
        case ConstantValue():
            return
        case _:
            yield value.text


def _of_threads(tids: NDArray[np.int64]) -> EventBatch:
    """Events of which nothing but the thread is known."""
    known = {"block_length": np.zeros(len(tids), np.int64), "tid": tids}
    known["block_type"] = np.broadcast_to(np.uint32(BlockType.EV_V2), len(tids))
    return StoredBatch(
        Section.unheaded(),
        {name: partial(np.asarray, values) for name, values in known.items()},
        _no_bytes,
        base=0,
        first_number=1,
        byteorder="little",
    )


def _no_bytes() -> Bytes:
    return np.empty(0, np.uint8)


def _answers(term: Term, batch: EventBatch) -> NDArray[np.bool_]:
    return np.asarray(term.mask(Frame(batch, ALL_ROWS, frozenset()), None))
