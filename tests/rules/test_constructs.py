"""What rules for system calls are made of, in a file of its own, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scaptools.rules.engine import Matching, RuleEngine
from scaptools.rules.ruleset import RuleSet
from scaptools.rules.run import alerts_of

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
        ("LOAD_DEPRECATED_ITEM", "Older ways"),
        ("LOAD_DEPRECATED_ITEM", "Older ways"),
        ("LOAD_UNUSED_LIST", "known_images"),
    ]


def test_which_rules_there_are(sample: RuleSet) -> None:
    assert [rule.name for rule in sample.active()] == [
        "Shell in a container",
        "Write below a watched directory",
        "Odd command lines",
        "Mode bits",
        "Older ways",
        "Access to keys",
        "Metadata and pods",
    ]
    assert len(sample.rules) == 10


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
    assert texts["Access to keys"].startswith(
        "((((evt.type in (open, openat, openat2, openat) and evt.is_open_read = true) or evt.type = renameat2) "
        "and (fd.name pmatch (/root/.ssh, /home/*/.ssh, /etc/shadow) or "
    )
    assert texts["Access to keys"].endswith(
        "and not fd.name pmatch (/root/.ssh/known_hosts, /srv) "
        'and not (proc.pname = systemd and proc.name = "user daemon"))'
    )
    assert (
        "fd.snet in (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16) or fd.cnet = 10.0.0.0/8)" in texts["Metadata and pods"]
    )


@pytest.mark.parametrize(
    ("trace", "raw_events", "fired"),
    [
        ("cat_write.scap", False, set()),
        ("run_as_user_0_container.scap", False, {"Anything else"}),
        # where a call begins, a process still has its parent's name
        ("run_as_user_0_container.scap", True, {"Anything else", "Odd command lines"}),
    ],
)
def test_all_of_it_can_be_evaluated(
    sample: RuleSet, shared_data: Path, trace: str, raw_events: bool, fired: set[str]
) -> None:
    engine = RuleEngine(sample.rules, sample.sources, matching=Matching.ALL, raw_events=raw_events)
    assert {alert.rule for alert in alerts_of(engine, str(shared_data / "captures" / trace))} == fired
