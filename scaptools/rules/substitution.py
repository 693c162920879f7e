"""Substitution: lists and exceptions written into the text of conditions.

Lists replace their name wherever it stands by itself, inside quotes as well; that is how rules are written, and what
rules rely on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaptools.rules.collector import takes_list
from scaptools.rules.issues import Code, fail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scaptools.rules.definitions import Definitions, ExceptionDefinition, ExceptionValue

_BLANKS = " \t\n\r"
_DELIMITERS = _BLANKS + "(),="


def expanded_lists(definitions: Definitions) -> tuple[dict[str, list[str]], set[str]]:
    """The items of each list with other lists' items in the place of their names, and the lists used so.

    One level only: a list inside brings its items as they were written.
    """
    expanded: dict[str, list[str]] = {}
    used: set[str] = set()
    for definition in definitions.lists:
        items: list[str] = []
        for item in definition.items:
            other = definitions.lists.get(item)
            if other is not None and other.index < definition.visibility:
                used.add(other.name)
                items += other.items
            else:
                items.append(item)
        expanded[definition.name] = items
    return expanded, used


def with_lists(condition: str, lists: Mapping[str, Sequence[str]]) -> tuple[str, set[str]]:
    """A condition with the items of lists in the place of their names, and which were used."""
    used = set()
    for name, items in lists.items():
        if name in condition:
            replaced = _with_list(condition, name, items)
            if replaced is not None:
                condition = replaced
                used.add(name)
    return condition, used


def _with_list(condition: str, name: str, items: Sequence[str]) -> str | None:
    """One pass for one list; None where its name does not stand by itself."""
    values = ", ".join(quoted_item(item) for item in items if item)
    parts: list[str] = []
    done = 0
    start = condition.find(name)
    while start >= 0:
        end = start + len(name)
        # what a replacement left in front of the rest of the text counts as a delimiter too
        alone = (start == done or condition[start - 1] in _DELIMITERS) and (
            end == len(condition) or condition[end] in _DELIMITERS
        )
        if not alone:
            start = condition.find(name, start + 1)
            continue
        first = start
        while first > done and condition[first - 1] in _BLANKS:
            first -= 1
        while end < len(condition) and condition[end] in _BLANKS:
            end += 1
        if not items:
            if first > done and condition[first - 1] == ",":
                first -= 1
            elif end < len(condition) and condition[end] == ",":
                end += 1
        parts.append(condition[done:first] + (" " if first else "") + values + " ")
        done = end
        start = condition.find(name, end)
    return "".join([*parts, condition[done:]]) if parts else None


def quoted_item(item: str) -> str:
    """A text in quotes where it has a blank and no quotes of its own."""
    return f'"{item}"' if " " in item and item[0] not in "\"'" else item


def with_exceptions(condition: str, exceptions: Sequence[ExceptionDefinition]) -> str:
    """A rule's condition together with its exceptions. Raises LoadFailureError where values do not fit the fields."""
    if not exceptions:
        return condition
    terms = [term for exception in exceptions if (term := _exception_term(exception))]
    return "".join([f"({condition})", *(f" and not {term}" for term in terms)])


def _exception_term(exception: ExceptionDefinition) -> str:
    fields, comparisons = exception.fields, exception.comparisons
    if not exception.values:
        return ""
    if isinstance(fields, str):
        return f"({fields} {comparisons} ({', '.join(_flat_values(exception))}))"
    if fields is None or comparisons is None:
        raise fail(Code.LOAD_ERR_VALIDATE, "Rule exception must have fields", exception.context)
    tuples = []
    for values in exception.values:
        if isinstance(values, str) or len(values) != len(fields):
            raise fail(Code.LOAD_ERR_VALIDATE, "Fields and values lists must have equal length", exception.context)
        terms = (
            f"{field} {comparison} {_value(value, comparison)}"
            for field, comparison, value in zip(fields, comparisons, values, strict=True)
        )
        tuples.append(f"({' and '.join(terms)})")
    return f"({' or '.join(tuples)})"


def _flat_values(exception: ExceptionDefinition) -> list[str]:
    found = []
    for value in exception.values:
        if not isinstance(value, str):
            raise fail(Code.LOAD_ERR_VALIDATE, "Expected values array to contain a list of strings", exception.context)
        found.append(quoted_item(value))
    return found


def _value(value: ExceptionValue, comparison: str) -> str:
    if not isinstance(value, str):
        items = (quoted_item(item if isinstance(item, str) else _value(item, comparison)) for item in value)
        return f"({', '.join(items)})"
    if takes_list(comparison):
        return value if value.startswith("(") else f"({value})"
    return quoted_item(value)
