"""Where sysdig's old filters, Falco's and other tools' habits differ: what to say when somebody meets the difference.

`hint` explains a syntax error from what stands at the place where the parser gave up. `DIFFERENCES` are constructs the
parser accepts but the hand-written scanner of sysdig up to 0.29 refuses or reads differently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """Something worth saying about a filter that is not an error; ``index`` counts characters from 0."""

    index: int
    text: str


class Expected(Enum):
    """What the parser was looking for."""

    UNIT = "a '(' token, a field check, or an identifier"
    OPERATOR = "an operator"
    VALUE = "a text value"
    NUMBER = "a number value"
    LIST = "a list of values"
    ITEM = "a list item"
    CONNECTIVE = "'and' or 'or'"
    OTHER = "anything else"


#: What was expected, a pattern of what stands there instead, and what to do about it.
_HINTS = (
    (Expected.UNIT, r"!|(?:NOT|Not)\b", "write 'not' in lower case"),
    (Expected.UNIT, r"[0-9]", "a field comes first, its value after the operator"),
    (Expected.OPERATOR, r"\.[0-9]", "parts of a field's name start with a letter; arguments go in brackets"),
    (Expected.OPERATOR, r"-", "a name with other characters goes in brackets, as in container.label[foo-bar]"),
    (
        Expected.OPERATOR,
        r"i?(?:glob|contains|regex)|b?contains|b?startswith|endswith",
        "an operator that is a word needs a blank after it",
    ),
    (Expected.OPERATOR, r"[A-Z]", "operators are lower case"),
    (Expected.OPERATOR, r"~|like\b|match", "patterns are compared with glob, regex or pmatch"),
    (Expected.OPERATOR, r"eq\b|is\b|:", "equality is written ="),
    (Expected.OPERATOR, r"ne\b|<>", "inequality is written !="),
    (
        Expected.OPERATOR,
        r"(?:not|and|or)\b|\)|\Z",
        "'exists' asks whether a field has a value; a boolean field is compared with true or false",
    ),
    (
        Expected.VALUE,
        r"[\"']",
        r"the text is never closed: a quote after a backslash does not close it, write a final backslash as \x5c",
    ),
    (Expected.VALUE, r"\(", "a list needs in, intersects, pmatch or a modifier such as anyof before it"),
    (Expected.VALUE, r"\Z|[\s)]", 'an empty text is written ""'),
    (Expected.VALUE, r"[=,]", "a value that holds blanks or any of ( ) \" ' = , needs quotes"),
    (Expected.NUMBER, r"[\"']", "after < <= > >= a number stands without quotes"),
    (Expected.NUMBER, r"[A-Za-z/]", "text is ordered only against a number or val(FIELD)"),
    (Expected.LIST, r"[^(]", "values go in parentheses: (a, b)"),
    (Expected.ITEM, r"\)", "no comma after the last value"),
    (Expected.ITEM, r"[\"']", "the text is never closed"),
    (Expected.CONNECTIVE, r"&&?", "write 'and'"),
    (Expected.CONNECTIVE, r"\|\|?", "write 'or'"),
    (Expected.CONNECTIVE, r"(?i:and|or)\b", "'and' and 'or' are lower case"),
    (
        Expected.CONNECTIVE,
        r"(?:(?<=oneof)|(?<=anyof)|(?<=allof)|(?<=oneof )|(?<=anyof )|(?<=allof ))\(",
        "a modifier stands between blanks, before a list: f = anyof (a, b)",
    ),
    (Expected.CONNECTIVE, r",", "several values need 'in (a, b)'"),
    (Expected.CONNECTIVE, r"[=\"']", "a value that holds blanks or any of ( ) \" ' = , needs quotes"),
)


def hint(expression: str, position: int, expected: Expected) -> str | None:
    """Advice for a parser that stopped at ``position`` and wanted ``expected``, None where there is nothing to say."""
    for wanted, pattern, text in _HINTS:
        if wanted is expected and re.compile(pattern, re.ASCII).match(expression, position):
            return text
    return None


class Difference(Enum):
    """Constructs whose meaning differs in sysdig up to 0.29."""

    MIXED = "sysdig 0.29 refuses 'and' and 'or' at one bracket level; brackets make both agree"
    DOUBLE_NOT = "sysdig 0.29 ignores a second 'not'"
    DOUBLE_EQUALS = "sysdig 0.29 reads the second '=' of '==' as part of the value; '=' means the same"
    NEW_OPERATOR = "sysdig 0.29 does not know this operator"
    MODIFIER = "sysdig 0.29 does not know oneof, anyof and allof"
    TRANSFORMER = "sysdig 0.29 does not know transformers and val()"


#: Operators sysdig 0.29 does not know, ``intersects`` included: it fails on every list.
NEW_OPERATORS = frozenset({"iglob", "regex", "bcontains", "bstartswith", "intersects"})
