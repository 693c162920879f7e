"""Decoding: values of keys of rules items, with the complaints Falco has about their shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaptools.rules.document import truth
from scaptools.rules.issues import Code, Context, ItemType, fail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scaptools.rules.document import Node
    from scaptools.rules.issues import LoadFailureError

_MAX_UINT = 2**32


def invalid(message: str, context: Context, hint: str | None = None) -> LoadFailureError:
    """The error for a wrong shape, to be raised by the caller."""
    return fail(Code.LOAD_ERR_YAML_VALIDATE, message, context, hint)


def required(item: Node, key: str, context: Context) -> str:
    """The text of a key that has to be there and not empty."""
    value = item.get(key)
    if value is None:
        raise invalid(f"Item has no mapping for key '{key}'", context)
    if value.is_null:
        raise invalid(f"Mapping for key '{key}' is empty", context)
    return _scalar(value, key, context)


def optional(item: Node, key: str, context: Context) -> str | None:
    """The text of a key that may be missing or null."""
    value = item.get(key)
    return None if value is None or value.is_null else _scalar(value, key, context)


def boolean(item: Node, key: str, context: Context, *, default: bool = False) -> bool:
    """The truth of a key that may be missing."""
    text = optional(item, key, context)
    if text is None:
        return default
    value = truth(text)
    if value is None:
        raise _undecodable(item, key, context, "a boolean is true or false, yes or no, on or off")
    return value


def unsigned(item: Node, key: str, context: Context, *, default: int = 0) -> int:
    """The number of a key that may be missing."""
    text = optional(item, key, context)
    if text is None:
        return default
    digits = text.lstrip("0")[:11] or "0"
    if not (text.isascii() and text.isdigit() and int(digits) < _MAX_UINT):
        raise _undecodable(item, key, context, "the value is a number without sign")
    return int(digits)


def texts(item: Node, key: str, context: Context, *, default: list[str] | None = None) -> list[str]:
    """The texts of a sequence; it may be missing or null where there is a default."""
    value = item.get(key)
    if default is not None and (value is None or value.is_null):
        return default
    if value is None:
        raise invalid(f"Item has no mapping for key '{key}'", context)
    place = context.at(value, ItemType.VALUE_FOR, key)
    if not value.is_sequence:
        raise invalid("Value is not a sequence", place)
    return [sequence_text(entry, place) for entry in value.items()]


def sequence_text(entry: Node, context: Context) -> str:
    """The text of an item of a sequence, which may be empty."""
    if not entry.is_scalar or entry.is_null:
        raise invalid(
            "A sequence of values holds something that is no scalar value", context.at(entry, ItemType.LIST_ITEM)
        )
    return entry.text


def overrides(
    item: Node, context: Context, *, appendable: frozenset[str], replaceable: frozenset[str]
) -> dict[str, str]:
    """The operation for each key under ``override``, in the order written; none where that is missing."""
    value = item.get("override")
    if value is None or value.is_null:
        return {}
    place = context.at(value, ItemType.OVERRIDE)
    if not value.is_mapping:
        raise invalid("Value of 'override' must be a mapping", place)
    found: dict[str, str] = {}
    for name in value.keys():  # noqa: SIM118 - a node is no dictionary
        key = name.text if name.is_scalar else ""
        operation = value.get(key)
        at = place.at(name, ItemType.OVERRIDE, key)
        what = operation.text if operation is not None and operation.is_scalar else ""
        if what not in {"append", "replace"}:
            raise invalid(f"Invalid override operation for key '{key}': '{what}'", at, "write append or replace")
        if key not in (appendable if what == "append" else replaceable):
            verb = "appended to" if what == "append" else "replaced"
            raise invalid(f"Key '{key}' cannot be {verb} with an override", at)
        if item.get(key) is None:
            raise invalid(f"An override of '{key}' was specified but the item has no such key", at)
        found.setdefault(key, what)
    for key in sorted(appendable | replaceable):
        stray = item.get(key)
        if found and key not in found and stray is not None:
            raise invalid(
                f"Unexpected key '{key}': no corresponding entry under 'override' is defined",
                context.at(stray, ItemType.OVERRIDE, key),
            )
    return found


def unknown_keys(item: Node, known: Iterable[str], report: Callable[[str, Context], None], context: Context) -> None:
    """Report the keys that mean nothing in an item."""
    names = frozenset(known)
    for key in item.keys():  # noqa: SIM118 - a node is no dictionary
        text = key.text if key.is_scalar else ""
        if text not in names:
            report(f"Unknown key '{text}'", context.at(key, ItemType.VALUE_FOR, text))


def _scalar(value: Node, key: str, context: Context) -> str:
    place = context.at(value, ItemType.VALUE_FOR, key)
    if not value.is_scalar:
        raise invalid("Value is not a scalar value", place)
    if not value.text:
        raise invalid("Value must be non-empty", place)
    return value.text


def _undecodable(item: Node, key: str, context: Context, hint: str) -> LoadFailureError:
    value = item.get(key)
    place = context if value is None else context.at(value, ItemType.VALUE_FOR, key)
    return invalid("Can't decode YAML scalar value", place, hint)
