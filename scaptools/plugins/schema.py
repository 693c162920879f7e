"""JSON Schema, as far as plugins use it: whether an init configuration is what its plugin asks for.

Keywords are a table of checks; those that only describe are passed over. The first violation is reported with its path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}
#: Keyword, the type it speaks about, whether a value obeys it, what it says when not.
_LIMITS: Final[tuple[tuple[str, str, Callable[[Any, Any], bool], str], ...]] = (
    ("minimum", "number", lambda value, limit: value >= limit, "is less than {}"),
    ("maximum", "number", lambda value, limit: value <= limit, "is more than {}"),
    ("multipleOf", "number", lambda value, limit: not value % limit, "is no multiple of {}"),
    ("minLength", "string", lambda value, limit: len(value) >= limit, "has less than {} characters"),
    ("maxLength", "string", lambda value, limit: len(value) <= limit, "has more than {} characters"),
    ("pattern", "string", lambda value, limit: re.search(limit, value) is not None, "does not match {}"),
    ("minItems", "array", lambda value, limit: len(value) >= limit, "has less than {} elements"),
    ("maxItems", "array", lambda value, limit: len(value) <= limit, "has more than {} elements"),
    ("minProperties", "object", lambda value, limit: len(value) >= limit, "has less than {} members"),
    ("maxProperties", "object", lambda value, limit: len(value) <= limit, "has more than {} members"),
)
_DEPTH: Final = 64


def violation(schema: Any, value: Any) -> str | None:
    """What is wrong with a value, None where it obeys the schema."""
    return next(_Checker(schema).check(schema, value, "", 0), None)


class _Checker:
    def __init__(self, root: Any) -> None:
        self.root = root

    def check(self, schema: Any, value: Any, path: str, depth: int) -> Iterator[str]:
        """Every violation, the outermost first."""
        where = path or "the configuration"
        if depth > _DEPTH:
            yield f"{where} is nested too deeply to be checked"
            return
        if schema is False:
            yield f"{where} is not allowed"
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            yield from self.check(self._referenced(schema["$ref"]), value, path, depth + 1)
        yield from self._own(schema, value, where)
        yield from self._combined(schema, value, path, where, depth)
        if isinstance(value, dict):
            yield from self._members(schema, value, path, where, depth)
        if isinstance(value, list):
            yield from self._elements(schema, value, path, depth)

    def _own(self, schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not any(_TYPES.get(name, lambda _: True)(value) for name in types):
            yield f"{where} is not of type {' or '.join(types)}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where} is none of {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            yield f"{where} is not {schema['const']!r}"
        for keyword, kind, obeys, text in _LIMITS:
            if keyword in schema and _TYPES[kind](value) and not obeys(value, schema[keyword]):
                yield f"{where} {text.format(schema[keyword])}"
        if not _TYPES["number"](value):
            return
        # Draft 4 has these as flags of the limits, later drafts as limits of their own.
        for keyword, limit, sign in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
            edge = schema.get(keyword)
            edge = schema.get(limit) if edge is True else edge
            if isinstance(edge, int | float) and sign * value <= sign * edge:
                yield f"{where} does not lie beyond {edge}"

    def _combined(self, schema: dict[str, Any], value: Any, path: str, where: str, depth: int) -> Iterator[str]:
        def first(part: Any) -> str | None:
            return next(self.check(part, value, path, depth + 1), None)

        for part in schema.get("allOf", []):
            yield from self.check(part, value, path, depth + 1)
        if "anyOf" in schema and all(first(part) for part in schema["anyOf"]):
            yield f"{where} obeys none of the alternatives"
        if "oneOf" in schema and sum(first(part) is None for part in schema["oneOf"]) != 1:
            yield f"{where} does not obey exactly one of the alternatives"
        if "not" in schema and first(schema["not"]) is None:
            yield f"{where} is what it may not be"

    def _members(
        self, schema: dict[str, Any], value: dict[str, Any], path: str, where: str, depth: int
    ) -> Iterator[str]:
        required = schema.get("required", [])
        for name in required if isinstance(required, list) else []:
            if name not in value:
                yield f"{where} lacks {name}"
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        for name, member in value.items():
            parts = [part for pattern, part in patterns.items() if re.search(pattern, name)]
            parts += [known[name]] if name in known else []
            if not parts and schema.get("additionalProperties") is False:
                yield f"{where} has a member {name} that is not known"
            for part in parts or [schema.get("additionalProperties")]:
                yield from self.check(part, member, f"{path}.{name}".lstrip("."), depth + 1)

    def _elements(self, schema: dict[str, Any], value: list[Any], path: str, depth: int) -> Iterator[str]:
        items = schema.get("items")
        if schema.get("uniqueItems") and any(element in value[:index] for index, element in enumerate(value)):
            yield f"{path or 'the configuration'} has equal elements"
        for index, element in enumerate(value):
            part = (items[index] if index < len(items) else None) if isinstance(items, list) else items
            yield from self.check(part, element, f"{path}[{index}]", depth + 1)

    def _referenced(self, reference: Any) -> Any:
        """The part of the schema a local reference names; anything else allows everything."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        part = self.root
        for name in reference[1:].split("/")[1:]:
            part = part.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(part, dict) else None
        return part
