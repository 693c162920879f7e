"""What rules for system calls are made of, in a file of its own, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scaptools.rules.ruleset import RuleSet

if TYPE_CHECKING:
    from scaptools.fields.catalog import Catalog

SAMPLE = Path(__file__).parents[1] / "fixtures" / "rules" / "constructs.yaml"


@pytest.fixture(scope="module")
def sample(catalog: Catalog) -> RuleSet:
    rules = RuleSet(catalog)
    assert rules.load_file(str(SAMPLE)).errors == []
    return rules


def test_warnings(sample: RuleSet) -> None:
    found = [(issue.code.name, issue.context.item[1]) for issue in sample.results[0].warnings]
    assert found == [
        ("LOAD_DEPRECATED_ITEM", "shells"),
        ("LOAD_DEPRECATED_ITEM", "Write below a watched directory"),
        ("LOAD_UNKNOWN_FILTER", "Fields nobody has"),
        ("LOAD_UNUSED_LIST", "known_images"),
    ]


def test_which_rules_there_are(sample: RuleSet) -> None:
    assert [rule.name for rule in sample.active()] == [
        "Shell in a container",
        "Write below a watched directory",
        "Odd command lines",
        "Mode bits",
    ]
    assert len(sample.rules) == 6


def test_compiled_conditions(sample: RuleSet) -> None:
    texts = {rule.name: str(rule.condition.expression) for rule in sample.rules}
    assert texts["Shell in a container"] == (
        "(evt.type in (execve, execveat) and container.id != host and proc.name in (ash, bash, csh, zsh, fish) "
        'and not proc.pname in (ash, bash, csh, zsh, fish, login, su, "two words") '
        "and not (evt.num = 0 or proc.name = known-tool))"
    )
    assert texts["Write below a watched directory"].endswith(
        "and not proc.name in (rpm, yum, dnf) "
        "and not ((proc.name = vim and fd.name startswith /opt/editor/) "
        "or (proc.name = sed and fd.name startswith /opt/build/)) "
        "and not (proc.name in (ash, bash, csh, zsh, fish) and proc.pname in (make, ninja)))"
    )
    assert texts["Unexpected connection"].endswith("and not proc.cmdline icontains backup)")
