"""The reader: a rules file as items, each checked for its shape and handed to the collector."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scaptools.rules import decode
from scaptools.rules.definitions import (
    SYSCALL_SOURCE,
    ExceptionDefinition,
    ExceptionValue,
    ListDefinition,
    MacroDefinition,
    PluginRequirement,
    RuleDefinition,
    RuleUpdate,
)
from scaptools.rules.document import YamlError, documents
from scaptools.rules.issues import Code, Context, Issue, ItemType, fail
from scaptools.rules.priority import Priority
from scaptools.rules.versions import Version, parse_engine_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.rules.collector import Collector
    from scaptools.rules.document import Node

_MACRO_NAME = re.compile(r"[a-zA-Z]+[a-zA-Z0-9_]*", re.ASCII)
_LIST_NAME = re.compile(r"""[^()"'\s=,]+""", re.ASCII)

_LIST_KEYS = frozenset({"items"})
_MACRO_KEYS = frozenset({"condition"})
_APPENDABLE = frozenset({"condition", "output", "desc", "tags", "exceptions"})
_REPLACEABLE = _APPENDABLE | {
    "priority",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
}
_CHANGING = frozenset({"append", "override"})
#: The keys an item may have, by the key it is recognised by, in the order they are looked for.
KEYS = {
    "required_engine_version": frozenset({"required_engine_version"}),
    "required_plugin_versions": frozenset({"required_plugin_versions"}),
    "list": frozenset({"list"}) | _LIST_KEYS | _CHANGING,
    "macro": frozenset({"macro"}) | _MACRO_KEYS | _CHANGING,
    "rule": frozenset({"rule", "source"}) | _REPLACEABLE | _CHANGING,
}
_BOTH = "Keys 'override' and 'append: true' cannot be used together"
_APPEND = "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead."
_SWITCH = "a rule with nothing but 'enabled' is deprecated. Add 'enabled: replace' under 'override'."


class RulesReader:
    """Reads files into a collector; warnings are appended to ``issues``."""

    def __init__(self, collector: Collector, issues: list[Issue]) -> None:
        self._collector = collector
        self._issues = issues
        self._readers: dict[str, Callable[[Node, Context], None]] = {
            "required_engine_version": self._engine_version,
            "required_plugin_versions": self._plugin_versions,
            "list": self._list,
            "macro": self._macro,
            "rule": self._rule,
        }

    def read(self, content: str, context: Context) -> None:
        """Read a file's text. Raises LoadFailureError at the first error."""
        try:
            found = documents(content)
        except YamlError as error:
            raise fail(Code.LOAD_ERR_YAML_PARSE, str(error), context.at(error.mark, ItemType.VALUE_FOR)) from error
        for document in found:
            if document.is_null:
                continue
            if not document.is_sequence:
                raise decode.invalid("Rules content is not a yaml sequence of objects", context)
            for item in document.items():
                if not item.is_null:
                    self._item(item, context)

    def _warn(self, code: Code, message: str, context: Context) -> None:
        self._issues.append(Issue(code, message, context))

    def _item(self, item: Node, context: Context) -> None:
        place = context.at(item, ItemType.RULES_CONTENT_ITEM)
        if not item.is_mapping:
            raise decode.invalid("Unexpected element type: each element should be a yaml mapping", place)
        kind = next((kind for kind in KEYS if item.get(kind) is not None), None)
        if kind is None:
            self._warn(Code.LOAD_UNKNOWN_ITEM, "Unknown top level item", place)
            return
        self._readers[kind](item, context)

    def _unknown_keys(self, item: Node, kind: str, context: Context) -> None:
        def warn(message: str, place: Context) -> None:
            self._warn(Code.LOAD_UNKNOWN_KEY, message, place)

        decode.unknown_keys(item, KEYS[kind], warn, context)

    def _engine_version(self, item: Node, context: Context) -> None:
        value = item.get("required_engine_version")
        if value is None:
            return
        place = context.at(value, ItemType.REQUIRED_ENGINE_VERSION)
        version = parse_engine_version(value.text) if value.is_scalar else None
        if version is None:
            raise decode.invalid("Unable to parse engine version", place, "write a number, or x.y.z")
        self._collector.require_engine(version, place)
        self._unknown_keys(item, "required_engine_version", place)

    def _plugin_versions(self, item: Node, context: Context) -> None:
        value = item.get("required_plugin_versions")
        if value is None:
            return
        place = context.at(value, ItemType.REQUIRED_PLUGIN_VERSIONS)
        if not value.is_sequence:
            raise decode.invalid("Value of required_plugin_versions must be a sequence", place)
        for entry in value.items():
            at = place.at(entry, ItemType.REQUIRED_PLUGIN_VERSIONS_ENTRY)
            if not entry.is_mapping:
                raise decode.invalid("A required plugin version must be a mapping", at)
            wanted = [_plugin_version(entry, at)]
            others = entry.get("alternatives")
            if others is not None and not others.is_null:
                if not others.is_sequence:
                    raise decode.invalid("Value of plugin version alternatives must be a sequence", at)
                for other in others.items():
                    beside = at.at(other, ItemType.REQUIRED_PLUGIN_VERSIONS_ALTERNATIVE)
                    if not other.is_mapping:
                        raise decode.invalid("A plugin version alternative must be a mapping", beside)
                    wanted.append(_plugin_version(other, beside))
            self._collector.require_plugin(PluginRequirement(at, tuple(wanted)))
        self._unknown_keys(item, "required_plugin_versions", place)

    def _list(self, item: Node, context: Context) -> None:
        name = decode.required(item, "list", context.at(item, ItemType.LIST))
        place = context.at(item, ItemType.LIST, name)
        if not _LIST_NAME.fullmatch(name):
            self._warn(
                Code.LOAD_INVALID_LIST_NAME,
                "a list whose name holds blanks, brackets, quotes, commas or '=' cannot be referred to",
                place,
            )
        definition = ListDefinition(name, place, decode.texts(item, "items", place))
        if self._appends(item, _LIST_KEYS, place):
            self._collector.append_list(definition)
        else:
            self._collector.define_list(definition)
        self._unknown_keys(item, "list", place)

    def _macro(self, item: Node, context: Context) -> None:
        name = decode.required(item, "macro", context.at(item, ItemType.MACRO))
        place = context.at(item, ItemType.MACRO, name)
        if not _MACRO_NAME.fullmatch(name):
            self._warn(
                Code.LOAD_INVALID_MACRO_NAME,
                "a macro whose name is not made of letters, digits and '_' cannot be referred to",
                place,
            )
        condition = decode.required(item, "condition", place)
        at = _place_of(item, "condition", place, ItemType.MACRO_CONDITION)
        definition = MacroDefinition(name, place, condition, at)
        if self._appends(item, _MACRO_KEYS, place):
            self._collector.append_macro(definition)
        else:
            self._collector.define_macro(definition)
        self._unknown_keys(item, "macro", place)

    def _append_flag(self, item: Node, context: Context) -> bool:
        append = decode.boolean(item, "append", context)
        if append:
            self._warn(Code.LOAD_DEPRECATED_ITEM, _APPEND, context)
        return append

    def _appends(self, item: Node, keys: frozenset[str], context: Context) -> bool:
        """Whether a list or macro is appended to; its one key decides."""
        append = self._append_flag(item, context)
        operations = decode.overrides(item, context, appendable=keys, replaceable=keys)
        if append and operations:
            raise decode.invalid(_BOTH, context)
        return append or "append" in operations.values()

    def _rule(self, item: Node, context: Context) -> None:
        name = decode.required(item, "rule", context.at(item, ItemType.RULE))
        place = context.at(item, ItemType.RULE, name)
        append = self._append_flag(item, place)
        operations = decode.overrides(item, place, appendable=_APPENDABLE, replaceable=_REPLACEABLE)
        if append and operations:
            raise decode.invalid(_BOTH, place)
        if operations:
            self._override(item, name, operations, place)
        elif append:
            keys = [key for key in ("condition", "exceptions") if item.get(key) is not None]
            self._collector.append_rule(self._update(item, name, keys, place, append=True))
        elif not any(item.get(key) is not None for key in ("condition", "output", "desc", "priority")):
            decode.required(item, "enabled", place)
            enabled = decode.boolean(item, "enabled", place)
            self._warn(Code.LOAD_DEPRECATED_ITEM, _SWITCH, place)
            self._collector.switch_rule(
                RuleUpdate(name, place, decode.optional(item, "source", place), {"enabled": enabled})
            )
        else:
            self._collector.define_rule(self._whole_rule(item, name, place))
        self._unknown_keys(item, "rule", place)

    def _override(self, item: Node, name: str, operations: dict[str, str], place: Context) -> None:
        appended = [key for key, operation in operations.items() if operation == "append"]
        replaced = [key for key, operation in operations.items() if operation == "replace"]
        if appended:
            self._collector.append_rule(self._update(item, name, appended, place, append=True))
        if replaced:
            self._collector.replace_in_rule(self._update(item, name, replaced, place, append=False))

    def _update(self, item: Node, name: str, keys: list[str], place: Context, *, append: bool) -> RuleUpdate:
        update = RuleUpdate(name, place, _stated_source(item, place))
        for key in keys:
            for attribute, value in self._value(item, key, place, append=append).items():
                update.changes[attribute] = value
        return update

    def _value(self, item: Node, key: str, place: Context, *, append: bool) -> dict[str, Any]:
        """The attributes of a rule a key sets."""
        match key:
            case "condition":
                at = _place_of(item, key, place, ItemType.RULE_CONDITION)
                return {"condition": decode.required(item, key, place), "condition_context": at}
            case "output":
                at = _place_of(item, key, place, ItemType.RULE_OUTPUT)
                return {"output": decode.required(item, key, place).strip(), "output_context": at}
            case "desc":
                return {"description": decode.required(item, key, place)}
            case "priority":
                return {"priority": _priority(item, place)}
            case "tags":
                return {"tags": set(decode.texts(item, key, place, default=[]))}
            case "exceptions":
                return {"exceptions": self._exceptions(item, place, append=append)}
            case "enabled" | "warn_evttypes":
                attribute = {"enabled": "enabled", "warn_evttypes": "warns_of_event_types"}[key]
                return {attribute: decode.boolean(item, key, place, default=True)}
            case "skip-if-unknown-filter" | "capture":
                attribute = {"skip-if-unknown-filter": "skips_unknown", "capture": "capture"}[key]
                return {attribute: decode.boolean(item, key, place)}
        return {"capture_duration_ms": decode.unsigned(item, key, place)}

    def _whole_rule(self, item: Node, name: str, place: Context) -> RuleDefinition:
        values: dict[str, Any] = {}
        for key in ("condition", "output", "desc", "priority"):
            values |= self._value(item, key, place, append=False)
        values["source"] = _stated_source(item, place) or SYSCALL_SOURCE
        for key in sorted(_REPLACEABLE - values.keys()):
            if item.get(key) is not None and key not in {"condition", "output", "desc", "priority"}:
                values |= self._value(item, key, place, append=False)
        return RuleDefinition(name, place, **values)

    def _exceptions(self, item: Node, place: Context, *, append: bool) -> list[ExceptionDefinition]:
        value = item.get("exceptions")
        if value is None or value.is_null:
            return []
        outer = place.at(value, ItemType.EXCEPTIONS)
        if not value.is_sequence:
            raise decode.invalid("Rule exceptions must be a sequence", outer)
        found: list[ExceptionDefinition] = []
        for entry in value.items():
            exception = self._exception(entry, outer, append=append)
            if any(other.name == exception.name for other in found):
                self._warn(
                    Code.LOAD_EXCEPTION_NAME_NOT_UNIQUE,
                    f"Multiple definitions of exception '{exception.name}' in the same rule",
                    exception.context,
                )
            found.append(exception)
        return found

    def _exception(self, entry: Node, outer: Context, *, append: bool) -> ExceptionDefinition:
        unnamed = outer.at(entry, ItemType.EXCEPTION)
        if not entry.is_mapping:
            raise decode.invalid("Rule exception must be a mapping", unnamed)
        name = decode.required(entry, "name", unnamed)
        place = outer.at(entry, ItemType.EXCEPTION, name)
        exception = ExceptionDefinition(
            name, place, _one_or_many(entry, "fields", place), _one_or_many(entry, "comps", place)
        )
        if exception.fields is None and not append:
            raise decode.invalid("Item has no mapping for key 'fields'", place)
        values = entry.get("values")
        if values is not None and not values.is_null:
            at = place.at(values, ItemType.EXCEPTION_VALUES)
            if not values.is_sequence:
                raise decode.invalid("Rule exception values must be a sequence", at)
            exception.values = [_exception_value(value, at) for value in values.items()]
        elif values is None and append:
            self._warn(Code.LOAD_APPEND_NO_VALUES, f"Exception '{name}' is appended to without values", place)
        return exception


#: Sequences inside the values of an exception: tuples, and lists as their members.
_VALUE_DEPTH = 2


def _exception_value(value: Node, context: Context, depth: int = 0) -> ExceptionValue:
    place = context.at(value, ItemType.EXCEPTION_VALUE)
    if value.is_scalar and not value.is_null:
        return value.text
    if not value.is_sequence or depth == _VALUE_DEPTH:
        raise decode.invalid("A rule exception value must be a scalar value or a sequence of them", place)
    return [_exception_value(entry, place, depth + 1) for entry in value.items()]


def _one_or_many(entry: Node, key: str, context: Context) -> list[str] | str | None:
    value = entry.get(key)
    if value is None or value.is_null:
        return None
    return decode.texts(entry, key, context) if value.is_sequence else decode.required(entry, key, context)


def _plugin_version(entry: Node, context: Context) -> tuple[str, str]:
    name = decode.required(entry, "name", context)
    version = decode.required(entry, "version", context)
    if Version.parse(version) is None:
        raise decode.invalid(f"Unable to parse version '{version}' of plugin '{name}'", context, "write x.y.z")
    return name, version


def _priority(item: Node, place: Context) -> Priority:
    text = decode.required(item, "priority", place)
    priority = Priority.parse(text)
    if priority is None:
        names = ", ".join(priority.label for priority in Priority)
        at = _place_of(item, "priority", place, ItemType.RULE_PRIORITY)
        raise decode.invalid("Invalid priority", at, f"'{text}' is none of {names}")
    return priority


def _stated_source(item: Node, place: Context) -> str | None:
    value = item.get("source")
    if value is not None and value.is_scalar and not value.text:
        return None
    return decode.optional(item, "source", place)


def _place_of(item: Node, key: str, place: Context, item_type: ItemType) -> Context:
    value = item.get(key)
    return place if value is None else place.at(value, item_type)
