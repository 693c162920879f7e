"""Selections: rules switched on and off by name or tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaptools.rules.compiler import CompiledRule


@dataclass(frozen=True, slots=True)
class Selection:
    """One step: rules whose name matches ``pattern``, or who have ``tag``, are switched.

    ``substring`` takes the pattern as a part of the name, as old versions did.
    """

    enable: bool
    pattern: str | None = None
    tag: str | None = None
    substring: bool = False

    def meets(self, rule: CompiledRule) -> bool:
        """Whether a rule is one of those meant."""
        if self.tag is not None and self.tag in rule.definition.tags:
            return True
        if self.pattern is None:
            return False
        return self.pattern in rule.name if self.substring else matches_name(self.pattern, rule.name)


def matches_name(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern with ``*``.

    What stands between two stars is looked for once, from the left: ``*a`` does not match ``aba``.
    """
    first, *parts = pattern.split("*")
    if not parts:
        return pattern == name
    if not name.startswith(first):
        return False
    rest = name[len(first) :]
    *middle, last = parts
    for part in middle:
        place = rest.find(part)
        if place < 0:
            return False
        rest = rest[place + len(part) :]
    if not last:
        return True
    place = rest.find(last)
    return place >= 0 and place + len(last) == len(rest)


def active_rules(rules: Sequence[CompiledRule], selections: Iterable[Selection]) -> tuple[CompiledRule, ...]:
    """The enabled rules in the order they are tried; a rule enabled anew comes last."""
    active = [rule for rule in rules if rule.definition.enabled]
    for selection in selections:
        for rule in rules:
            if not selection.meets(rule):
                continue
            if not selection.enable:
                active = [other for other in active if other is not rule]
            elif not any(other is rule for other in active):
                active.append(rule)
    return tuple(active)
