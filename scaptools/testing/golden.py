"""Golden files of alerts: one JSON object a line, free of anything that depends on the machine."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scaptools.rules.alerts import Alert

#: Field of an alert's prefix, which says again what ``time_ns`` does.
_PREFIX_FIELD = "evt.time"


def golden_lines(alerts: Sequence[Alert]) -> list[str]:
    """The lines of a golden file."""
    return [
        json.dumps(
            {
                "number": alert.number,
                "time_ns": alert.time_ns,
                "rule": alert.rule,
                "priority": alert.priority.label,
                "source": alert.source,
                "tags": list(alert.tags),
                "message": alert.message,
                "fields": {name: value for name, value in alert.fields.items() if name != _PREFIX_FIELD},
            },
            ensure_ascii=False,
        )
        for alert in alerts
    ]


def write_golden(alerts: Sequence[Alert], path: Path) -> None:
    """Write a golden file; directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in golden_lines(alerts)), "utf-8")


def compare_golden(alerts: Sequence[Alert], path: Path) -> str:
    """How alerts differ from a golden file, as a diff; empty where they do not."""
    if not path.exists():
        return f"{path} does not exist; run pytest with --update-golden to write it"
    before, after = path.read_text("utf-8").splitlines(), golden_lines(alerts)
    if before == after:
        return ""
    diff = difflib.unified_diff(before, after, str(path), "the alerts of this run", lineterm="", n=1)
    return "\n".join([*diff, "run pytest with --update-golden if this is right"])
