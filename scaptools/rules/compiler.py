"""The compiler: everything defined so far becomes rules that can be evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaptools.errors import FilterError, FormatError, ScapError, UnknownFieldError
from scaptools.filter import CompiledFilter
from scaptools.filter.ast import Check, Field, Literal, Literals, Position
from scaptools.filter.check import Checker, shared_texts
from scaptools.rules.definitions import SYSCALL_SOURCE
from scaptools.rules.eventtypes import all_types, remaining_types
from scaptools.rules.issues import Code, Issue, fail
from scaptools.rules.macros import MacroTable, parse_condition, position_of
from scaptools.rules.output import compile_output
from scaptools.rules.sources import is_deprecated
from scaptools.rules.substitution import expanded_lists, with_exceptions
from scaptools.rules.versions import Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scaptools.rules.definitions import Definitions, RuleDefinition
    from scaptools.rules.issues import Context
    from scaptools.rules.macros import Condition
    from scaptools.rules.output import AppendedOutput, RuleOutput
    from scaptools.rules.priority import Priority
    from scaptools.rules.sources import EventSources

#: Event types from which on a rule is said to restrict too little.
_MANY_TYPES = 100
_JSON_FIELDS = ("ka.", "jevt.")
_NOT_AVAILABLE = "<NA>"


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to be evaluated; ``order`` is its place among all rules."""

    definition: RuleDefinition
    condition: CompiledFilter
    output: RuleOutput
    order: int

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.definition.name

    @property
    def source(self) -> str:
        """The event source it looks at."""
        return self.definition.source

    @property
    def priority(self) -> Priority:
        """How severe its alerts are."""
        return self.definition.priority

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags, sorted."""
        return tuple(sorted(self.definition.tags))


@dataclass(frozen=True, slots=True)
class Compilation:
    """The rules of a load, the text of every macro's condition as compiled, and every list's items."""

    rules: tuple[CompiledRule, ...]
    macros: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]


class RulesCompiler:
    """Compiles definitions; warnings are appended to ``issues``."""

    def __init__(
        self,
        definitions: Definitions,
        sources: EventSources,
        issues: list[Issue],
        *,
        minimum: Priority,
        appended: tuple[AppendedOutput, ...] = (),
    ) -> None:
        self._definitions = definitions
        self._sources = sources
        self._issues = issues
        self._minimum = minimum
        self._appended = appended

    def compile(self) -> Compilation:
        """All rules. Raises LoadFailureError at the first error."""
        lists, used_lists = expanded_lists(self._definitions)
        macros = MacroTable(self._definitions, lists)
        used_lists |= macros.used_lists
        compiled = []
        for order, rule in enumerate(self._definitions.rules):
            if rule.unknown_source or rule.priority > self._minimum:
                continue
            result = self._rule(rule, order, lists, macros, used_lists)
            if result is not None:
                compiled.append(result)
        self._unused(macros.used, used_lists)
        texts = {macro.name: str(macros.tree(macro.name)) for macro in self._definitions.macros}
        return Compilation(tuple(compiled), texts, lists)

    def check_plugins(self) -> None:
        """Check the plugins that rules require. Raises LoadFailureError."""
        versions = {plugin.info.name: plugin.info.version for plugin in self._sources.host.plugins}
        for requirement in self._definitions.plugins:
            name, wanted = next(
                ((name, version) for name, version in requirement.alternatives if name in versions), ("", "")
            )
            if name and _satisfied(versions[name], wanted):
                continue
            options = " or ".join(f"'{name}' >= {version}" for name, version in requirement.alternatives)
            found = f"; plugin '{name}' has version {versions[name]}" if name else ""
            raise fail(
                Code.LOAD_ERR_VALIDATE,
                f"Plugin requirement not satisfied, must load: {options}{found}",
                requirement.context,
            )

    def _rule(
        self,
        rule: RuleDefinition,
        order: int,
        lists: Mapping[str, Sequence[str]],
        macros: MacroTable,
        used_lists: set[str],
    ) -> CompiledRule | None:
        fields = self._sources.fields(rule.source)
        text = with_exceptions(rule.condition, rule.exceptions)
        try:
            output = compile_output(rule, fields, self._appended)
        except (FilterError, FormatError, UnknownFieldError) as error:
            self._refused(rule, Code.LOAD_ERR_COMPILE_OUTPUT, error, rule.output_context)
            return None
        condition, used = parse_condition(text, lists, rule.condition_context)
        used_lists |= used
        tree = macros.apply(condition)
        checker = Checker(condition.text, fields)
        try:
            plan = checker.term(tree)
        except FilterError as error:
            place = self._fault(rule, condition, macros, error)
            self._refused(rule, Code.LOAD_ERR_COMPILE_CONDITION, error, place)
            return None
        except RecursionError as error:
            raise fail(
                Code.LOAD_ERR_COMPILE_CONDITION, "the condition is nested too deeply", rule.condition_context
            ) from error
        compiled = CompiledFilter(
            condition.text,
            tree,
            plan,
            tuple(checker.handles.values()),
            tuple(sorted(checker.remarks)),
            shared_texts(plan),
        )
        self._doubts(rule, compiled, output, condition)
        return CompiledRule(rule, compiled, output, order)

    def _fault(self, rule: RuleDefinition, condition: Condition, macros: MacroTable, error: FilterError) -> Context:
        """Where the fault of a condition lies, in the rule itself or in a macro behind it."""
        for name, macro in macros.behind(condition):
            checker = Checker(macro.text, self._sources.fields(rule.source))
            try:
                checker.term(macros.tree(name))
            except FilterError as inner:
                return macro.context.in_condition(macro.text, position_of(inner)).below(rule.context)
        return condition.context.in_condition(condition.text, position_of(error))

    def _refused(self, rule: RuleDefinition, code: Code, error: ScapError, context: Context) -> None:
        """Skip a rule that asks for that where fields or events are unknown, else end the load."""
        message = _falco_message(error)
        if rule.skips_unknown and _is_unknown(error):
            self._warn(Code.LOAD_UNKNOWN_FILTER, message, context)
            return
        raise fail(code, message, context, error.hint) from error

    def _doubts(self, rule: RuleDefinition, compiled: CompiledFilter, output: RuleOutput, condition: Condition) -> None:
        place = rule.condition_context
        for remark in compiled.remarks:
            self._warn(
                Code.LOAD_COMPILE_CONDITION,
                remark.text,
                place.in_condition(condition.text, _at(condition, remark.index)),
            )
        for handle in compiled.fields:
            if is_deprecated(handle.name):
                self._warn(Code.LOAD_DEPRECATED_ITEM, f"field '{handle.name}' is deprecated", place)
        for name in output.deprecated:
            self._warn(Code.LOAD_DEPRECATED_ITEM, f"field '{name}' is deprecated", rule.output_context)
        if any(_compares_unsafely(node) for node in compiled.expression.walk() if isinstance(node, Check)):
            self._warn(
                Code.LOAD_UNSAFE_NA_CHECK,
                f"comparing a field with {_NOT_AVAILABLE} is unsafe; use 'exists' instead",
                rule.context,
            )
        if rule.source == SYSCALL_SOURCE and rule.warns_of_event_types:
            left = remaining_types(compiled.expression) & all_types()
            if not left or len(left) > _MANY_TYPES:
                self._warn(
                    Code.LOAD_NO_EVTTYPE,
                    "Rule matches too many evt.type values. This has a significant performance penalty.",
                    rule.context,
                )

    def _unused(self, macros: set[str], lists: set[str]) -> None:
        for macro in self._definitions.macros:
            if macro.name not in macros:
                self._warn(Code.LOAD_UNUSED_MACRO, "Macro not referred to by any other rule/macro", macro.context)
        for entry in self._definitions.lists:
            if entry.name not in lists:
                self._warn(Code.LOAD_UNUSED_LIST, "List not referred to by any other rule/macro/list", entry.context)

    def _warn(self, code: Code, message: str, context: Context) -> None:
        self._issues.append(Issue(code, message, context))


def _satisfied(version: str, wanted: str) -> bool:
    have, need = Version.parse(version), Version.parse(wanted)
    return have is not None and need is not None and have.satisfies(need)


def _is_unknown(error: ScapError) -> bool:
    if isinstance(error, UnknownFieldError) or isinstance(error.__cause__, UnknownFieldError):
        return True
    return error.message.startswith("unknown event type")


def _falco_message(error: ScapError) -> str:
    """The message in Falco's words where it has some of its own for the same fault."""
    if isinstance(error, UnknownFieldError):
        return f"filter_check called with nonexistent field {error.name}"
    return error.message


def _at(condition: Condition, index: int) -> Position:
    before = condition.text[:index]
    line = before.count("\n") + 1
    return Position(index, line, index - (before.rfind("\n") + 1) + 1)


def _compares_unsafely(check: Check) -> bool:
    subject, operand = check.subject, check.operand
    if not isinstance(subject, Field) or not subject.name.startswith(_JSON_FIELDS):
        return False
    literals = operand.items if isinstance(operand, Literals) else (operand,)
    return any(isinstance(literal, Literal) and literal.text == _NOT_AVAILABLE for literal in literals)
