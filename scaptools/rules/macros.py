"""Macros: conditions with names, put into the tree of other conditions where their name stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scaptools.errors import FilterSyntaxError
from scaptools.filter import parse
from scaptools.filter.ast import And, Macro, Not, Or, Position
from scaptools.rules.issues import Code, fail
from scaptools.rules.substitution import with_lists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scaptools.errors import FilterError
    from scaptools.filter.ast import Expression
    from scaptools.rules.definitions import Definitions, MacroDefinition
    from scaptools.rules.issues import Context, LoadFailureError

#: Brackets that may be open at once in a condition.
MAX_NESTING = 1000


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as text, lists replaced, and as a tree; ``macros`` are the names in it, in the order of the text."""

    text: str
    tree: Expression
    context: Context

    @property
    def macros(self) -> tuple[str, ...]:
        """The macros the tree refers to, each once."""
        return tuple(dict.fromkeys(node.name for node in self.tree.walk() if isinstance(node, Macro)))


def parse_condition(text: str, lists: Mapping[str, Sequence[str]], context: Context) -> tuple[Condition, set[str]]:
    """The tree of a condition, and the lists it uses. Raises LoadFailureError."""
    expanded, used = with_lists(text, lists)
    try:
        tree = parse(expanded, nesting=MAX_NESTING)
    except FilterSyntaxError as error:
        place = context.in_condition(expanded, position_of(error))
        raise fail(Code.LOAD_ERR_COMPILE_CONDITION, error.message, place, error.hint) from error
    except RecursionError as error:
        raise fail(Code.LOAD_ERR_COMPILE_CONDITION, "the condition is nested too deeply", context) from error
    return Condition(expanded, tree, context), used


def position_of(error: FilterError) -> Position:
    """Where in its expression a filter is wrong."""
    return Position(error.position, error.line, error.column)


class MacroTable:
    """The macros of one load, parsed, each with the macros it may see put in.

    ``used`` collects the names that conditions refer to.
    """

    def __init__(self, definitions: Definitions, lists: Mapping[str, Sequence[str]]) -> None:
        self._definitions = definitions
        self.used: set[str] = set()
        self.used_lists: set[str] = set()
        self._parsed: dict[str, Condition] = {}
        self._resolved: dict[str, Expression] = {}
        for macro in definitions.macros:
            self._parsed[macro.name], used = parse_condition(macro.condition, lists, macro.condition_context)
            self.used_lists |= used
        for macro in definitions.macros:
            self._check_names(macro)
        for macro in definitions.macros:
            self._resolve(macro.name, ())

    def apply(self, condition: Condition) -> Expression:
        """A rule's condition with macros put in. Raises LoadFailureError for a name that is none."""
        for node in condition.tree.walk():
            if isinstance(node, Macro) and node.name not in self._resolved:
                raise _undefined(node, condition)
        self.used |= set(condition.macros)
        return self._replaced(condition.tree)

    def tree(self, name: str) -> Expression:
        """The condition of a macro, other macros put in."""
        return self._resolved[name]

    def behind(self, condition: Condition) -> list[tuple[str, Condition]]:
        """The macros a condition refers to, those they refer to first."""
        found: dict[str, Condition] = {}
        waiting = list(condition.macros)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self._parsed[name]
                waiting += self._parsed[name].macros
        return list(reversed(found.items()))

    def _visible(self, macro: MacroDefinition, name: str) -> bool:
        other = self._definitions.macros.get(name)
        return other is not None and other.index < macro.visibility

    def _check_names(self, macro: MacroDefinition) -> None:
        condition = self._parsed[macro.name]
        for node in condition.tree.walk():
            if isinstance(node, Macro) and not self._visible(macro, node.name):
                raise _undefined(node, condition)
        self.used |= set(condition.macros)

    def _resolve(self, name: str, outer: tuple[str, ...]) -> Expression:
        if name in self._resolved:
            return self._resolved[name]
        condition = self._parsed[name]
        if name in outer:
            raise fail(Code.LOAD_ERR_VALIDATE, f"reference loop in macro '{name}'", condition.context)
        for inner in condition.macros:
            self._resolve(inner, (*outer, name))
        self._resolved[name] = self._replaced(condition.tree)
        return self._resolved[name]

    def _replaced(self, tree: Expression) -> Expression:
        match tree:
            case Macro(name=name):
                return self._resolved[name]
            case And(terms=terms) | Or(terms=terms):
                return replace(tree, terms=tuple(map(self._replaced, terms)))
            case Not(term=term):
                return replace(tree, term=self._replaced(term))
        return tree


def _undefined(node: Macro, condition: Condition) -> LoadFailureError:
    return fail(
        Code.LOAD_ERR_VALIDATE,
        f"Undefined macro '{node.name}' used in filter.",
        condition.context.in_condition(condition.text, node.position),
    )
