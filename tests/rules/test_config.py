"""falco.yaml: merging, overrides, and what its keys mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.errors import InputError, PluginError
from scaptools.rules.alerts import AlertFormat
from scaptools.rules.config import Config, OutputSettings, PluginSettings, load_config
from scaptools.rules.engine import Matching
from scaptools.rules.output import AppendedOutput
from scaptools.rules.outputs.http import HttpSettings
from scaptools.rules.plugins import configured_host
from scaptools.rules.priority import Priority
from scaptools.rules.selection import Selection
from scaptools.rules.settings import read_settings, set_value, split_override, typed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Config]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make(text, *overrides)``: the configuration of a file with that text."""

    def config(text: str, *overrides: str) -> Config:
        path = tmp_path / "falco.yaml"
        path.write_text(text)
        return load_config(str(path), overrides)

    return config


def test_defaults(make: Make) -> None:
    config = make("")
    assert config == Config()
    assert config.format == AlertFormat(json_output=False, json_include_output_property=True)
    assert config.outputs == OutputSettings(stdout=False, capacity=0, timeout_ms=2000)
    assert config.rate_limit() is None


def test_every_key(make: Make) -> None:
    config = make(
        """
        rules_files: [a.yaml, rules.d]
        rules:
          - disable: {rule: "*"}
          - enable: {tag: t, rule: R}
        priority: NOTICE
        rule_matching: all
        json_output: true
        json_include_output_property: no
        json_include_message_property: yes
        json_include_output_fields_property: false
        json_include_tags_property: off
        time_format_iso_8601: on
        buffer_format_base64: true
        append_output:
          - match: {source: s, tags: [a, b], rule: R}
            extra_output: more
            extra_fields: [ka.verb, {name: "%x.y"}]
          - suggested_output: true
        static_fields: {foo: bar, n: 5}
        outputs: {rate: 2, max_burst: 10}
        outputs_queue: {capacity: 7}
        output_timeout: 100
        stdout_output: {enabled: true}
        file_output: {enabled: true, filename: f, keep_alive: true}
        program_output: {enabled: true, program: "cat > x"}
        syslog_output: {enabled: true}
        http_output: {enabled: true, url: "http://h/", insecure: true, max_consecutive_timeouts: 2, user_agent: u}
        engine: {kind: replay, replay: {capture_file: c.scap}}
        """
    )
    assert config.rules_files == ("a.yaml", "rules.d")
    assert config.selections == (
        Selection(enable=False, pattern="*"),
        Selection(enable=True, pattern="R"),
        Selection(enable=True, tag="t"),
    )
    assert (config.priority, config.matching) == (Priority.NOTICE, Matching.ALL)
    assert config.format == AlertFormat(
        json_output=True,
        json_include_output_property=False,
        json_include_message_property=True,
        json_include_output_fields_property=False,
        json_include_tags_property=False,
        time_format_iso_8601=True,
        buffer_format_base64=True,
    )
    assert config.appended == (
        AppendedOutput("s", frozenset({"a", "b"}), "R", "more", ("ka.verb", ("name", "%x.y"))),
        AppendedOutput(suggested=True),
    )
    assert config.static_fields == {"foo": "bar", "n": "5"}
    limit = config.rate_limit()
    assert limit is not None
    assert (limit.rate, limit.burst) == (2, 10)
    assert config.outputs == OutputSettings(
        stdout=True,
        file="f",
        file_keep_alive=True,
        program="cat > x",
        syslog="unix:/dev/log",
        http=HttpSettings("http://h/", user_agent="u", insecure=True, max_consecutive_timeouts=2),
        capacity=7,
        timeout_ms=100,
    )
    assert config.capture == "c.scap"


@pytest.mark.parametrize(
    "text",
    [
        "- a list",
        "a: [",
        "--- {a: 1}\n--- {b: 2}",
        "rules_file: a\nrules_files: [b]",
        "rule_matching: some",
        "priority: 3",
        "json_output: maybe",
        "json_output: [true]",
        "rules: [{enable: {name: x}}]",
        "rules: {enable: x}",
        "file_output: {enabled: true}",
        "http_output: {enabled: true, url: ''}",
        "output_timeout: -1",
        "output_timeout: soon",
        "append_output: [{extra_fields: [{a: x, b: y}]}]",
        "append_output: [text]",
        "plugins: [{library_path: x}]",
        "load_plugins: [nobody]",
        "outputs: text",
        "config_files: [{strategy: append}]",
        "config_files: [falco.yaml]",
    ],
)
def test_what_is_wrong(make: Make, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        make(text)


def test_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "here")
    monkeypatch.delenv("NOWHERE", raising=False)
    text = "static_fields: {a: 'x${WHERE}y', b: '${NOWHERE}', c: '$${WHERE}'}"
    assert make(text).static_fields == {"a": "xherey", "b": "", "c": "${WHERE}"}


def test_further_files(tmp_path: Path, make: Make) -> None:
    more = tmp_path / "conf.d"
    more.mkdir()
    (more / "2.yaml").write_text("rules_files: [c]\npriority: error\noutputs: {rate: 1}")
    (more / "1.yaml").write_text("rules_files: [b]\npriority: info")
    (more / "ignored.txt").write_text("priority: [")
    main = f"config_files: [{more}, {tmp_path}/missing.yaml]\nrules_files: [a]\noutputs: {{max_burst: 5}}"
    config = make(main)
    assert config.rules_files == ("a", "b", "c")
    assert (config.priority, config.rate, config.max_burst) == (Priority.ERROR, 1, 1000)


@pytest.mark.parametrize(
    ("strategy", "expected"), [("append", ("a", "b")), ("odd", ("a", "b")), ("override", ("b",)), ("add-only", ("a",))]
)
def test_strategies(tmp_path: Path, make: Make, strategy: str, expected: tuple[str, ...]) -> None:
    (tmp_path / "more.yaml").write_text("rules_files: [b]")
    entry = f"{{path: {tmp_path}/more.yaml, strategy: {strategy}}}"
    assert make(f"config_files: [{entry}]\nrules_files: [a]").rules_files == expected


def test_further_files_may_not_nest(tmp_path: Path, make: Make) -> None:
    (tmp_path / "more.yaml").write_text("config_files: []")
    with pytest.raises(InputError, match="main file only"):
        make(f"config_files: [{tmp_path}/more.yaml]")


def test_overrides(tmp_path: Path, make: Make) -> None:
    (tmp_path / "more.yaml").write_text("priority: error")
    config = make(
        "rules_files: [a]",
        "config_files={a: 1}".replace("{a: 1}", f"[{tmp_path}/more.yaml]"),
        "rules_files[]=b",
        "rules[].disable.rule=X",
        "rules[].enable.tag=t",
        "static_fields={a: 1, b: x y}",
        "stdout_output.enabled=true",
    )
    assert config.rules_files == ("a", "b")
    assert config.selections == (Selection(enable=False, pattern="X"), Selection(enable=True, tag="t"))
    assert config.static_fields == {"a": "1", "b": "x y"}
    assert (config.priority, config.outputs.stdout) == (Priority.ERROR, True)


@pytest.mark.parametrize("override", ["priority", "=x", "a..b=1", "a[x]=1", "a.=", "rules_files.x=1", "priority[0]=1"])
def test_overrides_that_are_none(make: Make, override: str) -> None:
    if override == "a.=":
        make("", override)  # an empty text under a key is harmless
        return
    with pytest.raises(InputError):
        make("rules_files: [a]\npriority: info", override)


def test_paths_of_settings() -> None:
    settings: dict[str, object] = {}
    set_value(settings, r"a\.b.c[1].d", "x")
    assert settings == {"a.b": {"c": [None, {"d": "x"}]}}
    with pytest.raises(InputError):
        set_value(settings, "l[99999]", "x")


@given(st.text(max_size=30))
def test_any_override_is_taken_or_refused(text: str) -> None:
    settings: dict[str, object] = {}
    try:
        set_value(settings, *split_override(text))
    except InputError:
        return
    assert settings


def test_plugins(make: Make) -> None:
    config = make(
        """
        load_plugins: [json, cloudtrail]
        plugins:
          - {name: cloudtrail, library_path: libcloudtrail.so, init_config: {b: 1, a: [x, 2, true, ~, 1.5, "3"]}}
          - {name: json, library_path: libjson.so, init_config: "", open_params: " x "}
          - {name: other}
        """
    )
    assert config.plugins == (
        PluginSettings("json", "", "x", "libjson.so"),
        PluginSettings("cloudtrail", '{"a":["x",2,true,null,1.5,"3"],"b":1}', "", "libcloudtrail.so"),
    )
    assert make("plugins: [{name: json}]").plugins == (PluginSettings("json"),)
    assert make("plugins: [{name: json}]\nload_plugins: []").plugins == ()


def test_hosts_of_configured_plugins() -> None:
    host = configured_host([PluginSettings("json"), PluginSettings("cloudtrail", "{}")])
    assert [plugin.info.name for plugin in host.plugins] == ["json", "cloudtrail"]
    with pytest.raises(PluginError):
        configured_host([PluginSettings("nobody")])
    for text in ("[]", "{"):
        with pytest.raises(InputError):
            configured_host([PluginSettings("json", text)])


def test_alias_bombs_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="too large"):
        read_settings(str(path))


def test_scalars_as_json_has_them() -> None:
    text = "{a: 1, b: -2, c: 1.5, d: true, e: 'true', f: '1', g: x, h: ~, i: FALSE}"
    _, value = split_override(f"x={text}")
    assert typed(value) == {
        "a": 1, "b": -2, "c": 1.5, "d": True, "e": "true", "f": "1", "g": "x", "h": None, "i": False,
    }  # fmt: skip
