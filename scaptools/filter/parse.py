"""Text to tree: the condition grammar of today's Falco libraries, by recursive descent.

Errors carry the texts upstream uses and the place where the parser stopped. Precedence is ``not``, ``and``, ``or``;
chains of one connective become one node.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from scaptools.errors import FilterSyntaxError
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
    Not,
    Operand,
    Or,
    Position,
    Transform,
)
from scaptools.filter.dialect import NEW_OPERATORS, Difference, Expected, Remark, hint
from scaptools.filter.operators import OPERATORS, Shape
from scaptools.filter.quoting import (
    BARE_ARGUMENT,
    BARE_VALUE,
    BLANKS,
    HEX_NUMBER,
    MODIFIERS,
    NUMBER,
    EscapeError,
    to_bytes,
    unescape,
)
from scaptools.filter.transform import TRANSFORMERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Brackets and transformer calls that may be open at once; each costs a few frames of Python's stack.
MAX_NESTING = 100

_BLANKS = re.compile(f"[{BLANKS}]*")
_IDENTIFIER = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*", re.ASCII)
FIELD_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*)+", re.ASCII)
_NOT = re.compile(f"not[{BLANKS}]+")
_MODIFIER = re.compile(f"({'|'.join(MODIFIERS)})[{BLANKS}]+")
_TRANSFORMER = re.compile(f"({'|'.join(TRANSFORMERS)})\\(")
_VAL = re.compile(r"val\(")
_OPERATORS = {
    shape: re.compile(
        "|".join(
            re.escape(word) + (f"(?=[{BLANKS}])" if shape is Shape.TEXT and word.isalpha() else "")
            for operator in OPERATORS.values()
            if operator.shape is shape
            for word in sorted((operator.name, *operator.aliases), key=len, reverse=True)
        )
    )
    for shape in Shape
}
_ALIASES = {alias: operator.name for operator in OPERATORS.values() for alias in operator.aliases}


def _listing(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_ALL_TRANSFORMERS = _listing(("val", *TRANSFORMERS))
_ALL_OPERATORS = _listing(word for operator in OPERATORS.values() for word in (*operator.aliases, operator.name))


def parse(text: str, *, nesting: int = MAX_NESTING) -> Expression:
    """The tree of a filter; raises FilterSyntaxError. ``nesting`` bounds the brackets open at once."""
    return Parser(text, nesting=nesting).parse()


def parse_field(text: str) -> Field:
    """The field that ``text`` names, for example ``proc.aname[2]``; raises FilterSyntaxError."""
    return Parser(text).parse_field()


def sysdig_differences(text: str) -> tuple[Remark, ...]:
    """The places of a filter that sysdig up to 0.29 refuses or reads differently; raises FilterSyntaxError."""
    parser = Parser(text)
    parser.parse()
    return tuple(sorted(Remark(index, difference.value) for difference, index in parser.differences))


class Parser:
    """One pass over one text; ``differences`` are filled in on the way."""

    def __init__(self, text: str, *, nesting: int = MAX_NESTING) -> None:
        self.text = text
        self.index = 0
        self.last = ""
        self.depth = 0
        self.nesting = nesting
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.differences: list[tuple[Difference, int]] = []

    def parse(self) -> Expression:
        """The whole text as an expression."""
        self._check_text()
        expression = self._disjunction()
        if self.index != len(self.text):
            self._fail(f"unexpected token after '{self.last}', expecting 'or', 'and'", expected=Expected.CONNECTIVE)
        return expression

    def parse_field(self) -> Field:
        """The whole text as a field."""
        self._check_text()
        field = self._field()
        if field is None or self.index != len(self.text):
            self._fail("expected a field")
        return field

    def _check_text(self) -> None:
        if not self.text:
            self._fail("filter input string is empty")
        try:
            to_bytes(self.text)
        except UnicodeEncodeError as error:
            self.index = error.start
            self._fail("a character that is no text (a lone surrogate)")

    # expressions

    def _disjunction(self) -> Expression:
        """Everything up to a closing bracket or the end; two frames deep for each bracket."""
        position = self._skip()
        terms: list[Expression] = []
        mixed = False
        while not terms or self._connective("or"):
            tight = bool(terms) and self._starts_bracket("or")
            start = self._skip()
            joined = [self._unit()]
            # a bracket right after 'or' is the whole operand
            while not tight and self._connective("and"):
                self._starts_bracket("and")
                joined.append(self._unit())
            terms.append(joined[0] if len(joined) == 1 else And(tuple(joined), position=start))
            mixed |= len(joined) > 1
        if len(terms) == 1:
            return terms[0]
        if mixed:
            self.differences.append((Difference.MIXED, position.index))
        return Or(tuple(terms), position=position)

    def _connective(self, word: str) -> bool:
        """Take ``word`` and the blanks before it."""
        self._blank()
        return self._take(word)

    def _starts_bracket(self, word: str) -> bool:
        """Whether a bracket follows the connective just taken; fails where neither a bracket nor a blank does."""
        if self.text.startswith("(", self.index):
            return True
        if not self._blank():
            self._fail(f"expected blank or '(' after '{word}'")
        return False

    def _unit(self) -> Expression:
        position = self._skip()
        negations = 0
        while self._match(_NOT):
            negations += 1
        closed = self._take("not(")
        negations += closed
        if closed or self._take("("):
            with self._nested():
                term = self._disjunction()
                self._expect(")", "expected a ')' token")
        else:
            term = self._check()
        if negations > 1:
            self.differences.append((Difference.DOUBLE_NOT, position.index))
        if negations % 2 == 0:
            return term
        return term.term if isinstance(term, Not) else Not(term, position=position)

    def _check(self) -> Expression:
        position = self._here()
        subject = self._field() or self._transform()
        if subject is not None:
            return self._comparison(subject, position)
        if self._match(_IDENTIFIER):
            return Macro(self.last, position=position)
        return self._fail("expected a '(' token, a field check, or an identifier", expected=Expected.UNIT)

    def _comparison(self, subject: Field | Transform, position: Position) -> Check:
        at = self._skip()
        shape = next((shape for shape, pattern in _OPERATORS.items() if self._match(pattern)), None)
        if shape is None:
            self._fail(f"expected a valid check operator: one of {_ALL_OPERATORS}", expected=Expected.OPERATOR)
        name = _ALIASES.get(self.last, self.last)
        if self.last in _ALIASES:
            self.differences.append((Difference.DOUBLE_EQUALS, at.index))
        elif name in NEW_OPERATORS:
            self.differences.append((Difference.NEW_OPERATOR, at.index))
        blank = self._blank()
        modifier, operand = None, None
        if shape is Shape.NUMBER:
            operand = self._number_operand()
        elif shape is Shape.LIST:
            operand = self._list_operand()
        elif shape is Shape.TEXT:
            modifier, operand = (self._modified() if blank else None) or (None, self._text_operand())
        return Check(subject, name, operand, modifier, position=position, operator_position=at)

    # operands

    def _number_operand(self) -> Operand:
        position = self._here()
        if (value := self._field_operand()) is not None:
            return value
        if self._match(HEX_NUMBER) or self._match(NUMBER):
            return Literal(to_bytes(self.last), position=position)
        return self._fail(
            f"expected a number value or a field with a valid transformer: {_ALL_TRANSFORMERS}",
            expected=Expected.NUMBER,
        )

    def _text_operand(self) -> Operand:
        value = self._field_operand() or self._literal()
        if value is None:
            self._fail(
                f"expected a string value or a field with a valid transformer: {_ALL_TRANSFORMERS}",
                expected=Expected.VALUE,
            )
        return value

    def _modified(self) -> tuple[str, Literals] | None:
        """A modifier with its list; None, and nothing taken, where the word is just a value."""
        start, last = self.index, self.last
        match = _MODIFIER.match(self.text, start)
        if match is None:
            return None
        self.index = match.end()
        position = self._here()
        if self._take("("):
            items = self._literals(position)
        elif self._match(_IDENTIFIER) and self.last not in {"and", "or"}:
            items = Literals((Literal(to_bytes(self.last), position=position),), position=position)
        else:
            self.index, self.last = start, last
            return None
        self.differences.append((Difference.MODIFIER, start))
        return match[1], items

    def _list_operand(self) -> Operand:
        position = self._here()
        if self._take("("):
            return self._literals(position)
        if (value := self._field_operand()) is not None:
            return value
        if self._match(_IDENTIFIER):
            return Literals((Literal(to_bytes(self.last), position=position),), position=position)
        return self._fail(
            f"expected a list, an identifier, or a field with a valid transformer: {_ALL_TRANSFORMERS}",
            expected=Expected.LIST,
        )

    def _literals(self, position: Position) -> Literals:
        """The rest of a list of constants."""
        items: list[Literal] = []
        self._blank()
        if (item := self._literal()) is not None:
            items.append(item)
            self._blank()
            while self._take(","):
                self._blank()
                if (item := self._literal()) is None:
                    self._fail("expected a string value", expected=Expected.ITEM)
                items.append(item)
                self._blank()
        self._expect(")", "expected a ')' token")
        return Literals(tuple(items), position=position)

    def _field_operand(self) -> Field | Transform | None:
        """``val(FIELD)`` or a transformer, None and nothing taken where neither stands."""
        at = self.index
        if not self._match(_VAL):
            return self._transform()
        self.differences.append((Difference.TRANSFORMER, at))
        self._blank()
        field = self._field()
        if field is None:
            self._fail("expected a field within 'val' transformer")
        self._expect(")", "expected a ')' token closing the transformer")
        return field

    def _field(self) -> Field | None:
        position = self._here()
        if not self._match(FIELD_NAME):
            return None
        name, argument = self.last, None
        if self._take("["):
            argument = self._argument()
        return Field(name, argument, position=position)

    def _argument(self) -> str:
        """The rest of ``[argument]``."""
        at = self.index
        quoted = self._quoted()
        if quoted is not None:
            argument = quoted.decode("utf-8", "surrogateescape")
        else:
            argument = self.last if self._match(BARE_ARGUMENT) else ""
        if not argument:
            self.index = at
            self._fail("expected a valid field argument: a quoted string or a bare string")
        if not self._take("]"):
            self._fail("expected a ']' token")
        return argument

    def _transform(self) -> Transform | None:
        position = self._here()
        if not self._match(_TRANSFORMER):
            return None
        name = self.last[:-1]
        self.differences.append((Difference.TRANSFORMER, position.index))
        with self._nested():
            arguments = self._arguments()
            self._expect(")", "expected a ')' token closing the transformer")
        argument = self._argument() if self._take("[") else None
        return Transform(name, tuple(arguments), argument, position=position)

    def _arguments(self) -> list[Argument]:
        arguments: list[Argument] = []
        while not arguments or self._connective(","):
            position = self._skip()
            arguments.append(self._group(position) if self._take("(") else self._item(position))
        return arguments

    def _group(self, position: Position) -> Group:
        """The rest of a list of values given to a transformer."""
        items: list[Field | Transform | Literal] = []
        with self._nested():
            self._blank()
            if not self.text.startswith(")", self.index):
                items.append(self._item(self._here()))
                while self._connective(","):
                    items.append(self._item(self._skip()))
            self._expect(")", "expected a ')' token")
        return Group(tuple(items), position=position)

    def _item(self, position: Position) -> Field | Transform | Literal:
        if (value := self._field() or self._transform()) is not None:
            return value
        if (constant := self._quoted()) is not None:
            return Literal(constant, position=position)
        if self._match(HEX_NUMBER) or self._match(NUMBER):
            return Literal(to_bytes(self.last), position=position)
        return self._fail(
            "expected field transformer argument: field, transformer, quoted string, number, or transformer list"
        )

    # tokens

    def _literal(self) -> Literal | None:
        position = self._here()
        if (constant := self._quoted()) is not None:
            return Literal(constant, position=position)
        if self._match(BARE_VALUE):
            return Literal(to_bytes(self.last), position=position)
        return None

    def _quoted(self) -> bytes | None:
        """A quoted text, None and nothing taken where none stands or it is not closed."""
        start = self.index
        quote = self.text[start : start + 1]
        if quote not in {'"', "'"}:
            return None
        end = self.text.find(quote, start + 1)
        while end >= 0 and self.text[end - 1] == "\\":
            end = self.text.find(quote, end + 1)
        if end < 0:
            return None
        try:
            value = unescape(self.text[start + 1 : end], quote)
        except EscapeError as error:
            self.index = start + 1 + error.offset
            self._fail(str(error))
        self.index = end + 1
        self.last = value.decode("utf-8", "replace")
        return value

    def _match(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.index)
        if match is None:
            return False
        self.index = match.end()
        self.last = match.group()
        return True

    def _take(self, word: str) -> bool:
        if not self.text.startswith(word, self.index):
            return False
        self.index += len(word)
        self.last = word
        return True

    def _expect(self, word: str, otherwise: str) -> None:
        self._blank()
        if not self._take(word):
            self._fail(otherwise, expected=Expected.CONNECTIVE)

    def _blank(self) -> bool:
        start = self.index
        match = _BLANKS.match(self.text, start)
        self.index = start if match is None else match.end()
        return self.index > start

    def _skip(self) -> Position:
        self._blank()
        return self._here()

    def _here(self) -> Position:
        line = bisect_right(self.line_starts, self.index)
        return Position(self.index, line, self.index - self.line_starts[line - 1] + 1)

    @contextmanager
    def _nested(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > self.nesting:
            self._fail(f"exceeded max depth limit of {self.nesting}")
        yield
        self.depth -= 1

    def _fail(self, message: str, *, expected: Expected = Expected.OTHER) -> NoReturn:
        raise FilterSyntaxError(
            message,
            expression=self.text,
            position=self.index,
            hint=hint(self.text, self.index, expected),
        )
