from __future__ import annotations

import numpy as np

from scap_formats.bodies import build_block, parse_block
from scap_formats.codec import parse
from scap_formats.dtypes import dtype_of
from scap_formats.plugin import (
    ASYNC_EVENT,
    NO_THREAD,
    PLUGIN_BLOCK,
    PLUGIN_EVENT,
    TEST_PLUGIN_ID,
    async_event,
    event_payload,
    plugin_event,
    plugin_prefix,
)
from scap_formats.table import event_table

#: A block as sysdig 0.29.3 writes it.
HELLO = bytes.fromhex(
    """
    21020000 3c000000
    0000
    0000a0d885573416 ffffffffffffffff 2b000000 4201 02000000
    04000000 05000000
    e7030000
    68656c6c6f
    000000
    3c000000
    """
)


def test_types() -> None:
    events = event_table().events
    assert (events[PLUGIN_EVENT].name, events[ASYNC_EVENT].name) == ("pluginevent", "asyncevent")


def test_plugin_event_as_sysdig_writes_it() -> None:
    assert build_block(PLUGIN_BLOCK, plugin_event(TEST_PLUGIN_ID, b"hello", ts=1600000000000000000)) == HELLO
    body = parse_block(HELLO).body
    assert (body.cpu, body.tid, body.length, body.lens) == (0, NO_THREAD, 43, [4, 5])
    assert event_payload(body.type, body.params) == {"plugin_id": 999, "event_data": b"hello"}


def test_fixed_start_of_a_plugin_event() -> None:
    value = parse(plugin_prefix("little"), HELLO)
    row = np.frombuffer(HELLO, dtype_of(plugin_prefix("little")), count=1)[0]
    assert {name: row[name].item() for name in row.dtype.names} == dict(value)
    assert (value.plugin_id_length, value.event_data_length, value.plugin_id) == (4, 5, 999)


def test_async_event() -> None:
    event = async_event(0, b"container", b'{"id":"x"}\0', ts=5, tid=1, byteorder="big")
    body = parse_block(build_block(PLUGIN_BLOCK, event, "big"), "big").body
    assert (body.type, body.tid, body.lens) == (ASYNC_EVENT, 1, [4, 10, 11])
    assert event_payload(body.type, body.params, "big") == {
        "plugin_id": 0,
        "name": b"container",
        "data": b'{"id":"x"}\0',
    }


def test_payload_of_odd_events() -> None:
    assert event_payload(PLUGIN_EVENT, [b"\1\0\0\0"]) == {"plugin_id": 1, "event_data": None}
    assert event_payload(PLUGIN_EVENT, [b"\1\0\0\0", b"", b"more"]) == {"plugin_id": 1, "event_data": None}
    assert event_payload(PLUGIN_EVENT, []) == {"plugin_id": None, "event_data": None}
