"""The tree of a filter: immutable nodes that know where they stood, compare by content and print themselves.

``str()`` of a node is filter text that parses to an equal node: ``and`` and ``or`` come in brackets, constants are
quoted only where they need it. Positions take no part in comparisons or hashes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from scaptools.filter.quoting import is_number, quoted, to_text, written, written_argument

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the text of a filter: ``index`` from 0, ``line`` and ``column`` from 1, all in characters."""

    index: int = 0
    line: int = 1
    column: int = 1


START = Position()


@dataclass(frozen=True, slots=True)
class Node:
    """Anything in a filter's tree."""

    position: Position = field(default=START, compare=False, repr=False, kw_only=True)

    def children(self) -> tuple[Node, ...]:
        """The nodes right below this one, in the order of the text."""
        return ()

    def walk(self) -> Iterator[Node]:
        """The node and all below it, parents first, in the order of the text."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children()))


@dataclass(frozen=True, slots=True)
class Expression(Node):
    """A node that is true or false for an event; combines with ``&``, ``|`` and ``~``."""

    def __and__(self, other: Expression) -> Expression:
        return And((*_terms(self, And), *_terms(other, And)), position=self.position)

    def __or__(self, other: Expression) -> Expression:
        return Or((*_terms(self, Or), *_terms(other, Or)), position=self.position)

    def __invert__(self) -> Expression:
        return self.term if isinstance(self, Not) else Not(self, position=self.position)

    def __bool__(self) -> bool:
        raise TypeError("a filter has no truth value of its own; combine filters with & | ~, not with and, or, not")


@dataclass(frozen=True, slots=True)
class And(Expression):
    """True where all of two or more terms are."""

    terms: tuple[Expression, ...]

    def children(self) -> tuple[Node, ...]:
        """The terms."""
        return self.terms

    def __str__(self) -> str:
        return f"({' and '.join(map(str, self.terms))})"


@dataclass(frozen=True, slots=True)
class Or(Expression):
    """True where one of two or more terms is."""

    terms: tuple[Expression, ...]

    def children(self) -> tuple[Node, ...]:
        """The terms."""
        return self.terms

    def __str__(self) -> str:
        return f"({' or '.join(map(str, self.terms))})"


@dataclass(frozen=True, slots=True)
class Not(Expression):
    """True where the term is not, missing values included."""

    term: Expression

    def children(self) -> tuple[Node, ...]:
        """The term."""
        return (self.term,)

    def __str__(self) -> str:
        return f"not {self.term}"


@dataclass(frozen=True, slots=True)
class Macro(Expression):
    """The name of an expression defined elsewhere."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A field: its dotted name, and what stands in the brackets after it."""

    name: str
    argument: str | None = None

    def __str__(self) -> str:
        return self.name if self.argument is None else f"{self.name}[{written_argument(self.argument)}]"


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant, as bytes without quotes and escapes; its type is that of the field it meets."""

    value: bytes

    @property
    def text(self) -> str:
        """The constant for error messages; bytes that are no UTF-8 as surrogates."""
        return to_text(self.value)

    def __str__(self) -> str:
        return written(self.value)


@dataclass(frozen=True, slots=True)
class Literals(Node):
    """A list of constants."""

    items: tuple[Literal, ...]

    def children(self) -> tuple[Node, ...]:
        """The constants."""
        return self.items

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


@dataclass(frozen=True, slots=True)
class Group(Node):
    """Several values as one list, an argument of a transformer."""

    items: tuple[Field | Transform | Literal, ...]

    def children(self) -> tuple[Node, ...]:
        """The values."""
        return self.items

    def __str__(self) -> str:
        return f"({', '.join(map(_as_argument, self.items))})"


@dataclass(frozen=True, slots=True)
class Transform(Node):
    """A call such as ``tolower(proc.name)``; ``argument`` stands in brackets after it."""

    name: str
    arguments: tuple[Argument, ...]
    argument: str | None = None

    def children(self) -> tuple[Node, ...]:
        """The arguments in parentheses."""
        return self.arguments

    def __str__(self) -> str:
        call = f"{self.name}({', '.join(map(_as_argument, self.arguments))})"
        return call if self.argument is None else f"{call}[{written_argument(self.argument)}]"


Argument: TypeAlias = Field | Transform | Literal | Group
Operand: TypeAlias = Field | Transform | Literal | Literals


@dataclass(frozen=True, slots=True)
class Check(Expression):
    """A comparison: ``subject operator [modifier] operand``; the operand is None for ``exists``.

    A field as operand is written ``val(FIELD)``.
    """

    subject: Field | Transform
    operator: str
    operand: Operand | None = None
    modifier: str | None = None
    operator_position: Position = field(default=START, compare=False, repr=False, kw_only=True)

    def children(self) -> tuple[Node, ...]:
        """Subject and operand."""
        return (self.subject,) if self.operand is None else (self.subject, self.operand)

    def __str__(self) -> str:
        words = [str(self.subject), self.operator]
        if self.modifier is not None:
            words.append(self.modifier)
        if isinstance(self.operand, Field):
            words.append(f"val({self.operand})")
        elif self.operand is not None:
            words.append(str(self.operand))
        return " ".join(words)


def _as_argument(node: Argument) -> str:
    if isinstance(node, Literal):
        return node.text if is_number(node.text) else quoted(node.value)
    return str(node)


def _terms(expression: Expression, junction: type[And | Or]) -> tuple[Expression, ...]:
    return expression.terms if isinstance(expression, And | Or) and type(expression) is junction else (expression,)
