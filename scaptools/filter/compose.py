"""Filters written in Python: ``field("proc.name") == "nginx"``, combined with ``&``, ``|`` and ``~``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from scaptools.filter.ast import Check, Expression, Field, Group, Literal, Literals, Operand, Transform
from scaptools.filter.parse import parse_field
from scaptools.filter.quoting import to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What can stand for a constant; integers and floats as their decimal text, True and False as ``true`` and ``false``.
Plain: TypeAlias = "str | bytes | int | float"


def field(name: str, argument: str | int | None = None) -> Subject:
    """A field to compare, for example ``field("proc.aname[2]")`` or ``field("proc.aname", 2)``.

    Raises FilterSyntaxError when ``name`` is no field name.
    """
    node = parse_field(name)
    return Subject(node if argument is None else Field(node.name, str(argument)))


def transform(name: str, *arguments: Subject | Plain | list[Subject | Plain], argument: str | None = None) -> Subject:
    """A transformer called on fields and constants, for example ``transform("concat", field("proc.name"), "!")``.

    A list argument becomes a list of values. Fields keep their meaning, everything else is a constant.
    """
    nodes = tuple(
        Group(tuple(_item(item) for item in value)) if isinstance(value, list) else _item(value) for value in arguments
    )
    return Subject(Transform(name, nodes, argument))


class Subject:
    """The left side of a comparison; comparing it gives an `Expression`. Another subject may be the right side."""

    __slots__ = ("node",)
    __hash__ = None  # type: ignore[assignment]  # equality builds a filter

    def __init__(self, node: Field | Transform) -> None:
        self.node = node

    def __str__(self) -> str:
        return str(self.node)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._compared("=", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._compared("!=", other)

    def __lt__(self, other: float | Subject) -> Expression:
        return self._ordered("<", other)

    def __le__(self, other: float | Subject) -> Expression:
        return self._ordered("<=", other)

    def __gt__(self, other: float | Subject) -> Expression:
        return self._ordered(">", other)

    def __ge__(self, other: float | Subject) -> Expression:
        return self._ordered(">=", other)

    def exists(self) -> Expression:
        """There is a value."""
        return Check(self.node, "exists")

    def contains(self, other: Plain | Subject) -> Expression:
        """The value contains the other."""
        return self._compared("contains", other)

    def icontains(self, other: Plain | Subject) -> Expression:
        """The value contains the other, whatever the case of ASCII letters."""
        return self._compared("icontains", other)

    def startswith(self, other: Plain | Subject) -> Expression:
        """The value starts with the other."""
        return self._compared("startswith", other)

    def endswith(self, other: Plain | Subject) -> Expression:
        """The value ends with the other."""
        return self._compared("endswith", other)

    def glob(self, other: Plain | Subject) -> Expression:
        """The whole value matches a glob."""
        return self._compared("glob", other)

    def iglob(self, other: Plain | Subject) -> Expression:
        """The whole value matches a glob, whatever the case of ASCII letters."""
        return self._compared("iglob", other)

    def regex(self, pattern: str | bytes) -> Expression:
        """The whole value matches a regular expression."""
        return self._compared("regex", pattern)

    def bcontains(self, data: bytes) -> Expression:
        """The buffer contains these bytes."""
        return self._compared("bcontains", data.hex())

    def bstartswith(self, data: bytes) -> Expression:
        """The buffer starts with these bytes."""
        return self._compared("bstartswith", data.hex())

    def in_(self, values: Iterable[Plain] | Subject) -> Expression:
        """The value is one of these; for a list, every element is."""
        return self._listed("in", values)

    def intersects(self, values: Iterable[Plain] | Subject) -> Expression:
        """The value is one of these; for a list, some element is."""
        return self._listed("intersects", values)

    def pmatch(self, paths: Iterable[Plain]) -> Expression:
        """The value lies below one of these paths."""
        return self._listed("pmatch", paths)

    def any_of(self, operator: str, values: Iterable[Plain]) -> Expression:
        """``operator`` holds for at least one constant."""
        return Check(self.node, operator, _literals(values), "anyof")

    def all_of(self, operator: str, values: Iterable[Plain]) -> Expression:
        """``operator`` holds for every constant."""
        return Check(self.node, operator, _literals(values), "allof")

    def one_of(self, operator: str, values: Iterable[Plain]) -> Expression:
        """``operator`` holds for exactly one constant."""
        return Check(self.node, operator, _literals(values), "oneof")

    def tolower(self) -> Subject:
        """The value in lower case."""
        return transform("tolower", self)

    def toupper(self) -> Subject:
        """The value in upper case."""
        return transform("toupper", self)

    def basename(self) -> Subject:
        """What follows the last slash."""
        return transform("basename", self)

    def b64(self) -> Subject:
        """What the value stands for in base 64."""
        return transform("b64", self)

    def len(self) -> Subject:
        """The length in bytes, of a list in elements."""
        return transform("len", self)

    def _compared(self, operator: str, other: object) -> Expression:
        operand: Operand = other.node if isinstance(other, Subject) else _literal(other)
        return Check(self.node, operator, operand)

    def _ordered(self, operator: str, other: float | Subject) -> Expression:
        if not isinstance(other, int | float | Subject):
            raise TypeError(f"'{operator}' orders numbers and fields, not {type(other).__name__}")
        return self._compared(operator, other)

    def _listed(self, operator: str, values: Iterable[Plain] | Subject) -> Expression:
        return Check(self.node, operator, values.node if isinstance(values, Subject) else _literals(values))


def _literals(values: Iterable[Plain]) -> Literals:
    if isinstance(values, str | bytes):
        raise TypeError("a list of constants is wanted, not one text")
    return Literals(tuple(map(_literal, values)))


def _literal(value: object) -> Literal:
    match value:
        case bytes():
            return Literal(value)
        case str():
            return Literal(to_bytes(value))
        case bool():
            return Literal(b"true" if value else b"false")
        case int() | float():
            return Literal(repr(value).encode())
    raise TypeError(f"{type(value).__name__} cannot be a constant of a filter")


def _item(value: Subject | Plain) -> Field | Transform | Literal:
    return value.node if isinstance(value, Subject) else _literal(value)
