"""Priorities: how severe an alert is; the numbers are those of syslog."""

from __future__ import annotations

from enum import IntEnum


class Priority(IntEnum):
    """Severities, the most severe first."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6
    DEBUG = 7

    @property
    def label(self) -> str:
        """As alerts show it: ``Warning``."""
        return self.name.capitalize()

    @property
    def short(self) -> str:
        """As the statistics at the end of a run show it: ``WARNING``, ``INFO``."""
        return "INFO" if self is Priority.INFORMATIONAL else self.name

    @staticmethod
    def parse(text: str) -> Priority | None:
        """The priority of a name in any case, ``info`` included; None for any other text."""
        return _BY_NAME.get(text.lower())


_BY_NAME = {priority.name.lower(): priority for priority in Priority} | {"info": Priority.INFORMATIONAL}
