"""The collector: definitions accumulated over files, with appends and overrides applied and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaptools.filter.operators import OPERATORS, Shape
from scaptools.filter.quoting import MODIFIERS
from scaptools.rules.issues import Code, Context, Issue, fail
from scaptools.rules.versions import ENGINE_VERSION, Version

if TYPE_CHECKING:
    from scaptools.rules.definitions import (
        Definitions,
        ExceptionDefinition,
        ListDefinition,
        MacroDefinition,
        PluginRequirement,
        RuleDefinition,
        RuleUpdate,
    )
    from scaptools.rules.issues import LoadFailureError
    from scaptools.rules.sources import EventSources

#: Operators that take a list.
LIST_OPERATORS = frozenset(name for name, operator in OPERATORS.items() if operator.shape is Shape.LIST)
_OPERATORS = frozenset(
    alias
    for name, operator in OPERATORS.items()
    if operator.shape is not Shape.UNARY
    for alias in (name, *operator.aliases)
)
_MODIFIED = frozenset(
    f"{alias} {modifier}"
    for name, operator in OPERATORS.items()
    if operator.shape is Shape.TEXT
    for alias in (name, *operator.aliases)
    for modifier in MODIFIERS
)
_NO_BASE = "{kind} has 'append' key or an append override but no {noun} by that name already exists"


def takes_list(comparison: str) -> bool:
    """Whether the operator of an exception compares with a list."""
    return comparison in LIST_OPERATORS or comparison in _MODIFIED


class Collector:
    """Applies items to definitions; warnings are appended to ``issues``."""

    def __init__(self, definitions: Definitions, sources: EventSources, issues: list[Issue]) -> None:
        self._definitions = definitions
        self._sources = sources
        self._issues = issues

    def require_engine(self, wanted: Version, context: Context) -> None:
        """Check a required version of the engine."""
        if not ENGINE_VERSION.satisfies(wanted):
            raise _wrong(
                f"Rules require engine version {wanted}, but engine version is {ENGINE_VERSION}",
                context,
            )
        known = self._definitions.engine_version
        if known is None or (Version.parse(known) or wanted) < wanted:
            self._definitions.engine_version = str(wanted)

    def require_plugin(self, requirement: PluginRequirement) -> None:
        """Note a required plugin; whether it is there is checked once a file is complete."""
        names = [name for name, _ in requirement.alternatives]
        for name in names:
            if names.count(name) > 1:
                raise _wrong(f"Plugin '{name}' is named more than once in one requirement", requirement.context)
        self._definitions.plugins.append(requirement)

    def define_list(self, definition: ListDefinition) -> None:
        """Define a list, or define it anew."""
        self._definitions.lists.define(definition, self._definitions.next_number())

    def append_list(self, definition: ListDefinition) -> None:
        """Add items to a list."""
        known = self._definitions.lists.get(definition.name)
        if known is None:
            raise _wrong(_NO_BASE.format(kind="List", noun="list"), definition.context)
        known.items = known.items + definition.items
        known.visibility = self._definitions.next_number()

    def define_macro(self, definition: MacroDefinition) -> None:
        """Define a macro, or define it anew."""
        self._definitions.macros.define(definition, self._definitions.next_number())

    def append_macro(self, definition: MacroDefinition) -> None:
        """Add text to a macro's condition."""
        known = self._definitions.macros.get(definition.name)
        if known is None:
            raise _wrong(_NO_BASE.format(kind="Macro", noun="macro"), definition.context)
        known.condition += f" {definition.condition}"
        known.visibility = self._definitions.next_number()

    def define_rule(self, rule: RuleDefinition) -> None:
        """Define a rule, or define it anew."""
        known = self._definitions.rules.get(rule.name)
        if known is not None and known.source != rule.source:
            raise _wrong("Rule has been re-defined with a different source", rule.context)
        if rule.source not in self._sources:
            rule.unknown_source = True
            self._warn(Code.LOAD_UNKNOWN_SOURCE, f"Unknown source {rule.source}, skipping", rule.context)
        for exception in rule.exceptions:
            self._check_exception(rule, exception)
        self._definitions.rules.define(rule, self._definitions.next_number())

    def append_rule(self, update: RuleUpdate) -> None:
        """Add text, tags and exceptions to a rule."""
        rule = self._known_rule(update, _NO_BASE.format(kind="Rule", noun="rule"))
        if not update.changes:
            raise _wrong("Appended rule must have exceptions or condition property", update.context)
        changes = update.changes
        for attribute in ("condition", "output", "description"):
            if attribute in changes:
                setattr(rule, attribute, f"{getattr(rule, attribute)} {changes[attribute]}")
        rule.tags |= changes.get("tags", set())
        for exception in changes.get("exceptions", ()):
            self._append_exception(rule, exception)
        rule.visibility = self._definitions.next_number()

    def replace_in_rule(self, update: RuleUpdate) -> None:
        """Set attributes of a rule."""
        rule = self._known_rule(update, "An override of a rule was requested but no rule by that name already exists")
        for exception in update.changes.get("exceptions", ()):
            self._check_exception(rule, exception)
        for attribute, value in update.changes.items():
            setattr(rule, attribute, value)
        rule.visibility = self._definitions.next_number()

    def switch_rule(self, update: RuleUpdate) -> None:
        """Turn a rule on or off."""
        rule = self._known_rule(update, "Rule has 'enabled' key but no rule by that name already exists")
        rule.enabled = update.changes["enabled"]

    def _known_rule(self, update: RuleUpdate, otherwise: str) -> RuleDefinition:
        rule = self._definitions.rules.get(update.name)
        if rule is None:
            raise _wrong(otherwise, update.context)
        if update.source is not None and update.source != rule.source:
            raise _wrong("Rule has been re-defined with a different source", update.context)
        return rule

    def _append_exception(self, rule: RuleDefinition, exception: ExceptionDefinition) -> None:
        known = next((known for known in rule.exceptions if known.name == exception.name), None)
        if known is None:
            if exception.fields is None:
                raise _wrong("Rule exception must have fields property with a list of fields", exception.context)
            if not exception.values:
                raise _wrong("Rule exception must have values", exception.context)
            self._check_exception(rule, exception)
            rule.exceptions.append(exception)
            return
        for name, given in (("fields", exception.fields), ("comps", exception.comparisons)):
            if given is not None:
                raise _wrong(f"Can not append exception {name} to existing exception, only values", exception.context)
        known.values = known.values + exception.values

    def _check_exception(self, rule: RuleDefinition, exception: ExceptionDefinition) -> None:
        fields = exception.fields
        if fields is None:
            raise _wrong("Rule exception must have fields property with a list of fields", exception.context)
        if isinstance(fields, list):
            comparisons = ["="] * len(fields) if exception.comparisons is None else exception.comparisons
            if isinstance(comparisons, str) or len(comparisons) != len(fields):
                raise _wrong("Fields and comps lists must have equal length", exception.context)
            allowed = _OPERATORS | _MODIFIED
        else:
            comparisons = "in" if exception.comparisons is None else exception.comparisons
            if isinstance(comparisons, list):
                raise _wrong("Fields and comps must both be strings", exception.context)
            allowed = LIST_OPERATORS | _MODIFIED
        exception.comparisons = comparisons
        for comparison in comparisons if isinstance(comparisons, list) else [comparisons]:
            if comparison not in allowed:
                raise _wrong(f"'{comparison}' is not a supported comparison operator", exception.context)
        if not rule.unknown_source:
            for name in fields if isinstance(fields, list) else [fields]:
                if not self._sources.fields(rule.source).is_field(name):
                    raise _wrong(f"'{name}' is not a supported filter field", exception.context)

    def _warn(self, code: Code, message: str, context: Context) -> None:
        self._issues.append(Issue(code, message, context))


def _wrong(message: str, context: Context) -> LoadFailureError:
    return fail(Code.LOAD_ERR_VALIDATE, message, context)
