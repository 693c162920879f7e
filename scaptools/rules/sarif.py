"""SARIF: what loading found, in the format code review tools read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaptools._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.rules.issues import Code, Issue
    from scaptools.rules.ruleset import LoadResult

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(results: Sequence[LoadResult]) -> dict[str, Any]:
    """A SARIF 2.1.0 log of some results; lines and columns count from 1 there."""
    found = list(dict.fromkeys(issue for result in results for issue in result.issues))
    codes = list(dict.fromkeys(issue.code for issue in found))
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "scap rules lint",
                        "semanticVersion": __version__,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "artifacts": [{"location": {"uri": Path(result.name).as_posix()}} for result in results],
                "columnKind": "unicodeCodePoints",
                "results": [_result(issue, codes) for issue in found],
            }
        ],
    }


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.name,
        "shortDescription": {"text": code.value},
        "defaultConfiguration": {"level": _level(code)},
    }


def _result(issue: Issue, codes: list[Code]) -> dict[str, Any]:
    mark = issue.context.file_mark
    kind, name = issue.context.item
    text = issue.message if issue.hint is None else f"{issue.message}; {issue.hint}"
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": Path(issue.context.file).as_posix()},
            "region": {"startLine": mark.line + 1, "startColumn": mark.column + 1},
        }
    }
    if name:
        location["logicalLocations"] = [{"name": name, "kind": kind}]
    return {
        "ruleId": issue.code.name,
        "ruleIndex": codes.index(issue.code),
        "level": _level(issue.code),
        "message": {"text": text},
        "locations": [location],
    }


def _level(code: Code) -> str:
    return "error" if code.is_error else "warning"
