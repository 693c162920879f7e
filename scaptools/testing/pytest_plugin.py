"""Fixtures for pytest: captures, rule sets, their alerts, and golden files of alerts.

    def test_login(rule_set, alerts):
        found = alerts(rule_set("cloudtrail"), "login.scap")
        assert [alert.rule for alert in found] == ["Console Login Without MFA"]

    def test_golden(rule_set, alerts, golden_alerts):
        golden_alerts(alerts(rule_set("cloudtrail"), "login.scap"), "login.alerts")

``pytest --update-golden``, or ``--update`` for short, writes golden files instead of comparing with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from scaptools.rules.alerts import Alert
    from scaptools.rules.ruleset import RuleSet
    from scaptools.testing.builders import CaptureBuilder


class MakeRuleSet(Protocol):
    """Loads rules."""

    def __call__(self, *paths: str | Path) -> RuleSet:
        """The rules of files, or of the package's own by name. Raises RulesError."""


class FindAlerts(Protocol):
    """Runs rules over captures."""

    def __call__(self, rules: RuleSet, capture: str | Path | bytes | CaptureBuilder, **options: Any) -> list[Alert]:
        """The alerts of a capture: a path, its bytes, or a builder.

        ``matching`` and ``raw_events`` are those of `scaptools.rules.engine.RuleEngine`.
        """


class GoldenAlerts(Protocol):
    """Compares alerts with a file."""

    def __call__(self, alerts: Sequence[Alert], path: str | Path) -> None:
        """Fail with a diff where the alerts are not those of the file, which is beside the test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plugin's options."""
    group = parser.getgroup("scaptools")
    group.addoption(
        "--update-golden",
        "--update",
        action="store_true",
        default=False,
        help="Write golden alert files instead of comparing.",
    )


@pytest.fixture
def capture_builder() -> CaptureBuilder:
    """An empty capture to put events into."""
    from scaptools.testing.builders import CaptureBuilder

    return CaptureBuilder()


@pytest.fixture(scope="session")
def rule_set() -> MakeRuleSet:
    """``rule_set(PATH, ...)``: rules, loaded in order."""

    def load(*paths: str | Path) -> RuleSet:
        from scaptools.fields.catalog import Catalog
        from scaptools.rules.ruleset import load_rules

        return load_rules(list(map(str, paths)), Catalog())

    return load


@pytest.fixture(scope="session")
def alerts() -> FindAlerts:
    """``alerts(RULES, CAPTURE)``: what the enabled rules have to say about a capture."""

    def find(rules: RuleSet, capture: str | Path | bytes | CaptureBuilder, **options: Any) -> list[Alert]:
        from scaptools.rules.engine import RuleEngine
        from scaptools.rules.run import alerts_of

        return alerts_of(RuleEngine(rules.active(), rules.sources, **options), _opened(capture))

    return find


@pytest.fixture
def golden_alerts(request: pytest.FixtureRequest) -> GoldenAlerts:
    """``golden_alerts(ALERTS, PATH)``: compare alerts with a file, or write it."""

    def compare(alerts: Sequence[Alert], path: str | Path) -> None:
        from scaptools.testing.golden import compare_golden, write_golden

        place = request.path.parent / path
        if request.config.getoption("--update-golden"):
            write_golden(alerts, place)
            return
        difference = compare_golden(alerts, place)
        if difference:
            pytest.fail(difference, pytrace=False)

    return compare


def _opened(capture: str | Path | bytes | CaptureBuilder) -> str | Path | BinaryIO:
    import io

    from scaptools.testing.builders import CaptureBuilder

    if isinstance(capture, CaptureBuilder):
        capture = capture.to_bytes()
    return io.BytesIO(capture) if isinstance(capture, bytes) else capture
