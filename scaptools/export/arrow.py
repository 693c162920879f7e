r"""Fields as Arrow columns: which type each field has, and how its values get there.

Types depend on the field alone, never on the values met, so that batches of one capture fit each other:

- an instant is ``timestamp[ns, UTC]``, a duration ``int64`` or ``uint64`` in ns;
- integers are ``int64`` or ``uint64``, truths ``bool``, fractions ``double``;
- addresses are text; buffers, and raw parameters that are neither number nor text, are ``binary``;
- text of which there are few different ones is ``dictionary<int32, string>``, other text ``string``; bytes that are no
  UTF-8 read ``\xNN``;
- several values are a ``list``.

A missing value is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import STRING_TYPES, ParamType
from scaptools.columns import ALL_ROWS, Coded, Lists, Numbers, Texts
from scaptools.fields.paramtext.addresses import address_text
from scaptools.fields.paramtext.buffers import rendered_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column
    from scaptools.fields.model import BoundField

#: Fields that show when an event happened, as text for people; here they are instants.
_EVENT_TIMES = frozenset({"evt.time", "evt.time.iso8601", "evt.datetime", "evt.rawtime"})
#: Fields of a time type that hold part of a time, or a duration.
_NO_INSTANTS = frozenset({"evt.rawtime.s", "evt.rawtime.ns"})
#: Fields with several values where they have no argument, one with.
_LISTS_WITHOUT_ARGUMENT = frozenset(
    {"proc.aexe", "proc.aexepath", "proc.aname", "proc.acmdline", "proc.aenv", "proc.apid"}
    | {"fd.ip", "fd.port", "fd.proto", "fd.net"}
)
_LATEST = 2**63 - 1
_ADDRESSES = frozenset(
    {ParamType.IPV4ADDR, ParamType.IPV6ADDR, ParamType.IPADDR, ParamType.IPV4NET, ParamType.IPV6NET, ParamType.IPNET}
)
#: Classes of fields whose text comes from few processes, accounts, containers and descriptors.
_REPEATED_CLASSES = ("proc.", "user.", "group.", "container.", "fd.")
#: Further fields of few different texts.
_REPEATED = frozenset(
    """
    evt.type syscall.type evt.dir evt.category evt.res evt.source evt.pluginname evt.io_dir evt.asynctype evt.hostname
    thread.cgroups ct.src ct.shortsrc ct.name ct.region ct.error ct.user ct.user.identitytype ct.user.accountid ct.srcip
    ct.eventtype ct.apiversion ct.readonly ct.managementevent ct.eventcategory ct.recipientaccountid
    """.split()  # noqa: SIM905 - as a list it would be a page long
)
#: Fields of those classes that differ from event to event.
_DISTINCT = frozenset({"fd.uid"})


def select_table(matches: Iterable[tuple[EventBatch, NDArray[np.intp]]], fields: Sequence[BoundField]) -> pa.Table:
    """One row per matching event, one column per field; text is plain here, not dictionaries."""
    import pyarrow as pa

    chunks: list[list[pa.Array]] = [[] for _ in fields]
    for batch, rows in matches:
        chosen = ChosenRows(batch, rows)
        for place, field in enumerate(fields):
            chunks[place].append(field_array(field, chosen, plain=True))
    arrays = [
        pa.chunked_array(pieces, arrow_type(field, plain=True)) for pieces, field in zip(chunks, fields, strict=True)
    ]
    return pa.table(dict(zip((field.name for field in fields), arrays, strict=True)))


def is_repeated(name: str) -> bool:
    """Whether there are few different texts of a field."""
    return name in _REPEATED or (name.startswith(_REPEATED_CLASSES) and name not in _DISTINCT)


def arrow_type(field: BoundField, *, plain: bool = False) -> pa.DataType:
    """The Arrow type of a field's column; with ``plain`` no text is a dictionary."""
    import pyarrow as pa

    inner = pa.timestamp("ns", "UTC") if field.name in _EVENT_TIMES else _scalar_type(field)
    if _is_list(field):
        return pa.list_(inner)
    return pa.dictionary(pa.int32(), inner) if inner == pa.string() and not plain and is_repeated(field.name) else inner


def _scalar_type(field: BoundField) -> pa.DataType:
    import pyarrow as pa

    if field.type in _ADDRESSES:
        return pa.string()
    if field.type is ParamType.BYTEBUF:
        return pa.binary()
    if field.type is ParamType.BOOL:
        return pa.bool_()
    if field.type is ParamType.ABSTIME and field.name not in _NO_INSTANTS:
        return pa.timestamp("ns", "UTC")
    if field.type is ParamType.DOUBLE:
        return pa.float64()
    if field.type.size is None:
        return pa.string() if field.type in STRING_TYPES else pa.binary()
    return pa.int64() if field.type.signed else pa.uint64()


def _is_list(field: BoundField) -> bool:
    return field.is_list or (field.argument is None and field.name in _LISTS_WITHOUT_ARGUMENT)


class ChosenRows:
    """Some events of a batch, as the columns of a table are made of them.

    Where they are most of the batch a field is asked of all events, which lets fields share what they work out, and the
    chosen rows are picked from the answer. Codes that several columns have are narrowed down to values in use once.
    """

    def __init__(self, batch: EventBatch, rows: NDArray[np.intp]) -> None:
        self.batch = batch
        self.rows = rows
        self._most = len(rows) * 2 > len(batch)
        self._codes: list[tuple[NDArray[Any], int, NDArray[np.intp], NDArray[np.int32]]] = []

    def column(self, field: BoundField) -> tuple[Column, NDArray[np.intp] | None]:
        """The column of a field, and which of its rows are the chosen ones; None for all."""
        if not self._most or field.remembers:
            return field.column(self.batch, self.rows), None
        return field.column(self.batch, ALL_ROWS), None if len(self.rows) == len(self.batch) else self.rows

    def narrowed(
        self, codes: NDArray[Any], count: int, picked: NDArray[np.intp] | None
    ) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Which of ``count`` values are in use, ascending, and the codes as places among those, -1 for none."""
        for known, known_count, used, places in self._codes:
            if known_count == count and len(places) == len(self.rows) and np.array_equal(known, codes):
                return used, places
        chosen = codes if picked is None else codes[picked]
        in_use = np.zeros(count + 1, bool)
        in_use[chosen] = True  # code -1 marks the last entry
        used = np.flatnonzero(in_use[:-1])
        place = np.full(count + 1, -1, np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        places = place[chosen]
        self._codes.append((codes, count, used, places))
        return used, places


def field_array(field: BoundField, chosen: ChosenRows, *, plain: bool = False) -> pa.Array:
    """A field of the given events as an array of its `arrow_type`."""
    wanted = arrow_type(field, plain=plain)
    if field.name in _EVENT_TIMES:
        return _numbers(Numbers(chosen.batch.header("ts", chosen.rows)), wanted)
    column, picked = chosen.column(field)
    if isinstance(column, Coded) and isinstance(column.values, Texts):
        return _coded(column, field, wanted, *chosen.narrowed(column.codes, len(column.values), picked))
    return _typed_array(column if picked is None else column.take(picked), field, wanted)


def _typed_array(column: Column, field: BoundField, wanted: pa.DataType) -> pa.Array:
    """A column as an array of a type that `arrow_type` gave for its field."""
    import pyarrow as pa

    if isinstance(column, Lists):
        inner = _typed_array(column.values, field, wanted.value_type)
        mask = None if column.valid is None else pa.array(~column.valid)
        return pa.ListArray.from_arrays(pa.array(column.offsets.astype(np.int32)), inner, mask=mask)
    if isinstance(column, Coded):
        return _typed_array(column.expand(), field, wanted)
    if isinstance(column, Numbers):
        return _numbers(column, wanted)
    if pa.types.is_dictionary(wanted):
        encoded = column.to_arrow().dictionary_encode()
        return pa.DictionaryArray.from_arrays(encoded.indices, _texts(encoded.dictionary, field, wanted.value_type))
    return _texts(column.to_arrow(), field, wanted)


def _coded(
    column: Coded, field: BoundField, wanted: pa.DataType, used: NDArray[np.intp], places: NDArray[np.int32]
) -> pa.Array:
    """Only values in use are converted, each once, and equal ones become one."""
    import pyarrow as pa

    values = _texts(column.values.take(used).to_arrow(), field, pa.string() if wanted != pa.binary() else wanted)
    encoded = values.dictionary_encode()
    # Place -1 picks the last entry.
    indices = np.append(np.asarray(encoded.indices.fill_null(-1), np.int32), np.int32(-1)).take(places, mode="wrap")
    missing = indices < 0 if len(indices) and int(indices.min()) < 0 else None
    array = pa.DictionaryArray.from_arrays(pa.array(indices, mask=missing), encoded.dictionary)
    return array if pa.types.is_dictionary(wanted) else array.dictionary_decode()


def _numbers(column: Any, wanted: pa.DataType) -> pa.Array:
    import pyarrow as pa

    values, valid = column.values, column.valid
    if pa.types.is_timestamp(wanted):
        if values.dtype.kind == "u" and len(values) and int(values.max()) > _LATEST:
            # All ones stand for no time.
            valid = column.validity() & (values <= _LATEST)
        values = values.astype(np.int64)
    elif pa.types.is_boolean(wanted):
        values = values != 0
    elif wanted == pa.string():
        # A field without a value anywhere may come as numbers.
        return pa.array(values, mask=None if valid is None else ~valid).cast(wanted)
    else:
        values = values.astype(wanted.to_pandas_dtype(), copy=False)
    return pa.array(values, wanted, mask=None if valid is None else ~valid)


def _texts(array: pa.Array, field: BoundField, wanted: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if wanted == pa.binary():
        return array.cast(wanted)
    if field.type in _ADDRESSES:
        array = rendered_once(array, address_text).to_arrow()
    elif not (pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type)):
        return array.cast(wanted)
    try:
        return array.cast(wanted)
    except pa.ArrowInvalid:
        values = [None if value is None else value.decode("utf-8", "backslashreplace") for value in array.to_pylist()]
        return pa.array(values, wanted)
