"""Events of plugins: ``pluginevent``, whose payload is opaque, and ``asyncevent``, which has a name.

Neither has an exit event. Which event source a plugin id stands for is not in the file.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from scap_formats.blocks import BlockType, head_fields
from scap_formats.codec import integers
from scap_formats.table import event_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scap_formats.codec import Buffer, ByteOrder, Schema, Value

#: Event types.
PLUGIN_EVENT = 322
ASYNC_EVENT = 402
#: The block both are stored in.
PLUGIN_BLOCK = BlockType.EV_V2_LARGE
#: Thread id of an event that belongs to no thread.
NO_THREAD = -1
#: Plugin id of async events of the syscall source.
SYSCALL_SOURCE_ID = 0
#: Plugin id anybody may use for tests.
TEST_PLUGIN_ID = 999


@cache
def plugin_prefix(byteorder: ByteOrder) -> Schema:
    """Declare the fixed-size start of a pluginevent's block, up to where the payload begins.

    After the event's header come the two parameter lengths and the plugin id. It is there to derive a dtype from;
    single events are built with `plugin_event`.
    """
    from scap_formats.events import block_fields, header_fields
    from scap_formats.record import Record

    number = integers(byteorder)
    return Record(
        *head_fields(byteorder),
        *block_fields(byteorder, has_flags=False),
        *header_fields(byteorder, has_nparams=True),
        "plugin_id_length" / number.u32,
        "event_data_length" / number.u32,
        "plugin_id" / number.u32,
    )


def plugin_event(plugin_id: int, event_data: bytes, *, ts: int, byteorder: ByteOrder = "little") -> Value:
    """Make the body of a pluginevent for `bodies.build_block`; ``ts`` is in ns since the epoch."""
    return _event(PLUGIN_EVENT, (plugin_id, event_data), ts, NO_THREAD, byteorder)


def async_event(
    plugin_id: int,
    name: bytes,
    data: bytes,
    *,
    ts: int,
    tid: int = NO_THREAD,
    byteorder: ByteOrder = "little",
) -> Value:
    """Make the body of an asyncevent for `bodies.build_block`; ``tid`` is free for plugin id 0 only."""
    return _event(ASYNC_EVENT, (plugin_id, name, data), ts, tid, byteorder)


def event_payload(event_type: int, params: Sequence[Buffer], byteorder: ByteOrder = "little") -> Value:
    """Decode the parameters of either event into a container by parameter name; absent ones are None.

    Raises FormatsError.
    """
    from construct import Container

    from scap_formats.params import decode_param

    values = Container()
    for index, param in enumerate(event_table().events[event_type].params):
        data = params[index] if index < len(params) else b""
        values[param.name] = decode_param(param.type, data, byteorder)
    return values


def _event(event_type: int, values: tuple[Any, ...], ts: int, tid: int, byteorder: ByteOrder) -> Value:
    from construct import Container

    from scap_formats.params import encode_param

    declared = event_table().events[event_type].params
    params = [encode_param(param.type, value, byteorder) for param, value in zip(declared, values, strict=True)]
    return Container(cpu=0, ts=ts, tid=tid, type=event_type, params=params)
