"""Evaluation: whole columns at a time gives what asking every event by itself would give."""

from __future__ import annotations

import fnmatch
import ipaddress
import operator
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.types import ParamType as T
from scaptools.columns import Coded, Lists, Numbers, Texts
from scaptools.filter import compile_filter
from scaptools.filter.ast import And, Check, Expression, Field, Literal, Literals, Not, Or
from scaptools.filter.constants import convert
from scaptools.filter.kinds import KINDS, Kind
from scaptools.filter.operators import OPERATORS, Shape
from scaptools.filter.parse import MAX_NESTING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# the scalar meaning, written down a second time

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "contains": lambda value, constant: constant in value,
    "bcontains": lambda value, constant: constant in value,
    "icontains": lambda value, constant: constant.lower() in value.lower(),
    "startswith": bytes.startswith,
    "bstartswith": bytes.startswith,
    "endswith": bytes.endswith,
    "iglob": lambda value, pattern: globbed(value.lower(), pattern.lower()),
    "regex": lambda value, pattern: bool(re.fullmatch(pattern.decode(), value.decode("utf-8", "replace"))),
}


def globbed(value: bytes, pattern: bytes) -> bool:
    return bool(re.match(fnmatch.translate(pattern.decode("latin-1")), value.decode("latin-1")))


RELATIONS["glob"] = globbed


def below(value: bytes, prefix: bytes) -> bool:
    have = [part for part in value.split(b"/") if part]
    want = [part for part in prefix.split(b"/") if part]
    return len(want) <= len(have) and all(map(globbed, have, want))


def answers(value: Any, name: str, constant: Any, type_: T) -> bool:
    """One scalar, one constant; constants are as `convert` gives them, networks as ``ipaddress`` does."""
    if KINDS[type_] is Kind.NETWORK:
        inside = ipaddress.ip_address(value) in constant
        return not inside if name == "!=" else inside
    if name in {"in", "intersects"}:
        return bool(value == constant)
    if name == "pmatch":
        return below(value, constant)
    return RELATIONS[name](value, constant)


def naive(value: Any, check: Check, constants: Sequence[Any], type_: T, rule: str | None) -> bool:
    """One event; ``rule`` is ``list`` for lists, the name of a field's own comparison, or None."""
    name = check.operator
    if value is None or (rule in {"either_end", "any"} and not value):
        return False
    if name == "exists":
        return True
    elements = [value] if rule is None else value
    quantifier = all if (rule, name) in {("list", "in"), ("either_end", "!=")} else any
    if OPERATORS[name].shape is Shape.LIST:
        return quantifier(any(answers(e, name, constant, type_) for constant in constants) for e in elements)
    hits = sum(quantifier(answers(e, name, constant, type_) for e in elements) for constant in constants)
    return {"oneof": hits == 1, "allof": hits == len(constants) > 0}.get(check.modifier or "", hits > 0)


# random columns, constants and checks of every type

INTEGERS = {"INT8": (-2, 2), "INT64": (-3, 3), "UINT32": (0, 4), "UINT64": (2**64 - 3, 2**64 - 1), "PORT": (0, 3)}
TYPES = [*map(T.__getitem__, INTEGERS), T.DOUBLE, T.BOOL, T.CHARBUF, T.BYTEBUF, T.IPADDR, T.IPNET]
IPS = ["10.0.0.1", "10.0.0.2", "10.9.9.9", "192.168.0.1", "::1", "2001:db8::1", "2001:db8:8000::"]
NETS = ["10.0.0.0/8", "10.0.0.0/31", "10.0.0.1/32", "0.0.0.0/0", "2001:db8::/33", "::/1", "::1/128"]
texts = st.text("ab/A.ä", max_size=5).map(str.encode) | st.sampled_from([b"/a/b", b"a//b", b"\xff/", b"a\nb"])
patterns = st.text("ab/A.*?", max_size=5).map(str.encode) | st.sampled_from([b"[ab]*", b"*[!a]", b"a[a-b]"])


def values_of(type_: T) -> st.SearchStrategy[Any]:
    if type_.name in INTEGERS:
        return st.integers(*INTEGERS[type_.name])
    return {
        T.DOUBLE: st.sampled_from([-1.0, 0.0, 0.5, 1.0]),
        T.BOOL: st.integers(0, 1),
        T.CHARBUF: texts,
        T.BYTEBUF: texts | st.binary(max_size=4),
    }.get(type_, st.sampled_from(IPS).map(lambda text: ipaddress.ip_address(text).packed))


def constants_of(type_: T, name: str) -> st.SearchStrategy[bytes]:
    if type_.name in INTEGERS:
        return st.integers(*INTEGERS[type_.name]).map(lambda number: str(number).encode())
    if OPERATORS[name].hexadecimal:
        return st.binary(max_size=2).map(lambda data: data.hex().encode())
    if name == "regex":
        return st.sampled_from([b"", b"a.*", b"(a|b)+", b"[^a]*", b"/?a[a-zA-Z]*"])
    if name in {"glob", "iglob", "pmatch"}:
        return patterns
    return {
        T.DOUBLE: st.sampled_from([b"-1", b"0", b"0.5", b"1"]),
        T.BOOL: st.sampled_from([b"true", b"false"]),
        T.CHARBUF: texts,
        T.BYTEBUF: texts,
        T.IPADDR: st.sampled_from(IPS).map(str.encode),
        T.IPNET: st.sampled_from(NETS).map(str.encode),
    }[type_]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[T, str | None, list[Any], bool]:
    """A type, how its field compares, the values of one batch, and whether the column is coded."""
    type_ = draw(st.sampled_from(TYPES))
    rule = draw(st.sampled_from([None, None, "list", "either_end", "any"]))
    one = values_of(type_)
    cells = st.none() | (one if rule is None else st.lists(one, max_size=3))
    values = draw(st.lists(cells, min_size=1, max_size=12))
    return type_, rule, values, rule is None and draw(st.booleans())


@st.composite
def checks(draw: st.DrawFn, type_: T, rule: str | None) -> Check:
    names = [
        name
        for name, candidate in OPERATORS.items()
        if name == "exists" or (KINDS[type_] in candidate.predicates and (candidate.for_lists or rule != "list"))
    ]
    name = draw(st.sampled_from(names))
    subject = Field("a.b")
    if name == "exists":
        return Check(subject, name)
    constants = constants_of(type_, name).map(Literal)
    several = st.lists(constants, max_size=3).map(lambda items: Literals(tuple(items)))
    shape = OPERATORS[name].shape
    if shape is Shape.LIST:
        return Check(subject, name, draw(several))
    if shape is Shape.TEXT and draw(st.booleans()):
        return Check(subject, name, draw(several), draw(st.sampled_from(["oneof", "anyof", "allof"])))
    if shape is Shape.NUMBER and KINDS[type_] is Kind.TEXT:
        return Check(subject, name, Literal(b"5"))
    return Check(subject, name, draw(constants))


def converted(check: Check, type_: T) -> list[Any]:
    literals = check.operand.items if isinstance(check.operand, Literals) else [check.operand]
    found = []
    for literal in literals:
        if not isinstance(literal, Literal):
            continue
        if KINDS[type_] is Kind.NETWORK:
            found.append(ipaddress.ip_network(literal.text, strict=False))
        else:
            found.append(convert(literal.value, type_, hexadecimal=OPERATORS[check.operator].hexadecimal))
    return found


def coded(column: Any) -> Coded:
    """The same column with codes: a missing value has code -1 in every other row, a missing value's code otherwise."""
    codes = np.arange(len(column), dtype=np.int32)[::-1].copy()
    whole = column.take(codes)
    codes[~column.validity() & (codes % 2 == 0)] = -1
    return Coded(codes, whole)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_every_operator_agrees_with_its_scalar_meaning(
    data: st.DataObject, make_field: Callable[..., Any], make_resolver: Callable[..., Any]
) -> None:
    type_, rule, values, is_coded = data.draw(worlds())
    check = data.draw(checks(type_, rule))
    rules: dict[str, Any] = {"is_list": rule == "list", "comparison": None if rule in {None, "list"} else rule}
    if rule in {"either_end", "any"}:
        values = [value or [] if value is None else value for value in values]
    column = make_field("a.b", type_, values, **rules)
    if is_coded:
        column.whole = coded(column.whole)
    compiled = compile_filter(check, make_resolver([column]))
    constants = converted(check, type_)
    expected = [row for row, value in enumerate(values) if naive(value, check, constants, type_, rule)]
    assert compiled.select(values).tolist() == expected


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_connectives_and_row_choices(
    data: st.DataObject, make_field: Callable[..., Any], make_resolver: Callable[..., Any]
) -> None:
    count = data.draw(st.integers(1, 8))
    columns = {
        name: data.draw(st.lists(st.none() | st.integers(0, 2), min_size=count, max_size=count))
        for name in ("a.x", "a.y", "a.z")
    }
    fields = [
        make_field(name, T.INT64, values, ordinal=data.draw(st.integers(0, 3))) for name, values in columns.items()
    ]
    leaves = st.builds(
        lambda name, number: Check(Field(name), "=", Literal(str(number).encode())),
        st.sampled_from(sorted(columns)),
        st.integers(0, 2),
    )

    def junction(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, inner)

    tree = data.draw(st.recursive(leaves, junction, max_leaves=8))

    def holds(node: Any, row: int) -> bool:
        match node:
            case And(terms=terms):
                return all(holds(term, row) for term in terms)
            case Or(terms=terms):
                return any(holds(term, row) for term in terms)
            case Not(term=term):
                return not holds(term, row)
        return columns[node.subject.name][row] == int(node.operand.value)

    compiled = compile_filter(tree, make_resolver(fields))
    expected = [row for row in range(count) if holds(tree, row)]
    batch = range(count)
    assert compiled.select(batch).tolist() == expected
    chosen = data.draw(st.lists(st.integers(0, count - 1), unique=True).map(sorted))
    assert compiled.select(batch, np.array(chosen, np.intp)).tolist() == [row for row in chosen if row in expected]
    start, stop, step = data.draw(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 3)))
    part = range(count)[start:stop:step]
    assert compiled.select(batch, slice(start, stop, step)).tolist() == [row for row in part if row in expected]


# comparisons between fields

PAIR_TYPES = [T.INT64, T.UINT64, T.BOOL, T.CHARBUF, T.BYTEBUF, T.IPADDR]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_fields_against_fields(
    data: st.DataObject, make_field: Callable[..., Any], make_resolver: Callable[..., Any]
) -> None:
    type_ = data.draw(st.sampled_from(PAIR_TYPES))
    names = [
        name for name, candidate in OPERATORS.items() if KINDS[type_] in candidate.predicates and candidate.takes_fields
    ]
    name = data.draw(st.sampled_from(names))
    cells = st.tuples(st.none() | values_of(type_), st.none() | values_of(type_))
    rows = data.draw(st.lists(cells, min_size=1, max_size=10))
    left, right = (make_field(f"a.{side}", type_, [row[at] for row in rows]) for at, side in enumerate("xy"))
    for side in (left, right):
        if data.draw(st.booleans()):
            side.whole = coded(side.whole)
    compiled = compile_filter(f"a.x {name} val(a.y)", make_resolver([left, right]))
    expected = [
        at
        for at, (one, other) in enumerate(rows)
        if one is not None and other is not None and answers(one, name, other, type_)
    ]
    assert compiled.select(rows).tolist() == expected


@pytest.mark.parametrize(("name", "expected"), [("in", [0, 2, 3]), ("intersects", [0, 1, 3])])
def test_lists_against_lists(
    name: str, expected: list[int], make_field: Callable[..., Any], make_resolver: Callable[..., Any]
) -> None:
    left = [["a", "b"], ["a", "z"], [], ["b"], ["z"], None, ["a"]]
    right = [["b", "a", "c"], ["a"], [], ["b"], ["a"], ["a"], None]
    fields = [make_field(f"a.{side}", T.CHARBUF, rows, is_list=True) for side, rows in (("x", left), ("y", right))]
    assert compile_filter(f"a.x {name} val(a.y)", make_resolver(fields)).select(left).tolist() == expected


# what is asked, and how often


@pytest.fixture
def three(make_field: Callable[..., Any], make_resolver: Callable[..., Any]) -> Any:
    return make_resolver(
        [
            make_field("a.cheap", T.INT64, [0, 1, 2, 3, 4, 5], ordinal=0),
            make_field("a.middle", T.INT64, [0, 0, 1, 1, 0, 0], ordinal=1),
            make_field("a.costly", T.CHARBUF, ["x", "y", "x", "y", "x", None], ordinal=3),
        ]
    )


def rows_asked(field: Any) -> list[Any]:
    return [list(range(6))[rows] if isinstance(rows, slice) else rows.tolist() for rows in field.asked]


def test_cheap_terms_come_first_and_leave_fewer_rows(three: Any) -> None:
    compiled = compile_filter("a.costly = x and a.middle = 0 and a.cheap > 1", three)
    assert compiled.select(range(6)).tolist() == [4]
    assert rows_asked(three.fields["a.cheap"]) == [[0, 1, 2, 3, 4, 5]]
    assert rows_asked(three.fields["a.middle"]) == [[2, 3, 4, 5]]
    assert rows_asked(three.fields["a.costly"]) == [[4, 5]]


def test_or_asks_only_about_undecided_rows(three: Any) -> None:
    compiled = compile_filter("a.costly = y or a.cheap < 3", three)
    assert compiled.select(range(6)).tolist() == [0, 1, 2, 3]
    assert rows_asked(three.fields["a.costly"]) == [[3, 4, 5]]


def test_nothing_is_asked_about_decided_rows(three: Any) -> None:
    assert compile_filter("a.cheap > 9 and a.costly = x", three).select(range(6)).tolist() == []
    assert compile_filter("a.cheap < 9 or a.costly = x", three).select(range(6)).tolist() == [0, 1, 2, 3, 4, 5]
    assert three.fields["a.costly"].asked == []


def test_a_field_used_twice_is_read_once(three: Any) -> None:
    compiled = compile_filter("a.costly = x or a.costly startswith y or tolower(a.costly) = z", three)
    assert compiled.select(range(6)).tolist() == [0, 1, 2, 3, 4]
    assert rows_asked(three.fields["a.costly"]) == [[0, 1, 2, 3, 4, 5]]


def test_rows_read_before_do_not_bind_later_terms(three: Any) -> None:
    compiled = compile_filter("(a.cheap > 3 and a.costly = x) or (a.cheap < 2 and a.costly = y)", three)
    assert compiled.select(range(6)).tolist() == [1, 4]
    assert rows_asked(three.fields["a.costly"]) == [[4, 5], [0, 1]]


def test_a_term_that_stands_twice_is_evaluated_once(three: Any) -> None:
    compiled = compile_filter("(a.costly = x and a.middle = 0) or (a.costly = x and a.cheap > 3)", three)
    assert compiled.select(range(6)).tolist() == [0, 4]
    asked = [row for rows in rows_asked(three.fields["a.costly"]) for row in rows]
    assert len(asked) == len(set(asked))


def test_explanation_follows_the_order_of_evaluation(three: Any) -> None:
    compiled = compile_filter(
        "not a.costly = x and (len(a.costly) = 1 or a.cheap in (1, 2)) and a.middle exists", three
    )
    assert compiled.explain() == (
        "all of\n"
        "  a.middle exists  [parameters]\n"
        "  not\n"
        "    a.costly = x  [payload]\n"
        "  any of\n"
        "    a.cheap in (1, 2)  [header]\n"
        "    len(a.costly) = 1  [payload]"
    )


def test_no_rows(three: Any) -> None:
    compiled = compile_filter("not a.cheap = 1", three)
    assert compiled.select([]).tolist() == []
    assert compiled.select(range(6), np.zeros(0, np.intp)).tolist() == []
    assert three.fields["a.cheap"].asked == []
    assert compiled.select(range(6)).dtype == np.intp


def test_distances(make_field: Callable[..., Any], make_resolver: Callable[..., Any]) -> None:
    distances = [0, 2_000_000, 2_000_001, None, 2**64 - 1]
    resolver = make_resolver([make_field("a.b[7]", T.UINT64, distances, comparison="within")])
    assert compile_filter("a.b[7] = 2", resolver).select(distances).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("type_", "values", "text", "expected"),
    [
        (T.UINT32, np.array([-1, 0, 5], np.int64), "a.b = -1", [0]),
        (T.INT64, np.array([1, 2, 255], np.uint8), "a.b = -1", []),
        (T.BOOL, np.array([True, False, True]), "a.b = true", [0, 2]),
    ],
)
def test_numbers_are_compared_in_the_width_of_their_type(
    type_: T,
    values: Any,
    text: str,
    expected: list[int],
    make_field: Callable[..., Any],
    make_resolver: Callable[..., Any],
) -> None:
    numbers = Numbers(values)
    ordinary, special, listed = (make_field("a.b", type_, [0] * len(values)) for _ in range(3))
    ordinary.whole = numbers
    special.whole = Coded(np.arange(len(values)), numbers)
    listed.whole, listed.comparison = Lists(np.arange(len(values) + 1), numbers), "any"
    for field in (ordinary, special, listed):
        assert compile_filter(text, make_resolver([field])).select(values).tolist() == expected


def test_many_distinct_values(make_field: Callable[..., Any], make_resolver: Callable[..., Any]) -> None:
    values = [f"/bin/p{number % 5000}" for number in range(12_000)]
    field = make_field("a.b", T.CHARBUF, values)
    distinct = sorted(set(values))
    codes = np.array([distinct.index(value) for value in values[:5000]] * 3, np.int32)[:12_000]
    field.whole = Coded(codes, Texts.of([value.encode() for value in distinct]))
    for text, expected in {
        "a.b endswith 99": [row for row, value in enumerate(values) if value.endswith("99")],
        "a.b in (/bin/p7, /bin/p4999, x)": [7, 4999, 5007, 9999, 10007],
        "a.b = /bin/p3": [3, 5003, 10003],
    }.items():
        assert compile_filter(text, make_resolver([field])).select(values).tolist() == expected


def test_the_deepest_filter_there_is(make_field: Callable[..., Any], make_resolver: Callable[..., Any]) -> None:
    resolver = make_resolver([make_field("a.b", T.INT64, [1, 2, None])])
    text = "a.b = 1 or not a.b = 3 and (" * MAX_NESTING + "a.b = 2" + ")" * MAX_NESTING
    compiled = compile_filter(text, resolver)
    again = compile_filter(compiled.expression, resolver)
    assert compiled.select(range(3)).tolist() == again.select(range(3)).tolist() == [0, 1]
    assert again.expression == compiled.expression
    assert len(compiled.explain().splitlines()) == len(again.explain().splitlines())
