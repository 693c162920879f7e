"""Lists and exceptions in the text of conditions, as Falco 0.44 was seen to write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.rules.substitution import with_lists

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.rules.ruleset import RuleSet

    Rules = Callable[..., RuleSet]


def compiled(rules: RuleSet) -> str:
    assert rules.results[-1].successful, rules.results[-1].errors
    (rule,) = rules.rules
    return str(rule.condition.expression)


def rule(condition: str, more: str = "") -> str:
    return f"- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: {condition}\n{more}"


def test_lists_of_lists(rules: Rules) -> None:
    lists = '- list: l2\n  items: [y, "a b"]\n- list: l1\n  items: [l2, x]\n'
    assert compiled(rules(lists + rule("proc.name in (l1, z)"))) == 'proc.name in (y, "a b", x, z)'


def test_only_one_level(rules: Rules) -> None:
    lists = "- list: l3\n  items: [c]\n- list: l2\n  items: [l3]\n- list: l1\n  items: [l2]\n"
    assert compiled(rules(lists + rule("proc.name in (l1)"))) == "proc.name in (l3)"


def test_an_inner_list_defined_later_is_taken_by_the_text(rules: Rules) -> None:
    lists = "- list: l1\n  items: [l2]\n- list: l2\n  items: [c]\n"
    assert compiled(rules(lists + rule("proc.name in (l1)"))) == "proc.name in (c)"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("proc.name=l", "proc.name = a"),
        ("proc.name= l or proc.name=b", "(proc.name = a or proc.name = b)"),
        ('proc.name="x l y"', 'proc.name = "x a y"'),
        ("proc.name in l", "proc.name in (a)"),
        ("proc.name in (xl, l_, l)", "proc.name in (xl, l_, a)"),
        ("proc.name in (l,l)", "proc.name in (a, a)"),
    ],
)
def test_where_a_name_is_one(rules: Rules, condition: str, expected: str) -> None:
    assert compiled(rules("- list: l\n  items: [a]\n" + rule(f"'{condition}'"))) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("proc.name in (e)", "proc.name in ()"),
        ("proc.name in (a, e)", "proc.name in (a)"),
        ("proc.name in (e, a)", "proc.name in (a)"),
        ("proc.name in (a, e, b)", "proc.name in (a, b)"),
    ],
)
def test_empty_lists(rules: Rules, condition: str, expected: str) -> None:
    assert compiled(rules("- list: e\n  items: []\n" + rule(condition))) == expected


def test_items_with_commas_and_empty_ones(rules: Rules) -> None:
    loaded = rules("- list: l\n  items: ['a,b', '', c, '']\n" + rule("proc.name in (l)"))
    assert compiled(loaded) == "proc.name in (a, b, c)"


@pytest.mark.parametrize(
    ("condition", "exceptions", "expected"),
    [
        (
            "evt.type=open",
            "[{name: e, fields: [proc.name, proc.exe], values: [[a, /b], [c, '/d e']]}]",
            '(evt.type = open and not ((proc.name = a and proc.exe = /b) or (proc.name = c and proc.exe = "/d e")))',
        ),
        (
            "evt.type=open",
            "[{name: e, fields: [proc.name, proc.exe], comps: [in, startswith], values: [[[a, b], /x]]}]",
            "(evt.type = open and not (proc.name in (a, b) and proc.exe startswith /x))",
        ),
        (
            "evt.type=open",
            "[{name: e, fields: proc.name, values: [a, b, 'c d', lst]}]",
            '(evt.type = open and not proc.name in (a, b, "c d", l1, l2))',
        ),
        (
            "evt.type=open or evt.type=close",
            "[{name: e, fields: proc.name, values: [a]}, {name: f, fields: proc.exe, comps: pmatch, values: [/b]}]",
            "((evt.type = open or evt.type = close) and not proc.name in (a) and not proc.exe pmatch (/b))",
        ),
        ("evt.type=open", "[{name: e, fields: proc.name}]", "evt.type = open"),
        ("evt.type=open", "~", "evt.type = open"),
        (
            "evt.type=open",
            "[{name: e, fields: [proc.name], comps: [in], values: [[lst]]}]",
            "(evt.type = open and not proc.name in (l1, l2))",
        ),
        (
            "evt.type=open",
            "[{name: e, fields: [proc.name], comps: [startswith oneof], values: [[[a, b]]]}]",
            "(evt.type = open and not proc.name startswith oneof (a, b))",
        ),
        (
            "evt.type=open",
            "[{name: e, fields: proc.name, comps: contains anyof, values: [a, b]}]",
            "(evt.type = open and not proc.name contains anyof (a, b))",
        ),
    ],
)
def test_exceptions(rules: Rules, condition: str, exceptions: str, expected: str) -> None:
    lists = "- list: lst\n  items: [l1, l2]\n"
    assert compiled(rules(lists + rule(condition, f"  exceptions: {exceptions}\n"))) == expected


def test_appended_values(rules: Rules) -> None:
    first = rule("evt.type=open", "  exceptions: [{name: e, fields: proc.name, values: [a]}]\n")
    more = "- rule: R\n  exceptions: [{name: e, values: [b]}]\n  override: {exceptions: append}\n"
    assert compiled(rules(first, more)) == "(evt.type = open and not proc.name in (a, b))"


def step_by_step(condition: str, name: str, items: list[str]) -> str:
    """What Falco was seen to do, one replacement in a growing text after the other."""
    blanks, delimiters = " \t\n\r", " \t\n\r(),="
    values = ", ".join(item for item in items if item)
    start = condition.find(name)
    while start >= 0:
        end = start + len(name)
        before = start == 0 or condition[start - 1] in delimiters
        behind = end == len(condition) or condition[end] in delimiters
        if before and behind:
            while start > 0 and condition[start - 1] in blanks:
                start -= 1
            while end < len(condition) and condition[end] in blanks:
                end += 1
            if not items:
                if start > 0 and condition[start - 1] == ",":
                    start -= 1
                elif end < len(condition) and condition[end] == ",":
                    end += 1
            head = condition[:start] + (" " if start else "") + values + " "
            condition = head + condition[end:]
            start = condition.find(name, len(head))
        else:
            start = condition.find(name, start + 1)
    return condition


def words(condition: str) -> list[str]:
    return condition.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()


@given(st.text("l x(,)=", max_size=30), st.lists(st.sampled_from(["a", "b"]), max_size=2))
def test_one_pass_is_as_good_as_many(condition: str, items: list[str]) -> None:
    found: tuple[str, Any] = with_lists(condition, {"l": items})
    assert words(found[0]) == words(step_by_step(condition, "l", items))
