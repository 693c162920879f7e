"""The grammar: what parses to what, what does not and where, and how trees print."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaptools.errors import FilterSyntaxError
from scaptools.filter import parse, sysdig_differences
from scaptools.filter.ast import And, Check, Field, Group, Literal, Literals, Macro, Not, Or, Position, Transform
from scaptools.filter.parse import MAX_NESTING, parse_field

ORACLE = Path(__file__).parents[2].parent / "shared" / "data" / "oracle" / "filters.json.gz"
TRANSFORMERS = "'val', 'tolower', 'toupper', 'b64', 'basename', 'len', 'join', 'concat', 'getopt'"
OPERATORS = (
    "'exists', '<=', '<', '>=', '>', '==', '=', '!=', 'glob', 'iglob', 'contains', 'icontains', 'bcontains', "
    "'startswith', 'bstartswith', 'endswith', 'regex', 'intersects', 'in', 'pmatch'"
)
AB = Field("a.b")


def literals(*values: bytes) -> Literals:
    return Literals(tuple(map(Literal, values)))


# what parses


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a.b = x", Check(AB, "=", Literal(b"x"))),
        ("a.b=x", Check(AB, "=", Literal(b"x"))),
        ("a.b= x", Check(AB, "=", Literal(b"x"))),
        ("a.b =x", Check(AB, "=", Literal(b"x"))),
        (" \t\r\n\ba.b\n=\r\nx\b ", Check(AB, "=", Literal(b"x"))),
        ("a.b == x", Check(AB, "=", Literal(b"x"))),
        ("a.b ==x", Check(AB, "=", Literal(b"x"))),
        ("a.b != x", Check(AB, "!=", Literal(b"x"))),
        ("a.b=1or", Check(AB, "=", Literal(b"1or"))),
        ("a.b exists", Check(AB, "exists")),
        ("a.b<=5", Check(AB, "<=", Literal(b"5"))),
        ("a.b >= 0x1F", Check(AB, ">=", Literal(b"0x1F"))),
        ("a.b < -1.5e+3", Check(AB, "<", Literal(b"-1.5e+3"))),
        ("a.b > 3.", Check(AB, ">", Literal(b"3."))),
        ("a.b glob *.log", Check(AB, "glob", Literal(b"*.log"))),
        ("a.b glob\n[a-z]:<f>|", Check(AB, "glob", Literal(b"[a-z]:<f>|"))),
        ('a.b contains ""', Check(AB, "contains", Literal(b""))),
        ("a.b in (x, 'y z',\"q\")", Check(AB, "in", literals(b"x", b"y z", b"q"))),
        ("a.b in(x)", Check(AB, "in", literals(b"x"))),
        ("a.b in x", Check(AB, "in", literals(b"x"))),
        ("a.b in ()", Check(AB, "in", literals())),
        ("a.b intersects(x,y)", Check(AB, "intersects", literals(b"x", b"y"))),
        ("a.b pmatch(/etc, /usr)", Check(AB, "pmatch", literals(b"/etc", b"/usr"))),
        ("a.b = oneof (x)", Check(AB, "=", literals(b"x"), "oneof")),
        ("a.b contains anyof (x, y)", Check(AB, "contains", literals(b"x", b"y"), "anyof")),
        ("a.b != allof x", Check(AB, "!=", literals(b"x"), "allof")),
        ("a.b = oneof", Check(AB, "=", Literal(b"oneof"))),
        ("a.b = anyof and m", And((Check(AB, "=", Literal(b"anyof")), Macro("m")))),
        ("a.b = val(c.d[1])", Check(AB, "=", Field("c.d", "1"))),
        ("a.b in val( c.d )", Check(AB, "in", Field("c.d"))),
        ("a.b < val(c.d)", Check(AB, "<", Field("c.d"))),
        ("a.b = c.d", Check(AB, "=", Literal(b"c.d"))),
        ("a.b = tolower(c.d)", Check(AB, "=", Transform("tolower", (Field("c.d"),)))),
        ("a.b = 'tolower(c.d)'", Check(AB, "=", Literal(b"tolower(c.d)"))),
        ("len( a.b )=3", Check(Transform("len", (AB,)), "=", Literal(b"3"))),
        (
            "tolower(basename(a.b)) = x",
            Check(Transform("tolower", (Transform("basename", (AB,)),)), "=", Literal(b"x")),
        ),
        (
            'join(",", (a.b, "x", 5, 0x10, len(a.b))) exists',
            Check(
                Transform(
                    "join",
                    (
                        Literal(b","),
                        Group((AB, Literal(b"x"), Literal(b"5"), Literal(b"0x10"), Transform("len", (AB,)))),
                    ),
                ),
                "exists",
            ),
        ),
        (
            'getopt(("-a", "x"), "a:")[a] = x',
            Check(
                Transform("getopt", (Group((Literal(b"-a"), Literal(b"x"))), Literal(b"a:")), "a"),
                "=",
                Literal(b"x"),
            ),
        ),
        ("len(()) exists", Check(Transform("len", (Group(()),)), "exists")),
        ("m", Macro("m")),
        ("m and n or o", Or((And((Macro("m"), Macro("n"))), Macro("o")))),
        ("m or n and o", Or((Macro("m"), And((Macro("n"), Macro("o")))))),
        ("m or n or o", Or((Macro("m"), Macro("n"), Macro("o")))),
        ("m and (n and o)", And((Macro("m"), And((Macro("n"), Macro("o")))))),
        ("not m and n", And((Not(Macro("m")), Macro("n")))),
        ("not not m", Macro("m")),
        ("not not not m", Not(Macro("m"))),
        ("not(m)", Not(Macro("m"))),
        ("not not( m )", Macro("m")),
        ("not (not m)", Macro("m")),
        ("not (m or n)", Not(Or((Macro("m"), Macro("n"))))),
        ("(m)and(n)and(o)", And((Macro("m"), Macro("n"), Macro("o")))),
        ("m or (n) and (o)", Or((Macro("m"), And((Macro("n"), Macro("o")))))),
        ("notx.y = 1", Check(Field("notx.y"), "=", Literal(b"1"))),
        ("a.b='x'and m", And((Check(AB, "=", Literal(b"x")), Macro("m")))),
        ("a.b existsand m", And((Check(AB, "exists"), Macro("m")))),
        ("a.b < 5and m", And((Check(AB, "<", Literal(b"5")), Macro("m")))),
        ("nothing", Macro("nothing")),
    ],
)
def test_parses_to(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize("argument", ["[/a/b]", '["/a/b"]', "['/a/b']"])
def test_quoting_styles_of_arguments_are_equal(argument: str) -> None:
    assert parse_field(f"json.value{argument}") == Field("json.value", "/a/b")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\b\f\n\r\t"', b"\b\f\n\r\t"),
        (r'"a\\b"', rb"a\b"),
        (r'"a\ b"', rb"a\b"),
        (r'"\/"', b"/"),
        (r'"\""', b'"'),
        (r"'\''", b"'"),
        (r'"\x2fetc"', b"/etc"),
        (r'"\xfF\x00"', b"\xff\x00"),
        ('"ä"', "ä".encode()),
        ("'\"'", b'"'),
        (r"\d\\x", rb"\d\\x"),
        ("ä", "ä".encode()),
        ("\udcff", b"\xff"),
    ],
)
def test_escapes(text: str, value: bytes) -> None:
    assert parse(f"a.b = {text}") == Check(AB, "=", Literal(value))


def test_nodes_know_where_they_stood() -> None:
    text = "not a.b = x or\n  len(c.d) in (y,\n'z')"
    tree = parse(text)
    places = {str(node): (node.position.index, node.position.line, node.position.column) for node in tree.walk()}
    assert places["not a.b = x"] == (0, 1, 1)
    assert places["a.b = x"] == places["a.b"] == (4, 1, 5)
    assert places["x"] == (10, 1, 11)
    assert places["len(c.d) in (y, z)"] == places["len(c.d)"] == (17, 2, 3)
    assert places["c.d"] == (21, 2, 7)
    assert places["(y, z)"] == (29, 2, 15)
    assert places["z"] == (33, 3, 1)
    (check,) = (node for node in tree.walk() if isinstance(node, Check) and node.operator == "in")
    assert check.operator_position == Position(26, 2, 12)


# what does not parse


@pytest.mark.parametrize(
    ("text", "index", "message"),
    [
        ("a.b = x c.d = y", 8, "unexpected token after 'x', expecting 'or', 'and'"),
        ("(m)(n)", 3, "unexpected token after ')', expecting 'or', 'and'"),
        ("a.b", 3, f"expected a valid check operator: one of {OPERATORS}"),
        ("a.b foo x", 4, f"expected a valid check operator: one of {OPERATORS}"),
        ("a.b =", 5, f"expected a string value or a field with a valid transformer: {TRANSFORMERS}"),
        ("a.b = (", 6, f"expected a string value or a field with a valid transformer: {TRANSFORMERS}"),
        ("a.b = 'x", 6, f"expected a string value or a field with a valid transformer: {TRANSFORMERS}"),
        (r'a.b = "\\"', 6, f"expected a string value or a field with a valid transformer: {TRANSFORMERS}"),
        ("a.b < x", 6, f"expected a number value or a field with a valid transformer: {TRANSFORMERS}"),
        ("a.b > '2'", 6, f"expected a number value or a field with a valid transformer: {TRANSFORMERS}"),
        ("a.b in 5", 7, f"expected a list, an identifier, or a field with a valid transformer: {TRANSFORMERS}"),
        ("a.b in (x,)", 10, "expected a string value"),
        ("a.b in (val(x))", 11, "expected a ')' token"),
        ("(a.b = x", 8, "expected a ')' token"),
        ("a.b in (x", 9, "expected a ')' token"),
        ("a.b[x = 1", 5, "expected a ']' token"),
        ("a.b['x'y] = 1", 7, "expected a ']' token"),
        ("a.b[] = 1", 4, "expected a valid field argument: a quoted string or a bare string"),
        ('a.b[""] = 1', 4, "expected a valid field argument: a quoted string or a bare string"),
        ("a.b[ x] = 1", 4, "expected a valid field argument: a quoted string or a bare string"),
        ("a.b = x and", 11, "expected blank or '(' after 'and'"),
        ("m orn", 4, "expected blank or '(' after 'or'"),
        ("m or(n)and(o)", 7, "unexpected token after ')', expecting 'or', 'and'"),
        ("a.b = val(x)", 10, "expected a field within 'val' transformer"),
        ("a.b = val(c.d", 13, "expected a ')' token closing the transformer"),
        ("val(a.b) = x", 3, "unexpected token after 'val', expecting 'or', 'and'"),
        (
            "tolower() = x",
            8,
            "expected field transformer argument: field, transformer, quoted string, number, or transformer list",
        ),
        ("tolower(a.b = x", 12, "expected a ')' token closing the transformer"),
        ("tolower (a.b) = x", 8, "unexpected token after 'tolower', expecting 'or', 'and'"),
        ("join(',', (a.b) = x", 16, "expected a ')' token closing the transformer"),
        ("join(',', (a.b = x", 15, "expected a ')' token"),
        ("", 0, "filter input string is empty"),
        ("  ", 2, "expected a '(' token, a field check, or an identifier"),
        ("5 = a.b", 0, "expected a '(' token, a field check, or an identifier"),
        ("m and ", 6, "expected a '(' token, a field check, or an identifier"),
        ("a.b =oneof (x)", 11, "unexpected token after 'oneof', expecting 'or', 'and'"),
        ("a.b = oneof(x)", 11, "unexpected token after 'oneof', expecting 'or', 'and'"),
        ("a.b < oneof (1)", 6, f"expected a number value or a field with a valid transformer: {TRANSFORMERS}"),
        ("a.b glob(x)", 4, f"expected a valid check operator: one of {OPERATORS}"),
        ("a.b contains'x'", 4, f"expected a valid check operator: one of {OPERATORS}"),
        ("evt.type.is.5 = 1", 11, f"expected a valid check operator: one of {OPERATORS}"),
        ("k8s.pod.label.foo-bar = 1", 17, f"expected a valid check operator: one of {OPERATORS}"),
        (r'a.b = "\q"', 7, r"unsupported string escape sequence: \q"),
        (r'a.b = "\x4"', 7, "truncated hex char escape sequence"),
        (r'a.b = "\x4g"', 7, "truncated hex char escape sequence"),
        (r"""a.b = "x\'" """, 8, r"""invalid \' escape in "-quoted string"""),
        ("a.b = x y\n", 8, "unexpected token after 'x', expecting 'or', 'and'"),
        ("a.b = \ud800", 6, "a character that is no text (a lone surrogate)"),
    ],
)
def test_errors(text: str, index: int, message: str) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse(text)
    assert (caught.value.position, caught.value.message) == (index, message)
    assert caught.value.expression == text


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("a.b = x && m", "write 'and'"),
        ("a.b = x || m", "write 'or'"),
        ("a.b = x AND m", "'and' and 'or' are lower case"),
        ("!m", "write 'not' in lower case"),
        ("a.b = x,y", "several values need 'in (a, b)'"),
        ("a.b = x=y", "a value that holds blanks or any of ( ) \" ' = , needs quotes"),
        ("a.b ~ x", "patterns are compared with glob, regex or pmatch"),
        ("a.b eq x", "equality is written ="),
        ("a.b GLOB x", "operators are lower case"),
        ("a.b glob(x)", "an operator that is a word needs a blank after it"),
        ("a.b-c = x", "a name with other characters goes in brackets, as in container.label[foo-bar]"),
        ("a.b = oneof(x)", "a modifier stands between blanks, before a list: f = anyof (a, b)"),
        ("a.b < cat", "text is ordered only against a number or val(FIELD)"),
        ("a.b in (x,)", "no comma after the last value"),
        ("a.b = ", 'an empty text is written ""'),
        ("a.b = x\n& m", "write 'and'"),
        ("a.b foo x", None),
    ],
)
def test_hints(text: str, advice: str | None) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse(text)
    assert caught.value.hint == advice


def test_a_caret_points_at_the_fault() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse("m and\na.b = x y")
    assert caught.value.caret() == "a.b = x y\n        ^"
    assert str(caught.value) == ("filter error at line 2, column 9: unexpected token after 'x', expecting 'or', 'and'")


@pytest.mark.parametrize("opening", ["(", "not(", "not ("])
def test_nesting_is_bounded(opening: str) -> None:
    deepest = opening * MAX_NESTING + "m" + ")" * MAX_NESTING
    assert parse(deepest) in {Macro("m"), Not(Macro("m"))}
    with pytest.raises(FilterSyntaxError, match="exceeded max depth limit of 100"):
        parse(f"({deepest})")


def test_nested_transformers_are_bounded() -> None:
    with pytest.raises(FilterSyntaxError, match="exceeded max depth limit of 100"):
        parse("len(" * 5000 + "a.b")
    with pytest.raises(FilterSyntaxError, match="exceeded max depth limit of 100"):
        parse("(" * 100_000)


def test_long_filters_take_linear_time() -> None:
    text = " or\n".join(f"a.b in ({', '.join(map(str, range(10)))})" for _ in range(2000))
    assert isinstance(tree := parse(text), Or)
    assert len(tree.terms) == 2000
    assert tree.terms[-1].position.line == 2000


@settings(deadline=None)
@given(st.text("abx.()[]\"'\\ ,=<>!and or not in exists glob oneof len val 05+-"))
def test_nothing_but_syntax_errors_come_out(text: str) -> None:
    try:
        tree = parse(text)
    except FilterSyntaxError as error:
        position, caret = error.position, error.caret()
    else:
        assert parse(str(tree)) == tree
        return
    assert 0 <= position <= len(text)
    assert caret.endswith("^")


# printing

names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,5}", fullmatch=True)
arguments = st.none() | st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6)
fields = st.builds(Field, st.lists(names, min_size=2, max_size=3).map(".".join), arguments)
constants = st.builds(Literal, st.binary(max_size=8) | st.text(max_size=8).map(str.encode))
number_texts = st.builds(
    Literal, st.sampled_from([b"0", b"-1", b"+5", b"0xfF", b"1.5", b"2e+3", b"18446744073709551615"])
)
constant_lists = st.builds(Literals, st.lists(constants, max_size=3).map(tuple))


def transforms(inner: st.SearchStrategy[Field | Transform]) -> st.SearchStrategy[Transform]:
    items = st.lists(inner | constants | number_texts, max_size=3).map(tuple)
    groups = st.builds(Group, items)
    return st.builds(
        Transform,
        st.sampled_from(["tolower", "len", "join", "getopt"]),
        st.lists(inner | constants | number_texts | groups, min_size=1, max_size=3).map(tuple),
        arguments,
    )


subjects = st.recursive(fields, transforms, max_leaves=4)
checks = st.one_of(
    st.builds(Check, subjects, st.just("exists")),
    st.builds(Check, subjects, st.sampled_from(["<", "<=", ">", ">="]), number_texts | subjects),
    st.builds(Check, subjects, st.sampled_from(["=", "!=", "glob", "regex", "bcontains"]), constants | subjects),
    st.builds(
        Check,
        subjects,
        st.sampled_from(["=", "startswith"]),
        constant_lists,
        st.sampled_from(["oneof", "anyof", "allof"]),
    ),
    st.builds(Check, subjects, st.sampled_from(["in", "pmatch", "intersects"]), constant_lists | subjects),
)
macros = st.builds(Macro, names.filter(lambda name: not re.match("not|and|or|val|len|b64", name)))


def junctions(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    negated = inner.filter(lambda term: not isinstance(term, Not))
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, negated))


trees = st.recursive(checks | macros, junctions, max_leaves=6)


@settings(deadline=None)
@given(trees)
def test_printing_is_undone_by_parsing(tree: object) -> None:
    text = str(tree)
    assert parse(text) == tree
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a.b=1 and c.d=2 or e.f=3", "((a.b = 1 and c.d = 2) or e.f = 3)"),
        ("not (a.b=1 or c.d==2)", "not (a.b = 1 or c.d = 2)"),
        ("a.b in ('x','y z',\"'\")", 'a.b in (x, "y z", "\'")'),
        ("a.b=''", 'a.b = ""'),
        ("a.b='oneof'", 'a.b = "oneof"'),
        (r"a.b=C:\x\ ", r"a.b = C:\x" + "\\"),
        (r"a.b='C:\\ x\x5c'", r'a.b = "C:\\ x\x5c"'),
        (r"a.b='\x01\xff\n'", r'a.b = "\x01\xff\n"'),
        ("a.b[x]=1", "a.b[x] = 1"),
        ("a.b['x y']=1", 'a.b["x y"] = 1'),
        ("join('-', ('5', 6, a.b))=val(c.d)", 'join("-", (5, 6, a.b)) = val(c.d)'),
    ],
)
def test_printed_form(text: str, printed: str) -> None:
    assert str(parse(text)) == printed


# the other dialect, and what the peer says


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("m or n and o", [0]),
        ("m or (n and o)", []),
        ("(m and n or o) and p", [1]),
        ("not not m", [0]),
        ("a.b == x", [4]),
        ("a.b iglob x and a.b intersects (y)", [4, 20]),
        ("a.b = oneof (x)", [6]),
        ("len(a.b) = val(c.d)", [0, 11]),
        ("a.b = x and not c.d contains y", []),
    ],
)
def test_differences_from_sysdig(text: str, places: list[int]) -> None:
    assert [remark.index for remark in sysdig_differences(text)] == places


@pytest.mark.skipif(not ORACLE.exists(), reason=f"{ORACLE.name} is not beside the checkout")
def test_agrees_with_the_libraries_about_what_parses() -> None:
    with gzip.open(ORACLE) as stream:
        answers = json.load(stream)
    verdicts = {
        text: programs.get("libsnew_error", "")
        for filters in answers.values()
        for text, programs in filters.items()
        if "libsnew" in programs or "libsnew_error" in programs
    }
    assert len(verdicts) > 150
    refused = 0
    for text, verdict in verdicts.items():
        located = re.fullmatch(r"EXC filter error at index (\d+), line (\d+), column (\d+): (.*)", verdict)
        if located is None:
            parse(text)
            continue
        refused += 1
        with pytest.raises(FilterSyntaxError) as caught:
            parse(text)
        error = caught.value
        assert (str(error.position), str(error.line), str(error.column), error.message) == located.groups()
    assert refused == 2
