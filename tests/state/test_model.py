"""The engine against a model that goes event by event, on random captures in windows of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.fields.evt_state import EVT_STATE_FIELDS
from scaptools.fields.fd import FD_FIELDS
from scaptools.fields.group import GROUP_FIELDS
from scaptools.fields.proc import PROC_FIELDS
from scaptools.fields.registry import FieldRegistry
from scaptools.fields.thread import THREAD_FIELDS
from scaptools.fields.user import USER_FIELDS
from scaptools.state.descriptors import L4_NAMES, TYPE_TEXTS
from scaptools.state.engine import track
from tests.state.model import observations
from tests.state.scenarios import Operation, events_of, operations, random_operations, reader_of

if TYPE_CHECKING:
    from collections.abc import Sequence

REGISTRY = FieldRegistry((*PROC_FIELDS, *THREAD_FIELDS, *FD_FIELDS, *USER_FIELDS, *GROUP_FIELDS, *EVT_STATE_FIELDS))
NAMES = tuple(
    """
    proc.name proc.pid proc.ppid proc.args proc.exepath proc.cwd proc.env proc.sid proc.vpgid proc.nthreads proc.nchilds
    proc.fdlimit proc.fdopencount proc.vmsize proc.pname thread.pfminor user.uid group.gid evt.latency fd.num fd.type
    fd.connected fd.l4proto fd.name
    """.split()  # noqa: SIM905 - as a list it would be a page long
)


def engine_observations(chosen: Sequence[Operation], window_bytes: int) -> list[dict[str, Any]]:
    """What our fields say at every event, read in windows of a size."""
    seen: list[dict[str, Any]] = []
    for batch in track(reader_of(events_of(chosen), window_bytes=window_bytes)):
        columns = {name: REGISTRY.resolve(name).column(batch, slice(None)).to_arrow().to_pylist() for name in NAMES}
        seen.extend({name: columns[name][row] for name in NAMES} for row in range(len(batch)))
    return seen


def expected(name: str, value: object) -> object:
    """A model's value as the field prints it."""
    if name == "fd.type":
        return None if value is None else TYPE_TEXTS[value][1].encode()  # type: ignore[index]
    if name == "fd.l4proto":
        return L4_NAMES.get(value, "<NA>").encode()  # type: ignore[call-overload]
    return value


def differences(chosen: Sequence[Operation], window_bytes: int) -> list[tuple[int, str, object, object]]:
    """Where engine and model differ: event number, field, model's value, engine's value."""
    ours = engine_observations(chosen, window_bytes)
    model = observations(events_of(chosen))
    assert len(ours) == len(model)
    return [
        (number, name, expected(name, value), mine[name])
        for number, (theirs, mine) in enumerate(zip(model, ours, strict=True), 1)
        for name, value in theirs.items()
        if expected(name, value) != mine[name]
    ]


@settings(deadline=None, max_examples=60)
@given(operations(min_size=1), st.sampled_from((300, 1500, 1 << 20)))
def test_engine_says_what_the_model_says(chosen: list[Operation], window_bytes: int) -> None:
    assert differences(chosen, window_bytes) == []


@pytest.mark.parametrize("window_bytes", [900, 1 << 20])
@pytest.mark.parametrize("seed", range(3))
def test_engine_says_what_the_model_says_over_long_captures(seed: int, window_bytes: int) -> None:
    chosen = random_operations(seed, 700)
    assert differences(chosen, window_bytes) == []
