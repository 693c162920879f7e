from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import Texts
from scaptools.errors import FormatError, UnknownFieldError
from scaptools.fields.model import FieldArgument
from scaptools.fields.registry import FieldRegistry
from scaptools.output.template import MAX_WIDTH, PRESETS, FieldToken, Template, unescape

NAMES = ("evt.num", "proc.name", "proc.nameless", "evt.time", "evt.time.s", "fd.ip", "json.value", "evt.arg")


def known_argument(text: str) -> str:
    if text not in {"fd", "res"}:
        raise FormatError(f"unknown event argument {text}")
    return text


@pytest.fixture(scope="module")
def registry(make_events: Callable[..., Any], argument_rule: FieldArgument) -> FieldRegistry:
    more: dict[str, dict[str, Any]] = {
        "fd.ip": {"flags": frozenset({"FILTER_ONLY"})},
        "json.value": {"argument": argument_rule},
        "evt.arg": {"argument": FieldArgument(known_argument, required=True, form=".NAME", suffix=True)},
    }
    columns = {name: (ParamType.CHARBUF, PrintFormat.NA, Texts.of([]), more.get(name, {})) for name in NAMES}
    result = make_events(columns).registry
    assert isinstance(result, FieldRegistry)
    return result


def written(template: Template) -> list[bytes | tuple[str, str, int]]:
    """Literals as they are, fields as their name, what was written, and width."""
    tokens = template.tokens
    return [(t.field.name, t.text, t.width) if isinstance(t, FieldToken) else t for t in tokens]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("%evt.num", [("evt.num", "evt.num", 0)]),
        ("a %evt.num!", [b"a ", ("evt.num", "evt.num", 0), b"!"]),
        ("%10evt.num|%010evt.num", [("evt.num", "evt.num", 10), b"|", ("evt.num", "evt.num", 10)]),
        ("%0evt.num", [("evt.num", "evt.num", 0)]),
        ("%proc.nameX", [("proc.name", "proc.name", 0), b"X"]),
        ("%proc.nameless", [("proc.nameless", "proc.nameless", 0)]),
        ("%evt.time.s.", [("evt.time.s", "evt.time.s", 0), b"."]),
        ("%evt.time.x", [("evt.time", "evt.time", 0), b".x"]),
        ("%evt.num%evt.time", [("evt.num", "evt.num", 0), ("evt.time", "evt.time", 0)]),
        ("%json.value[/a/b],", [("json.value[/a/b]", "json.value[/a/b]", 0), b","]),
        ('%json.value["/a b"]', [("json.value[/a b]", 'json.value["/a b"]', 0)]),
        ("%evt.arg.fd ", [("evt.arg.fd", "evt.arg.fd", 0), b" "]),
        ("%evt.arg[res]", [("evt.arg[res]", "evt.arg[res]", 0)]),
        ("literal", [b"literal"]),
        ("\udcff\xe9", [b"\xff\xc3\xa9"]),
    ],
)
def test_tokens(registry: FieldRegistry, text: str, tokens: list[Any]) -> None:
    assert written(Template.parse(text, registry)) == tokens


@pytest.mark.parametrize(
    ("text", "keeps", "first"), [("*%evt.num", True, None), ("%evt.num", False, None), ("**", True, b"*")]
)
def test_asterisk(registry: FieldRegistry, text: str, keeps: bool, first: bytes | None) -> None:
    template = Template.parse(text, registry)
    assert template.keeps_missing is keeps
    assert first is None or template.tokens == (first,)


def test_asterisk_alone_is_an_empty_line(registry: FieldRegistry) -> None:
    assert Template.parse("*", registry).tokens == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the output format is empty"),
        ("abc%", "an output format cannot end with a %; put a field's name behind it"),
        ("abc%10", "an output format cannot end with a number; put a field's name behind it"),
        ("a %%", "there is no field at column 3 of the output format; a % always starts a field"),
        ("% proc.name", "there is no field at column 1 of the output format; a % always starts a field"),
        ("%proc.nam", "unknown field proc.nam at column 1 of the output format; did you mean proc.name"),
        ("a%foo.bar", "unknown field foo.bar at column 2 of the output format; see 'scap fields' for the list"),
        ("%fd.ip", "fd.ip at column 1 of the output format is for filters only and cannot be displayed"),
        ("%evt.arg", "field evt.arg needs an argument at column 1 of the output format; write evt.arg.NAME"),
        (f"%{MAX_WIDTH + 1}evt.num", f"the width at column 1 of the output format is larger than {MAX_WIDTH}"),
        (f"%{10**40}evt.num", f"the width at column 1 of the output format is larger than {MAX_WIDTH}"),
    ],
)
def test_errors(registry: FieldRegistry, text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        Template.parse(text, registry)
    assert str(caught.value).startswith(message)
    assert not isinstance(caught.value, UnknownFieldError)


def test_unescape() -> None:
    assert unescape(r"a\tb\nc\e[0m") == "a\tb\nc\x1b[0m"
    assert unescape(r"a\\nb") == r"a\nb"
    assert unescape("\\x\\q\\") == "\\x\\q\\"


def test_presets() -> None:
    assert PRESETS[""] == "*%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info"
    assert PRESETS["c"].split(" %evt.cpu ")[1] == (
        "%container.name (%container.id) %proc.name (%thread.tid:%thread.vtid) %evt.dir %evt.type %evt.info"
    )


def test_template_of_fields(registry: FieldRegistry) -> None:
    fields = (registry.resolve("evt.num"), registry.resolve("json.value", "/a"))
    template = Template.of(fields, keeps_missing=False)
    assert [token.text for token in template.fields] == ["evt.num", "json.value[/a]"]
    assert not template.keeps_missing
