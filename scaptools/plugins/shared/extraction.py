"""Extraction: one field of many events, from a plugin that answers for one event at a time.

The plugin's answer is copied before the next event is asked about, as it may be overwritten then. A value is missing
where the plugin says failure or gives none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scap_formats.types import ParamType
from scaptools.errors import PluginError
from scaptools.plugins.contract import ArgumentRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from scaptools.plugins.contract import PluginField
    from scaptools.plugins.shared.calls import Calls
    from scaptools.plugins.shared.payloads import PluginInputs

#: Most values of one list; beyond, its length is garbage.
LONGEST_LIST: Final = 1 << 20
_LARGEST_INDEX: Final = 2**64 - 1
_ADDRESS_BYTES: Final = frozenset({4, 16})
#: Types whose values are numbers, and how wide a column of them is.
NUMBER_TYPES: Final = {
    ParamType.UINT64: "<u8",
    ParamType.RELTIME: "<u8",
    ParamType.ABSTIME: "<u8",
    ParamType.BOOL: "<u4",
}


@dataclass(frozen=True, slots=True)
class FieldRequest:
    """One field with its argument: a key, an index, both or none."""

    number: int
    name: str
    type: ParamType
    is_list: bool
    key: str | None = None
    index: int | None = None

    @staticmethod
    def of(fields: Sequence[PluginField], name: str, argument: str | None, *, plugin: str) -> FieldRequest:
        """What to ask for a declared field. Raises PluginError where the argument is not what the field takes."""
        number = next((index for index, field in enumerate(fields) if field.name == name), None)
        if number is None:
            raise PluginError(f"there is no field {name}", plugin=plugin)
        field = fields[number]
        request = FieldRequest(number, name, field.type, field.is_list)
        rule = field.argument
        if argument is None:
            if rule.required:
                raise PluginError(f"{name} needs an argument", plugin=plugin)
            return request
        if rule is ArgumentRule.NONE:
            raise PluginError(f"{name} takes no argument", plugin=plugin)
        index = _index(argument)
        if rule.is_index:
            if index is None:
                raise PluginError(f"{name} takes an index, not {argument!r}", plugin=plugin)
            return FieldRequest(number, name, field.type, field.is_list, None, index)
        # Where either is taken a number is passed as both, a text as the key alone.
        either = rule in {ArgumentRule.OPTIONAL_EITHER, ArgumentRule.REQUIRED_EITHER}
        return FieldRequest(number, name, field.type, field.is_list, argument, index if either else None)


def _index(text: str) -> int | None:
    """An index as upstream reads it: digits only, without leading zeros, of 64 bits."""
    if not (text.isascii() and text.isdigit()) or (len(text) > 1 and text[0] == "0"):
        return None
    return int(text) if len(text) <= 20 and int(text) <= _LARGEST_INDEX else None


@dataclass(frozen=True, slots=True)
class Extracted:
    """The values of some events, as arrays two processes can exchange.

    ``counts`` is the number of values per event, 0 for none. Values lie one after the other: numbers in ``numbers``,
    texts in ``texts`` with their ``lengths``.
    """

    counts: NDArray[np.uint32]
    numbers: NDArray[Any]
    lengths: NDArray[np.uint32]
    texts: NDArray[np.uint8]

    @staticmethod
    def joined(parts: Sequence[Extracted]) -> Extracted:
        """Parts below each other; at least one."""
        import numpy as np

        return (
            parts[0]
            if len(parts) == 1
            else Extracted(*(np.concatenate([getattr(part, name) for part in parts]) for name in Extracted.__slots__))
        )


def extract(calls: Calls, request: FieldRequest, inputs: PluginInputs, rows: slice) -> Extracted:
    """Ask the plugin about some of the inputs. Raises PluginError where an answer cannot be one."""
    from scaptools.plugins.shared.loop import extract_compiled

    field, _kept = field_of(calls, request)
    compiled = extract_compiled(calls, request, field, inputs, rows)
    if compiled is not None:
        return compiled
    one_by_one = _extract_single if calls.library.abi.major == 0 else _extract_many
    return one_by_one(calls, request, field, calls.pointers(inputs, rows))


def field_of(calls: Calls, request: FieldRequest) -> tuple[Any, Any]:
    """The structure that asks for a field, and what has to be kept as long as it is used."""
    field = calls.ffi.new("ss_plugin_extract_field *")
    name = calls.ffi.new("char[]", request.name.encode())
    field.field_id = request.number
    field.field = name
    field.ftype = int(request.type)
    if calls.library.abi.major == 0:
        # The host of that time passes an empty text where there is no argument.
        argument = calls.ffi.new("char[]", (request.key or "").encode())
        field.arg = argument
    else:
        argument = calls.ffi.NULL if request.key is None else calls.ffi.new("char[]", request.key.encode())
        field.arg_key = argument
        field.arg_index = calls.no_index if request.index is None else request.index
        field.arg_present = request.key is not None or request.index is not None
        field.flist = request.is_list
    return field, (name, argument)


def wrong_answer(calls: Calls, request: FieldRequest, field: Any) -> PluginError:
    """What is wrong with an answer: values that are nowhere, or too many of them."""
    length = field.res_len if request.is_list else 1
    if length > LONGEST_LIST:
        return calls.library.error(f"gave {length} values of {request.name}, at most {LONGEST_LIST} are taken")
    return calls.library.error(f"gave {length} values of {request.name} without any")


def _extract_single(calls: Calls, request: FieldRequest, field: Any, inputs: Sequence[Any]) -> Extracted:
    """Generation 0, whose answers lie in the structure itself."""
    ask = calls.extractor(field)
    null, string = calls.ffi.NULL, calls.ffi.string
    import numpy as np

    counts = np.zeros(len(inputs), np.uint32)
    values: list[Any] = []
    numeric = request.type in NUMBER_TYPES
    for row, event in enumerate(inputs):
        field.field_present = False
        field.res_str = null
        if ask(event) or not field.field_present:
            continue
        if numeric:
            values.append(field.res_u64)
        elif field.res_str != null:
            values.append(string(field.res_str))
        else:
            continue
        counts[row] = 1
    return gathered(request.type, counts, values)


def _extract_many(calls: Calls, request: FieldRequest, field: Any, inputs: Sequence[Any]) -> Extracted:
    """Later generations, whose answers are arrays."""
    import numpy as np

    counts = np.zeros(len(inputs), np.uint32)
    values: list[Any] = []
    ask = asker(calls, request, field, values)
    for row, event in enumerate(inputs):
        counts[row] = ask(event)
    return gathered(request.type, counts, values)


def asker(calls: Calls, request: FieldRequest, field: Any, values: list[Any]) -> Callable[[Any], int]:
    """A function that asks about one event and adds what the plugin gives to ``values``; how many that were."""
    call = calls.extractor(field)
    result, null = field.res, calls.ffi.NULL
    read = _reader(calls, request.type, result)

    def ask(event: Any) -> int:
        result.u64 = null
        field.res_len = 0
        if call(event) or not field.res_len:
            return 0
        length = field.res_len if request.is_list else 1
        if result.u64 == null or length > LONGEST_LIST:
            raise wrong_answer(calls, request, field)
        before = len(values)
        for index in range(length):
            value = read(index)
            if value is not None:
                values.append(value)
        return len(values) - before

    return ask


def _reader(calls: Calls, type_: ParamType, result: Any) -> Callable[[int], Any]:
    """How a value of a type is copied out of the plugin's answer, None where it is NULL."""
    ffi = calls.ffi
    null, string = ffi.NULL, ffi.string

    def text(index: int) -> bytes | None:
        pointer = result.str[index]
        return None if pointer == null else bytes(string(pointer))

    def address(index: int) -> bytes | None:
        buffer = result.buf[index]
        if buffer.ptr == null or buffer.len not in _ADDRESS_BYTES:
            return None
        return bytes(ffi.buffer(buffer.ptr, buffer.len))

    if type_ is ParamType.CHARBUF:
        return text
    if type_ is ParamType.BOOL:
        return lambda index: int(result.boolean[index] != 0)
    if type_ in NUMBER_TYPES:
        return lambda index: result.u64[index]
    return address


def gathered(type_: ParamType, counts: NDArray[np.uint32], values: list[Any]) -> Extracted:
    """Values one after the other, with how many each event has, as arrays."""
    import numpy as np

    none = np.zeros(0, np.uint8)
    if type_ in NUMBER_TYPES:
        return Extracted(counts, np.array(values, NUMBER_TYPES[type_]), none.view(np.uint32), none)
    lengths = np.fromiter(map(len, values), np.uint32, len(values))
    return Extracted(counts, none.view(np.uint64), lengths, np.frombuffer(b"".join(values), np.uint8))
