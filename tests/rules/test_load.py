"""The rules language: what is defined, redefined, appended, overridden, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scaptools.errors import ScapError
from scaptools.fields.catalog import Catalog
from scaptools.rules.issues import Code, ItemType
from scaptools.rules.priority import Priority
from scaptools.rules.ruleset import RulesError, RuleSet, load_rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scaptools.rules.ruleset import LoadResult

    Load = Callable[..., LoadResult]
    Rules = Callable[..., RuleSet]

RULE = """
- rule: R
  desc: d
  condition: evt.type=open
  output: o
  priority: INFO
"""


def codes(result: LoadResult) -> list[str]:
    return [issue.code.name for issue in result.issues]


def condition(rules: RuleSet, name: str = "R") -> str:
    return next(str(rule.condition.expression) for rule in rules.rules if rule.name == name)


def test_defaults(rules: Rules) -> None:
    (rule,) = rules(RULE).rules
    definition = rule.definition
    assert (rule.source, rule.tags, definition.enabled) == ("syscall", (), True)
    assert (definition.warns_of_event_types, definition.skips_unknown, definition.capture) == (True, False, False)
    assert definition.capture_duration_ms == 0


def test_every_key(rules: Rules) -> None:
    (rule,) = rules(
        """
        - rule: R
          desc: d
          condition: evt.num > 0
          output: "  o  "
          priority: emergency
          source: aws_cloudtrail
          enabled: no
          tags: [b, a, b]
          warn_evttypes: false
          skip-if-unknown-filter: true
          capture: yes
          capture_duration: 10
        """
    ).rules
    assert (rule.priority, rule.tags, rule.output.text) == (Priority.EMERGENCY, ("a", "b"), "o")
    assert (rule.definition.enabled, rule.definition.skips_unknown) == (False, True)
    assert (rule.definition.capture, rule.definition.capture_duration_ms) == (True, 10)


@pytest.mark.parametrize(("text", "value"), [("007", 7), ("0" * 5000 + "1", 1), ("4294967295", 2**32 - 1), ("0", 0)])
def test_numbers(rules: Rules, text: str, value: int) -> None:
    item = f"- {{rule: R, desc: d, condition: evt.num>0, output: o, priority: info, capture_duration: {text}}}"
    assert rules(item).rules[0].definition.capture_duration_ms == value


@pytest.mark.parametrize("text", ["4294967296", "-1", "1.0", "0" * 12 + "9" * 12, "1_0"])
def test_what_is_no_number(load: Load, text: str) -> None:
    item = f"- {{rule: R, desc: d, condition: evt.num>0, output: o, priority: info, capture_duration: {text}}}"
    assert [error.code.name for error in load(item).errors] == ["LOAD_ERR_YAML_VALIDATE"]


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("a: b", "LOAD_ERR_YAML_VALIDATE", (0, 0)),
        ("text", "LOAD_ERR_YAML_VALIDATE", (0, 0)),
        ("- text", "LOAD_ERR_YAML_VALIDATE", (0, 2)),
        ("- list: l\n  items: x", "LOAD_ERR_YAML_VALIDATE", (1, 9)),
        ("- list: l\n  items: [[a]]", "LOAD_ERR_YAML_VALIDATE", (1, 10)),
        ("- list: ''\n  items: []", "LOAD_ERR_YAML_VALIDATE", (0, 8)),
        ("- macro: m\n  condition: ~", "LOAD_ERR_YAML_VALIDATE", (0, 2)),
        ("- macro: m\n  condition: [a]", "LOAD_ERR_YAML_VALIDATE", (1, 13)),
        ("- macro: m\n  condition: a.b=1\n  append: 1", "LOAD_ERR_YAML_VALIDATE", (2, 10)),
        ("- rule: R\n  enabled: maybe", "LOAD_ERR_YAML_VALIDATE", (1, 11)),
        ("- rule: R\n  tags: [a]", "LOAD_ERR_YAML_VALIDATE", (0, 2)),
        ("- rule: R\n  enabled: true", "LOAD_ERR_VALIDATE", (0, 2)),
        (RULE.replace("INFO", "3"), "LOAD_ERR_YAML_VALIDATE", (5, 12)),
        (RULE + "  capture_duration: -1", "LOAD_ERR_YAML_VALIDATE", (6, 20)),
        (RULE + "  override: x", "LOAD_ERR_YAML_VALIDATE", (6, 12)),
        (RULE + "  override: {priority: append}", "LOAD_ERR_YAML_VALIDATE", (6, 13)),
        (RULE + "  override: {source: replace}", "LOAD_ERR_YAML_VALIDATE", (6, 13)),
        (RULE + "  override: {desc: drop}", "LOAD_ERR_YAML_VALIDATE", (6, 13)),
        (RULE + "  override: {tags: append}", "LOAD_ERR_YAML_VALIDATE", (6, 13)),
        (RULE + "  append: true\n  override: {desc: append}", "LOAD_ERR_YAML_VALIDATE", (3, 13)),
        ("- required_engine_version: 63", "LOAD_ERR_VALIDATE", (0, 27)),
        ("- required_engine_version: 1.0.0", "LOAD_ERR_VALIDATE", (0, 27)),
        ("- required_engine_version: 0.31", "LOAD_ERR_YAML_VALIDATE", (0, 27)),
        ("- required_plugin_versions: x", "LOAD_ERR_YAML_VALIDATE", (0, 28)),
        ("- required_plugin_versions:\n  - name: json\n    version: 1", "LOAD_ERR_YAML_VALIDATE", (1, 4)),
        ("- macro: m\n  condition: evt.type=", "LOAD_ERR_COMPILE_CONDITION", (2, 23)),
        ("- macro: m\n  condition: nope", "LOAD_ERR_VALIDATE", (2, 14)),
        (RULE.replace("open", "open and x.y=1"), "LOAD_ERR_COMPILE_CONDITION", (4, 32)),
        (RULE.replace("output: o", "output: '%x.y'"), "LOAD_ERR_COMPILE_OUTPUT", (4, 10)),
        (RULE.replace("output: o", "output: 'o %'"), "LOAD_ERR_COMPILE_OUTPUT", (4, 10)),
    ],
)
def test_errors_with_their_places(load: Load, text: str, code: str, where: tuple[int, int]) -> None:
    (error,) = load(text).errors
    mark = error.context.last.mark
    assert (error.code.name, (mark.line, mark.column)) == (code, where)


def test_the_block_falco_prints(load: Load) -> None:
    result = load(
        """\
        # two lines
        # of comment
        - rule: A
          desc: d
          priority: INFO
          output: o
          condition: evt.type=open and bad.field=1
        """
    )
    assert result.summary() == "rules0.yaml: Invalid"
    assert result.errors[0].falco_text() == (
        "In rules content: (rules0.yaml:0:0)\n"
        "    rule 'A': (rules0.yaml:2:2)\n"
        "    rule condition: (rules0.yaml:6:13)\n"
        '    condition expression: ("evt.type=open and...":7:32)\n'
        "------\n"
        "evt.type=open and bad.field=1\n"
        "                            ^\n"
        "------\n"
        "LOAD_ERR_COMPILE_CONDITION (Error compiling condition): "
        "filter_check called with nonexistent field bad.field\n"
    )
    assert result.errors[0].context.snippet() == "evt.type=open and bad.field=1\n                  ^\n"


def test_json_as_falco_prints_it(load: Load) -> None:
    found = load("- list: l\n  items: []\n").to_json()
    assert found["name"] == "rules0.yaml"
    assert (found["successful"], found["errors"]) == (True, [])
    (warning,) = found["warnings"]
    assert (warning["code"], warning["codedesc"]) == ("LOAD_UNUSED_LIST", "Unused list")
    assert warning["context"] == {
        "locations": [
            {
                "item_name": "",
                "item_type": "rules content",
                "position": {"column": 0, "line": 0, "name": "rules0.yaml", "offset": 0},
            },
            {
                "item_name": "l",
                "item_type": "list",
                "position": {"column": 2, "line": 0, "name": "rules0.yaml", "offset": 2},
            },
        ],
        "snippet": "- list: l\n  ^\n",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- other: 1\n", ["LOAD_UNKNOWN_ITEM"]),
        (RULE + "  nonsense: 1\n", ["LOAD_UNKNOWN_KEY"]),
        ("- macro: a b\n  condition: evt.type=open\n", ["LOAD_INVALID_MACRO_NAME", "LOAD_UNUSED_MACRO"]),
        ("- list: a=b\n  items: []\n", ["LOAD_INVALID_LIST_NAME", "LOAD_UNUSED_LIST"]),
        (RULE + "  source: nobody\n", ["LOAD_UNKNOWN_SOURCE"]),
        (RULE.replace("=open", "!=open"), ["LOAD_NO_EVTTYPE"]),
        (RULE.replace("=open", "!=open") + "  warn_evttypes: false\n", []),
        (RULE.replace("=open", "=open and x.y=1") + "  skip-if-unknown-filter: true\n", ["LOAD_UNKNOWN_FILTER"]),
        (RULE.replace("=open", "=nothing") + "  skip-if-unknown-filter: true\n", ["LOAD_UNKNOWN_FILTER"]),
        (RULE.replace(": o", ": '%x.y'") + "  skip-if-unknown-filter: true\n", ["LOAD_UNKNOWN_FILTER"]),
        (RULE.replace("=open", "=open and evt.dir=<"), ["LOAD_DEPRECATED_ITEM"]),
        (RULE.replace(": o", ": '%evt.dir'"), ["LOAD_DEPRECATED_ITEM"]),
        (RULE.replace(": o", ": '%container.info x'"), ["LOAD_DEPRECATED_ITEM"]),
        (RULE.replace("=open", "=open and proc.name=proc.name"), ["LOAD_COMPILE_CONDITION"]),
        (
            RULE.replace("evt.type=open", 'jevt.value[/a]="<NA>"') + "  source: aws_cloudtrail\n",
            ["LOAD_UNSAFE_NA_CHECK"],
        ),
        (RULE + RULE.replace("open", "close") + "- rule: R\n  enabled: false\n", ["LOAD_DEPRECATED_ITEM"]),
        (
            RULE + "  exceptions:\n  - {name: e, fields: proc.name}\n  - {name: e, fields: proc.name}\n",
            ["LOAD_EXCEPTION_NAME_NOT_UNIQUE"],
        ),
        (
            RULE
            + "  exceptions:\n  - {name: e, fields: proc.name}\n"
            + "- rule: R\n  exceptions:\n  - {name: e}\n  override: {exceptions: append}\n",
            ["LOAD_APPEND_NO_VALUES"],
        ),
    ],
)
def test_warnings(load: Load, text: str, expected: list[str]) -> None:
    result = load(text)
    assert result.successful, result.errors
    assert codes(result) == expected


def test_no_documents(load: Load) -> None:
    assert codes(load("---\n---\n~\n---\n[~]\n")) == []


def test_engine_versions(load: Load) -> None:
    for version in ("2", "62", "0.62.0", "0.31.5"):
        assert load(f"- required_engine_version: {version}").successful


@pytest.mark.parametrize(
    ("requirement", "satisfied"),
    [
        ("{name: json, version: 0.7.0}", True),
        ("{name: json, version: 0.8.0}", False),
        ("{name: json, version: 1.0.0}", False),
        ("{name: nobody, version: 0.1.0}", False),
        ("{name: nobody, version: 0.1.0, alternatives: [{name: json, version: 0.2.0}]}", True),
        ("{name: json, version: 0.9.0, alternatives: [{name: cloudtrail, version: 0.1.0}]}", False),
        ("{name: json, version: 0.1.0, alternatives: [{name: json, version: 0.1.0}]}", False),
    ],
)
def test_plugin_versions(load: Load, requirement: str, *, satisfied: bool) -> None:
    result = load(f"- required_plugin_versions: [{requirement}]\n- rule: broken later\n  enabled: true\n")
    if satisfied:
        assert result.errors[0].context.item == ("rule", "broken later")
    else:
        assert result.errors[0].code is Code.LOAD_ERR_VALIDATE
    alone = load(f"- required_plugin_versions: [{requirement}]\n")
    assert alone.successful is satisfied


def test_a_redefinition_keeps_its_place(rules: Rules) -> None:
    other = RULE.replace("rule: R", "rule: S")
    loaded = rules(RULE + other, RULE.replace("open", "close"))
    assert [rule.name for rule in loaded.rules] == ["R", "S"]
    assert condition(loaded) == "evt.type = close"


def test_appended_text_is_not_in_brackets(rules: Rules) -> None:
    loaded = rules(
        RULE.replace("=open", "=open or evt.type=close"),
        "- rule: R\n  condition: and proc.name=x\n  append: true\n",
    )
    assert condition(loaded) == "(evt.type = open or (evt.type = close and proc.name = x))"


def test_macros_keep_their_brackets(rules: Rules) -> None:
    loaded = rules(
        "- macro: m\n  condition: evt.type=open or evt.type=close\n"
        + RULE.replace("evt.type=open", "m and proc.name=x")
    )
    assert condition(loaded) == "((evt.type = open or evt.type = close) and proc.name = x)"


def test_append_ignores_other_keys(rules: Rules) -> None:
    loaded = rules(RULE, "- rule: R\n  condition: and proc.name=x\n  enabled: false\n  output: p\n  append: true\n")
    (rule,) = loaded.rules
    assert (rule.definition.enabled, rule.output.text) == (True, "o")


def test_overrides(rules: Rules) -> None:
    loaded = rules(
        RULE + "  tags: [a]\n",
        """
        - rule: R
          condition: and proc.name=x
          output: more
          desc: e
          tags: [b]
          priority: ERROR
          enabled: false
          override:
            condition: append
            output: append
            desc: append
            tags: append
            priority: replace
            enabled: replace
        """,
    )
    (rule,) = loaded.rules
    assert condition(loaded) == "(evt.type = open and proc.name = x)"
    assert (rule.output.text, rule.definition.description, rule.tags) == ("o more", "d e", ("a", "b"))
    assert (rule.priority, rule.definition.enabled) == (Priority.ERROR, False)


def test_override_replaces(rules: Rules) -> None:
    loaded = rules(
        RULE + "  tags: [a]\n",
        """
        - rule: R
          condition: evt.type=close
          tags: [b]
          override: {condition: replace, tags: replace}
        """,
    )
    assert (condition(loaded), loaded.rules[0].tags) == ("evt.type = close", ("b",))


@pytest.mark.parametrize(
    "text",
    [
        "- list: l\n  items: [a]\n  override: {items: append}\n",
        "- macro: m\n  condition: and a.b=1\n  override: {condition: append}\n",
        "- rule: X\n  condition: and a.b=1\n  override: {condition: append}\n",
        "- rule: X\n  condition: and a.b=1\n  override: {condition: replace}\n",
        "- rule: X\n  append: true\n",
        RULE + "- rule: R\n  append: true\n",
        RULE + "- rule: R\n  source: aws_cloudtrail\n  condition: and a.b=1\n  append: true\n",
        RULE + RULE + "  source: aws_cloudtrail\n",
        RULE + "- rule: R\n  exceptions: [{name: e, values: [a]}]\n  append: true\n",
        RULE + "- rule: R\n  exceptions: [{name: e, fields: proc.name}]\n  append: true\n",
        RULE + "  exceptions: [{name: e, fields: [proc.name], comps: [=, =]}]\n",
        RULE + "  exceptions: [{name: e, fields: proc.name, comps: [in]}]\n",
        RULE + "  exceptions: [{name: e, fields: proc.name, comps: =}]\n",
        RULE + "  exceptions: [{name: e, fields: [x.y]}]\n",
        RULE + "  exceptions: [{name: e, fields: proc.name, values: [[a]]}]\n",
        RULE + "  exceptions: [{name: e, fields: [proc.name], values: [a]}]\n",
        "- macro: m\n  condition: n\n- macro: n\n  condition: evt.type=open\n",
        "- macro: m\n  condition: evt.type=open\n- macro: m\n  condition: or m\n  append: true\n",
    ],
)
def test_what_does_not_fit_together(load: Load, text: str) -> None:
    (error,) = load(text).errors
    assert error.code is Code.LOAD_ERR_VALIDATE


def test_replacing_overrides_of_lists_and_macros_define_them(load: Load) -> None:
    result = load(
        """
        - list: l
          items: [a]
          override: {items: replace}
        - macro: m
          condition: proc.name in (l)
          override: {condition: replace}
        """
    )
    assert codes(result) == ["LOAD_UNUSED_MACRO"]


def test_sources_left_open_in_updates(load: Load) -> None:
    for source in ("~", "''", "syscall"):
        update = f"- rule: R\n  source: {source}\n  condition: and proc.name=x\n  override: {{condition: append}}\n"
        assert load(RULE, update).successful


def test_a_macro_redefined_later_changes_its_users(rules: Rules) -> None:
    loaded = rules(
        "- macro: m\n  condition: evt.type=open\n" + RULE.replace("evt.type=open", "m"),
        "- macro: m\n  condition: evt.type=close\n",
    )
    assert condition(loaded) == "evt.type = close"


def test_a_rule_may_use_a_macro_defined_after_it(rules: Rules) -> None:
    loaded = rules(RULE.replace("evt.type=open", "m") + "- macro: m\n  condition: evt.type=open\n")
    assert condition(loaded) == "evt.type = open"


def test_a_fault_in_a_macro_is_shown_there(load: Load) -> None:
    result = load("- macro: m\n  condition: evt.type=open and x.y=1\n" + RULE.replace("evt.type=open", "m"))
    places = [(place.item_type, place.item_name) for place in result.errors[0].context.locations]
    assert places == [
        (ItemType.RULES_CONTENT, ""),
        (ItemType.RULE, "R"),
        (ItemType.MACRO, "m"),
        (ItemType.MACRO_CONDITION, ""),
        (ItemType.CONDITION_EXPRESSION, ""),
    ]


def test_an_error_leaves_the_rules_as_they_were(rules: Rules) -> None:
    loaded = rules(RULE, RULE.replace("rule: R", "rule: S") + "- rule: T\n  enabled: true\n")
    assert [result.successful for result in loaded.results] == [True, False]
    assert [rule.name for rule in loaded.rules] == ["R"]
    loaded.load_text(RULE.replace("rule: R", "rule: S"))
    assert [rule.name for rule in loaded.rules] == ["R", "S"]


def test_minimum_priority(rules: Rules) -> None:
    assert rules(RULE, minimum=Priority.NOTICE).rules == ()
    assert len(rules(RULE, minimum=Priority.INFORMATIONAL).rules) == 1


@pytest.mark.parametrize(
    ("text", "priority"),
    [("EMERGENCY", 0), ("alert", 1), ("Critical", 2), ("eRRor", 3), ("warning", 4), ("notice", 5), ("info", 6),
     ("INFORMATIONAL", 6), ("debug", 7)],
)  # fmt: skip
def test_priorities(text: str, priority: int) -> None:
    assert Priority.parse(text) == priority


def test_deep_conditions_are_refused_not_fatal(load: Load) -> None:
    deep = RULE.replace("evt.type=open", "(" * 990 + "evt.type=open" + ")" * 990)
    assert load(deep).errors[0].code is Code.LOAD_ERR_COMPILE_CONDITION


def test_files(tmp_path: Path, catalog: Catalog) -> None:
    good = tmp_path / "good.yaml"
    good.write_text("\ufeff" + RULE, "utf-8")
    assert [rule.name for rule in load_rules([str(good)], catalog).rules] == ["R"]
    missing = RuleSet(catalog).load_file(str(tmp_path / "missing.yaml"))
    assert codes(missing) == ["LOAD_ERR_FILE_READ"]
    bad = tmp_path / "bad.yaml"
    bad.write_text("\n- rule: R\n")
    with pytest.raises(RulesError) as caught:
        load_rules([str(bad)], catalog)
    assert isinstance(caught.value, ScapError)
    assert str(caught.value) == (
        f"{bad}: line 2, column 3: Item has no mapping for key 'enabled' in rule 'R' (LOAD_ERR_YAML_VALIDATE)"
    )
