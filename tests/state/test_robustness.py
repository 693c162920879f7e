"""Captures that contradict themselves: whatever their events hold, every state field has a value or none."""

from __future__ import annotations

import random

import pytest

from scap_formats.table import event_table
from scap_formats.types import EventFlag
from scaptools.fields.container import CONTAINER_FIELDS
from scaptools.fields.evt_state import EVT_STATE_FIELDS
from scaptools.fields.faults import FAULTY_FIELDS
from scaptools.fields.fd import FD_FIELDS
from scaptools.fields.fdlist import FDLIST_FIELDS
from scaptools.fields.fspath import FSPATH_FIELDS
from scaptools.fields.group import GROUP_FIELDS
from scaptools.fields.newest import NEWEST_FIELDS
from scaptools.fields.orchestration import ORCHESTRATION_FIELDS
from scaptools.fields.probes import ALL_PROC_FIELDS
from scaptools.fields.syslog import SYSLOG_FIELDS
from scaptools.fields.thread import THREAD_FIELDS
from scaptools.fields.user import USER_FIELDS
from scaptools.state.checkpoint import resume_state, store_state
from scaptools.state.engine import StateEngine, track
from scaptools.state.processtree import process_tree
from scaptools.state.snapshot import snapshot
from tests.state.scenarios import START, Ev, cstr, i64, reader_of, tuple4, u32

FIELDS = (
    *ALL_PROC_FIELDS,
    *THREAD_FIELDS,
    *FD_FIELDS,
    *FDLIST_FIELDS,
    *USER_FIELDS,
    *GROUP_FIELDS,
    *CONTAINER_FIELDS,
    *EVT_STATE_FIELDS,
    *FSPATH_FIELDS,
    *SYSLOG_FIELDS,
    *ORCHESTRATION_FIELDS,
    *NEWEST_FIELDS.values(),
    *(field for field in FAULTY_FIELDS.values() if field.memory is None),
)
TYPES = [event.id for event in event_table().events if not event.flags & EventFlag.UNUSED and event.length_width == 2]
TIDS = (0, -1, 1, 10, 11, 12, 4_194_305, 1 << 62, -(1 << 63))


def odd_event(dice: random.Random, number: int) -> Ev:
    """An event of any type with parameters that need not fit it."""
    makers = (
        lambda: b"",
        lambda: i64(dice.choice((-100, -1, 0, 1, 2, 3, 1 << 40, -(1 << 63), 10, 11))),
        lambda: u32(dice.choice((0, 1, 0x400, 0x2000, 0x20002000, 0xFFFFFFFF))),
        lambda: cstr(dice.choice((b"/a", b"rel", b"", b"(NULL)", b"<NA>", b"../..", b"x" * 1200))),
        lambda: tuple4(dice.randrange(9), dice.randrange(9)),
        lambda: bytes([dice.choice((1, 2, 10, 77))]) + dice.randbytes(dice.randrange(40)),
        lambda: dice.randbytes(dice.randrange(20)),
    )
    type_ = dice.choice(TYPES)
    declared = len(event_table().events[type_].params)
    count = dice.choice((0, declared, declared, declared, declared + 1, dice.randrange(12)))
    params = tuple(dice.choice(makers)() for _ in range(count))
    return Ev(type_, dice.choice(TIDS), START + dice.randrange(-5, 5_000_000_000) * number, params)


@pytest.mark.parametrize("seed", range(6))
def test_any_events_at_all(seed: int) -> None:
    dice = random.Random(seed)
    events = [odd_event(dice, number) for number in range(1500)]
    for batch in track(reader_of(events, window_bytes=dice.choice((3000, 1 << 20)))):
        for field in FIELDS:
            if field.argument is None or not field.argument.required:
                assert len(field.extract(batch, slice(None), None)) == len(batch), field.name


@pytest.mark.parametrize("seed", range(3))
def test_any_state_at_all_can_be_kept_and_looked_at(seed: int) -> None:
    dice = random.Random(100 + seed)
    events = [odd_event(dice, number) for number in range(1200)]
    engine = StateEngine()
    for batch in reader_of(events, window_bytes=6000).batches():
        if engine.section is not None:
            engine = resume_state(store_state(engine), batch.section)
        seen = snapshot(engine, batch, len(batch) - 1)
        assert all(seen.fds(tid) is not None for tid in seen.threads)
        assert seen.processes.keys() <= seen.threads.keys()
    tree = process_tree(reader_of(events, window_bytes=6000).batches())
    assert sum(1 for _ in tree.walk()) >= 2
