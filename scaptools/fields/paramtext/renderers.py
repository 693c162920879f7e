"""Renderers: which function makes text of which type of parameter."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.types import ParamType
from scaptools.columns import Coded, Texts, where
from scaptools.fields.paramtext import numbers
from scaptools.fields.paramtext.addresses import ip_address, socket_address, socket_tuple
from scaptools.fields.paramtext.arrays import some_text
from scaptools.fields.paramtext.buffers import buffer
from scaptools.fields.paramtext.context import as_texts
from scaptools.fields.paramtext.dynamic import dynamic
from scaptools.fields.paramtext.lists import descriptor_list, signal_set, string_array
from scaptools.fields.paramtext.strings import path, string
from scaptools.fields.paramtext.values import ParamText
from scaptools.fields.paramtext.weave import filled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.fields.paramtext.values import ParamValues

    Renderer = Callable[[ParamValues], ParamText]


def opaque(values: ParamValues) -> ParamText:
    """A type whose values have no text."""
    codes = np.where(values.column.lengths > 0, 0, -1)
    return ParamText(Coded(codes, Texts.of([b"(n.a.)"])))


_FUNCTIONS: Mapping[str, Renderer] = {
    "INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 PORT L4PROTO SOCKFAMILY": numbers.integer,
    "ERRNO": numbers.result,
    "FD FD32": numbers.descriptor,
    "PID PID32": numbers.thread,
    "UID": numbers.user,
    "GID": numbers.group,
    "SIGTYPE": numbers.signal,
    "SYSCALLID": numbers.syscall,
    "FLAGS8 FLAGS16 FLAGS32": numbers.flags,
    "ENUMFLAGS8 ENUMFLAGS16 ENUMFLAGS32": numbers.enumeration,
    "MODE": numbers.mode,
    "RELTIME": numbers.relative_time,
    "ABSTIME": numbers.absolute_time,
    "BOOL": numbers.truth,
    "DOUBLE": numbers.floating,
    "CHARBUF": string,
    "FSPATH FSRELPATH": path,
    "BYTEBUF": buffer,
    "SOCKADDR": socket_address,
    "SOCKTUPLE": socket_tuple,
    "IPV4ADDR IPV6ADDR IPADDR": ip_address,
    "FDLIST": descriptor_list,
    "SIGSET": signal_set,
    "CHARBUFARRAY CHARBUF_PAIR_ARRAY": string_array,
    "NONE IPV4NET IPV6NET IPNET": opaque,
}
_FIXED: Mapping[ParamType, Renderer] = {
    ParamType[name]: function for names, function in _FUNCTIONS.items() for name in names.split()
}
#: A renderer for every type.
RENDERERS: Mapping[ParamType, Renderer] = MappingProxyType(
    {**_FIXED, ParamType.DYN: partial(dynamic, renderers=_FIXED)}
)


def param_text(values: ParamValues) -> ParamText:
    """A parameter as text; ``plain`` is missing only where the event does not have the parameter at all.

    A parameter that is there without a value has the dialect's text for that.
    """
    type_ = values.param.type
    text = RENDERERS[type_](values)
    if is_complete(text.plain):
        return text
    valid = text.plain.validity()
    resolved = text.resolved
    if resolved is not None:
        resolved = as_texts(where(valid, resolved, _nothing(len(values))))
    plain = filled(text.plain, values.dialect.missing.get(type_, values.dialect.missing_other))
    present = values.column.present
    if not present.all():
        plain = as_texts(where(present, plain, _nothing(len(values))))
    return ParamText(plain, resolved)


def is_complete(column: TextColumn) -> bool:
    """Whether no value is missing."""
    if isinstance(column, Texts):
        return not column.array.null_count
    return int(column.codes.min(initial=0)) >= 0 and bool(column.values.validity().all())


def best_text(text: ParamText) -> TextColumn:
    """What explains most: the resolved text where there is some, the plain one elsewhere."""
    if text.resolved is None:
        return text.plain
    resolved = text.resolved
    if isinstance(resolved, Coded):
        some = some_text(resolved.values.to_arrow())
        if isinstance(text.plain, Coded) and text.plain.codes is resolved.codes:
            return Coded(resolved.codes, Texts(where(some, resolved.values, text.plain.values).to_arrow()))
        mask = resolved.spread(some)
    else:
        mask = some_text(resolved.array)
    return as_texts(where(mask, resolved, text.plain))


def _nothing(count: int) -> Coded:
    return Coded(np.full(count, -1, np.int8), Texts.of([]))
