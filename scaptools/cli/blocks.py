"""Printing blocks: everything a capture consists of, down to the last byte; ``dump --blocks``."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.options import report_damage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaptools.capture.blocks import Plain

_INDENT = "  "


def print_blocks(names: Sequence[str], *, limit: int | None, as_json: bool, strict: bool, follow: bool = False) -> int:
    """Print every block of captures, as lines for people or as one JSON object a line; the exit status."""
    from scaptools.capture.blocks import iterate_blocks
    from scaptools.capture.reader import open_reader
    from scaptools.cli.following import check_followed, until_interrupted

    check_followed(names, following=follow)
    errors, left = [], limit
    for name in names:
        if left == 0:
            break
        with open_reader(name, follow=follow) as reader, until_interrupted(reader, following=follow):
            for block in islice(iterate_blocks(reader), left):
                left = None if left is None else left - 1
                if as_json:
                    click.echo(json.dumps(block))
                else:
                    for line in _lines(block):
                        click.echo(line)
            errors += reader.damage_errors()
    return report_damage(errors, strict=strict)


def _lines(block: dict[str, Plain]) -> Iterator[str]:
    if "damage" in block:
        yield f"@{block['offset']} damage, {block['length']} bytes: {block['damage']}"
        return
    yield f"@{block['offset']} {block['name']} ({block['type']}), {block['length']} bytes"
    if "error" in block:
        yield f"{_INDENT}error: {block['error']}"
    yield from _nested(block["body"], 1)


def _nested(value: Any, depth: int) -> Iterator[str]:
    """What is in a body, a line each: objects and lists of objects by their parts, all else in one."""
    margin = _INDENT * depth
    parts = value.items() if isinstance(value, dict) else ((f"[{place}]", part) for place, part in enumerate(value))
    for name, part in parts:
        if isinstance(part, dict) and {"name", "value"} <= part.keys():
            yield f"{margin}{name} {part['name']}: {_flat(part['value'])}"
        elif isinstance(part, dict) or (isinstance(part, list) and any(isinstance(item, dict) for item in part)):
            yield f"{margin}{name}"
            yield from _nested(part, depth + 1)
        else:
            yield f"{margin}{name}: {_flat(part)}"


def _flat(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
