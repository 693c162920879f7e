"""JSON Schema: what init configurations are checked against."""

from __future__ import annotations

import pytest

from scaptools.plugins.schema import violation

IT = "the configuration"


@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        ({}, 1, None),
        ({"type": "object"}, [], "the configuration is not of type object"),
        ({"type": ["string", "null"]}, None, None),
        ({"type": "integer"}, True, "the configuration is not of type integer"),
        ({"type": "integer"}, 1.0, None),
        ({"enum": [1, "a"]}, "b", "the configuration is none of [1, 'a']"),
        ({"const": 1}, 2, "the configuration is not 1"),
        ({"minimum": 2}, 1, "the configuration is less than 2"),
        ({"minimum": 2, "exclusiveMinimum": True}, 2, "the configuration does not lie beyond 2"),
        ({"exclusiveMaximum": 3}, 3, "the configuration does not lie beyond 3"),
        ({"exclusiveMaximum": 3}, 2, None),
        ({"maxLength": 1}, "ab", "the configuration has more than 1 characters"),
        ({"pattern": "^a"}, "b", "the configuration does not match ^a"),
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, "a is not of type string"),
        ({"properties": {"a": {"items": {"maximum": 1}}}}, {"a": [1, 2]}, "a[1] is more than 1"),
        ({"items": [{"type": "null"}]}, [None, 1], None),
        ({"uniqueItems": True}, [1, 2, 1], "the configuration has equal elements"),
        ({"required": ["a"]}, {}, "the configuration lacks a"),
        ({"additionalProperties": False, "patternProperties": {"^x": {}}}, {"x1": 1}, None),
        ({"additionalProperties": False}, {"y": 1}, "the configuration has a member y that is not known"),
        ({"additionalProperties": {"type": "string"}}, {"y": 1}, "y is not of type string"),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 3, "the configuration is more than 2"),
        ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, 3, "the configuration obeys none of the alternatives"),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, f"{IT} does not obey exactly one of the alternatives"),
        ({"not": {"type": "string"}}, "a", "the configuration is what it may not be"),
        ({"$ref": "#/definitions/a", "definitions": {"a": {"type": "null"}}}, 1, f"{IT} is not of type null"),
        ({"$ref": "https://elsewhere/a"}, 1, None),
        ({"$ref": "#"}, 1, "the configuration is nested too deeply to be checked"),
    ],
)  # fmt: skip
def test_violation(schema, value, wrong) -> None:
    assert violation(schema, value) == wrong
