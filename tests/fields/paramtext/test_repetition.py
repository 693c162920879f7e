"""Parameters that repeat: what counts as one stretch, and that finding repetition never changes a text."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from scap_formats.table import event_table
from scap_formats.types import ParamType
from scaptools.fields.paramtext import DEFAULT_STYLE, STATELESS, ParamPrinter
from scaptools.fields.paramtext import arguments as module
from scaptools.fields.paramtext.repetition import find_repetition, runs
from tests.fields.evt_blocks import Ev, batch_of

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch

_SWITCH = next(event for event in event_table().by_name("switch") if event.nparams == 6)
_MANY = 4000


def switches(faults: int, count: int = _MANY) -> EventBatch:
    """Switch events: a thread, then five numbers of which the first takes so many values."""
    return batch_of(Ev(_SWITCH.id, [struct.pack("<q", i % 7), *numbers(i % faults)]) for i in range(count))


def numbers(first: int) -> list[bytes]:
    return [struct.pack("<Q", first), *(struct.pack("<Q", 9),), *(struct.pack("<I", value) for value in (1, 2, 3))]


def texts(batch: EventBatch) -> list[bytes]:
    printer = ParamPrinter(batch, DEFAULT_STYLE, STATELESS)
    tables = [(batch.rows_of_type(type_), batch.parameters(type_)) for type_ in batch.types_present()]
    return list(printer.arguments(tables, len(batch)).to_pylist())


def columns(batch: EventBatch) -> list[object]:
    table = batch.parameters(_SWITCH.id)
    return [table.column(place) for place in range(1, 6)]


def test_stretches_end_at_parameters_that_need_state() -> None:
    assert [param.type for param in _SWITCH.params][:2] == [ParamType.PID, ParamType.UINT64]
    assert runs(_SWITCH.params) == [range(1), range(1, 6)]
    assert runs(()) == []
    assert runs(_SWITCH.params[1:]) == [range(5)]


def test_every_event_has_an_example_that_says_the_same() -> None:
    batch = switches(20)
    found = find_repetition(columns(batch))  # type: ignore[arg-type]
    assert found is not None
    assert len(found.examples) == 20
    assert (found.examples[found.codes] % 20 == np.arange(_MANY) % 20).all()


@pytest.mark.parametrize("batch", [switches(_MANY), switches(3, 100)], ids=["all differ", "too few"])
def test_nothing_is_found_where_it_would_not_help(batch: EventBatch) -> None:
    assert find_repetition(columns(batch)) is None  # type: ignore[arg-type]


def test_lengths_that_differ_are_left_alone() -> None:
    events = [Ev(_SWITCH.id, [struct.pack("<q", 1), *numbers(1)]) for _ in range(_MANY)]
    events[5] = Ev(_SWITCH.id, [struct.pack("<q", 1), b"", *numbers(1)[1:]])
    batch = batch_of(events)
    assert find_repetition(columns(batch)) is None  # type: ignore[arg-type]
    assert b"pgft_maj=<NA> " in texts(batch)[5]


@pytest.mark.parametrize("faults", [1, 20, 1500, _MANY])
def test_texts_are_the_same_with_and_without(faults: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = switches(faults)
    found = texts(batch)
    monkeypatch.setattr(module, "find_repetition", lambda _columns: None)
    assert found == texts(batch)
    assert found[_MANY - 1].startswith(b"next=%d pgft_maj=%d pgft_min=9 " % ((_MANY - 1) % 7, (_MANY - 1) % faults))
