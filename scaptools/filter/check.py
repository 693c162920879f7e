"""Tree to plan: fields are resolved, operators and constants checked against their types, terms ordered by cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NoReturn

from scap_formats.types import ParamType
from scaptools.errors import FilterTypeError, ScapError, UnknownFieldError
from scaptools.filter.ast import (
    And,
    Argument,
    Check,
    Expression,
    Field,
    Group,
    Literal,
    Literals,
    Macro,
    Node,
    Not,
    Or,
    Transform,
)
from scaptools.filter.constants import Constant, ConstantError, convert
from scaptools.filter.dialect import Remark
from scaptools.filter.kinds import FILTERS, KINDS, Kind
from scaptools.filter.operators import COMPARISONS, OPERATORS, Comparison, Operator, Shape
from scaptools.filter.parse import FIELD_NAME
from scaptools.filter.patterns import PatternError
from scaptools.filter.plan import (
    Conjunction,
    ConstantTest,
    ConstantValue,
    Disjunction,
    Existence,
    FieldTest,
    FieldValue,
    GroupValue,
    Negation,
    Term,
    TransformedValue,
    Value,
)
from scaptools.filter.resolver import UnknownFieldInFilterError
from scaptools.filter.transform import TRANSFORMERS, Shaped, TransformError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scaptools.filter.compare import Predicate
    from scaptools.filter.resolver import FieldHandle, FieldResolver


class Checker:
    """Checks one expression whose nodes' positions lie in ``text``.

    Afterwards ``handles`` holds every field used, by its text, and ``remarks`` what is legal but looks like a slip.
    """

    def __init__(self, text: str, resolver: FieldResolver) -> None:
        self.text = text
        self.resolver = resolver
        self.handles: dict[str, FieldHandle] = {}
        self.remarks: list[Remark] = []

    def term(self, expression: Expression) -> Term:
        """The plan of an expression; raises FilterTypeError and UnknownFieldError."""
        match expression:
            case And(terms=terms) | Or(terms=terms):
                junction = Conjunction if isinstance(expression, And) else Disjunction
                parts = sorted(map(self.term, terms), key=lambda term: term.cost)
                return junction(str(expression), max(part.cost for part in parts), tuple(parts))
            case Not(term=inner):
                part = self.term(inner)
                return Negation(str(expression), part.cost, part)
            case Check():
                return self._check(expression)
            case Macro(name=name):
                self._fail(
                    f"unexpected identifier '{name}'",
                    expression,
                    hint="keywords are lower case"
                    if name.lower() in {"and", "or", "not"}
                    else "a check needs a field, whose name has a dot, and an operator",
                )
        raise TypeError(f"{type(expression).__name__} is no expression of a filter")

    # checks

    def _check(self, check: Check) -> Term:
        operator = OPERATORS[check.operator]
        value = self._value(check.subject)
        handle = value.handle if isinstance(value, FieldValue) else None
        comparison = COMPARISONS[handle.comparison if handle is not None else None]
        special = comparison is not COMPARISONS[None]
        cost = (value.ordinal, operator.cost)
        if operator.shape is Shape.UNARY:
            return Existence(str(check), cost, value, special)
        make = self._predicate(check, operator, value, comparison)
        if isinstance(check.operand, Field | Transform):
            return self._field_test(check, operator, value, special=special)
        if check.modifier is not None and not comparison.modifiers:
            self._fail(f"{value.text} does not support '{check.modifier}'", check)
        constants = self._constants(check, operator, value, handle)
        modifier = check.modifier
        if modifier == "anyof" and operator.name == "=":  # the same, and one pass instead of many
            operator, modifier = OPERATORS["in"], None
            make = self._predicate(check, operator, value, comparison)
        if modifier is not None or operator.shape is not Shape.LIST:
            predicates = tuple(self._made(make, constant, at) for constant, at in constants)
        else:
            predicates = (make(tuple(constant for constant, _ in constants)),)
        count = len(predicates)
        least, most = {"oneof": (1, 1), "allof": (max(count, 1), count)}.get(modifier or "", (1, count))
        every = operator.name == "in" if value.is_list else operator.name in comparison.every
        return ConstantTest(str(check), cost, value, predicates, least, most, every, special)

    def _predicate(
        self, check: Check, operator: Operator, value: Value, comparison: Comparison
    ) -> Callable[..., Predicate]:
        """The constructor of the predicate for a field's type; fails where the operator does not fit it."""
        kind = KINDS[value.type]
        makers: Mapping[str, Callable[..., Predicate]]
        if comparison.only is not None:
            makers = comparison.only
            wrong = f"{value.text} supports only {_quoted(makers)} comparison operator"
        else:
            makers = {
                name: candidate.predicates[kind]
                for name, candidate in OPERATORS.items()
                if kind in candidate.predicates and (candidate.for_lists or not value.is_list)
            }
            subject = FILTERS.get(kind, f"type '{value.type.name}'")
            wrong = f"'{operator.name}' operator not supported {'list filters' if value.is_list else f'for {subject}'}"
        if operator.name not in makers:
            self._fail(
                wrong,
                check,
                at=check.operator_position.index,
                hint=f"{value.text} {_type_of(value)}, which takes {_quoted([*makers, 'exists'])}",
            )
        return makers[operator.name]

    def _constants(
        self, check: Check, operator: Operator, value: Value, handle: FieldHandle | None
    ) -> list[tuple[Constant, Literal]]:
        """The constants of a check, each with its place."""
        operand = check.operand
        literals: tuple[Literal, ...] = ()
        if isinstance(operand, Literals):
            literals = operand.items
        elif isinstance(operand, Literal):
            literals = (operand,)
        constants = []
        for literal in literals:
            if handle is not None and (wrong := self.resolver.known_value(handle, literal.text)) is not None:
                self._fail(wrong, literal)
            try:
                constant = convert(literal.value, value.type, hexadecimal=operator.hexadecimal)
            except ConstantError as error:
                self._fail(str(error), literal, hint=f"{value.text} {_type_of(value)}")
            self._remark(check, literal)
            constants.append((constant, literal))
        return constants

    def _made(self, make: Callable[..., Predicate], constant: Constant, at: Literal) -> Predicate:
        try:
            return make(constant)
        except PatternError as error:
            self._fail(f"invalid regex pattern: {error}", at)

    def _field_test(self, check: Check, operator: Operator, left: Value, *, special: bool) -> Term:
        operand = check.operand
        if not isinstance(operand, Field | Transform):
            raise TypeError("a comparison between fields needs a field")
        if not operator.takes_fields:
            self._fail(
                f"operator '{operator.name.upper()}' doesn't support right-hand side fields",
                check,
                at=check.operator_position.index,
            )
        right = self._value(operand)
        for node, side in ((check.subject, "left"), (operand, "right")):
            for field in node.walk():
                if isinstance(field, Field) and self._refuses(field, special=special and side == "left"):
                    wrong = f"field '{field.name}' can't be used as a right-hand side field"
                    if side == "left":
                        wrong = f"field '{field.name}' can't be compared with a right-hand side field"
                    self._fail(wrong, field)
        if (left.type, left.is_list) != (right.type, right.is_list):
            self._fail(
                f"field '{left.text}' has type '{_type_name(left)}' while the right-hand side field "
                f"'{right.text}' has incompatible type '{_type_name(right)}'",
                operand,
            )
        cost = (max(left.ordinal, right.ordinal), operator.cost)
        return FieldTest(str(check), cost, operator.name, KINDS[left.type], left, right)

    def _refuses(self, field: Field, *, special: bool) -> bool:
        return special or not self.handles[str(field)].flags.isdisjoint({"NO_RHS", "NO_TRANSFORMER"})

    # values

    def _value(self, node: Argument) -> Value:
        match node:
            case Field():
                handle = self._resolved(node)
                return FieldValue(str(node), handle.type, handle.is_list, handle.ordinal, handle)
            case Literal(value=constant):
                self._converted(node, ParamType.CHARBUF)
                return ConstantValue(str(Group((node,)))[1:-1], ParamType.CHARBUF, False, 0, constant)
            case Group(items=items):
                values = tuple(map(self._value, items))
                for item, value in zip(items, values, strict=True):
                    if value.is_list or KINDS[value.type] not in {Kind.TEXT, Kind.NUMBER}:
                        self._fail("a list of a transformer holds texts and numbers", item)
                return GroupValue(str(node), ParamType.CHARBUF, True, _ordinal(values), values)
        return self._transformed(node)

    def _transformed(self, node: Transform) -> Value:
        values = tuple(map(self._value, node.arguments))
        for argument in node.walk():
            if isinstance(argument, Field) and "NO_TRANSFORMER" in self.handles[str(argument)].flags:
                self._fail(f"field '{argument.name}' does not support transformers", argument)
        transformer = TRANSFORMERS[node.name]
        shapes = tuple(Shaped(value.type, value.is_list, value.text) for value in values)
        try:
            result = transformer.result(shapes, node.argument)
        except TransformError as error:
            self._fail(str(error), node)
        return TransformedValue(
            str(node), result.type, result.is_list, _ordinal(values), transformer, values, node.argument
        )

    def _resolved(self, field: Field) -> FieldHandle:
        text = str(field)
        if text not in self.handles:
            try:
                self.handles[text] = self.resolver.resolve(field.name, field.argument)
            except UnknownFieldError as error:
                raise UnknownFieldInFilterError(error, expression=self.text, position=field.position.index) from error
            except ScapError as error:
                self._fail(error.message, field, hint=error.hint)
        return self.handles[text]

    def _converted(self, literal: Literal, type_: ParamType) -> Constant:
        try:
            return convert(literal.value, type_)
        except ConstantError as error:
            self._fail(str(error), literal)

    # remarks and errors

    def _remark(self, check: Check, literal: Literal) -> None:
        """Note constants that look like something else, and expressions that a plainer operator covers."""
        text = literal.text
        if check.operator == "regex" and (plainer := _plainer(text)) is not None:
            self.remarks.append(Remark(literal.position.index, f"'{plainer}' does the same as this regex, faster"))
        name, bracket, _ = text.partition("(")
        if bracket and name in {"val", *TRANSFORMERS}:
            self.remarks.append(
                Remark(literal.position.index, f"'{text}' is compared as text: a transformer stands without quotes")
            )
        elif isinstance(check.operand, Literal) and FIELD_NAME.fullmatch(text):
            try:
                self.resolver.resolve(text, None)
            except ScapError:
                return
            self.remarks.append(
                Remark(
                    literal.position.index,
                    f"'{text}' is compared as text: val({text}) is the field of that name",
                )
            )

    def _fail(self, message: str, node: Node, *, at: int | None = None, hint: str | None = None) -> NoReturn:
        position = node.position.index if at is None else at
        raise FilterTypeError(message, expression=self.text, position=position, hint=hint)


def shared_texts(plan: Term) -> frozenset[str]:
    """The texts of values and terms that occur more than once in a plan."""
    counts: Counter[str] = Counter()
    waiting: list[Term | Value] = [plan]
    while waiting:
        node = waiting.pop()
        counts[node.text] += 1
        if counts[node.text] > 1:
            continue  # what lies below is computed once
        match node:
            case Conjunction(terms=parts) | Disjunction(terms=parts):
                waiting.extend(parts)
            case Negation(term=part):
                waiting.append(part)
            case FieldTest(left=left, right=right):
                waiting.extend((left, right))
            case Existence(value=value) | ConstantTest(value=value):
                waiting.append(value)
            case TransformedValue(arguments=arguments):
                waiting.extend(arguments)
            case GroupValue(items=items):
                waiting.extend(items)
    return frozenset(text for text, count in counts.items() if count > 1)


def _ordinal(values: Iterable[Value]) -> int:
    return max((value.ordinal for value in values), default=0)


def _type_name(value: Value) -> str:
    return f"list of {value.type.name}" if value.is_list else value.type.name


def _type_of(value: Value) -> str:
    return f"has type {_type_name(value)}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _plainer(pattern: str) -> str | None:
    """The operator that does what a regular expression of plain characters and outer ``.*`` does."""
    leading, trailing = pattern.startswith(".*"), pattern.endswith(".*")
    middle = pattern[2 * leading : len(pattern) - 2 * trailing]
    if not middle or any(character in "\\.*+?()[]{}|^$" for character in middle):
        return None
    return {(True, True): "contains", (True, False): "endswith", (False, True): "startswith"}.get(
        (leading, trailing), "="
    )
