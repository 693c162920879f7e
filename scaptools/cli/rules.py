"""``scap rules``: Falco rules checked, listed, run over captures, explained and tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from scaptools.cli.distribution import cluster_options
from scaptools.cli.listing import Form, show_rows
from scaptools.cli.options import captures, listing_option, strict_option
from scaptools.errors import ExitStatus, InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scaptools.rules.config import Config
    from scaptools.rules.issues import Issue
    from scaptools.rules.ruleset import LoadResult, RuleSet


def _show_engine(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from scaptools.rules.versions import ENGINE_VERSION, FALCO_VERSION

        click.echo(f"{ENGINE_VERSION} (Falco {FALCO_VERSION})")
        ctx.exit()


@click.group("rules", short_help="Check, list, run, explain and test Falco rules.")
@click.option(
    "--engine-version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_engine,
    help="Show which version of Falco's rules engine this one behaves like.",
)
def command() -> None:
    """Check, list, run, explain and test Falco rules.

    RULES is a rules file, a directory of them, or the name of rules that come with the program: cloudtrail.
    """


def rules_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``-R`` and ``--config``: where rules and settings come from."""
    function = click.option(
        "-R", "--rules", "rules", multiple=True, metavar="RULES", help="Rules to load; may be given several times."
    )(function)
    function = click.option("--config", "config", metavar="FALCO_YAML", help="Take settings from a falco.yaml.")(
        function
    )
    return click.option(
        "-o", "--option", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a key of falco.yaml."
    )(function)


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """How rules are matched, and with which events."""
    function = click.option(
        "--all", "all_matches", is_flag=True, help="Report every rule that matches an event, not only the first."
    )(function)
    function = click.option(
        "--raw-events", is_flag=True, help="Take events as recorded, not as current Falco sees them."
    )(function)
    function = click.option(
        "--enable", multiple=True, metavar="PATTERN", help="Enable the rules whose names match; * stands for anything."
    )(function)
    return click.option("--disable", multiple=True, metavar="PATTERN", help="Disable the rules whose names match.")(
        function
    )


@command.command("lint")
@click.argument("files", nargs=-1, metavar="RULES...")
@rules_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "falco"]),
    default="text",
    help="text for people; json and falco as Falco's validation prints it; sarif for code review.",
)
@click.option("--strict", is_flag=True, help="Let warnings count as errors.")
def lint(
    files: tuple[str, ...],
    rules: tuple[str, ...],
    config: str | None,
    overrides: tuple[str, ...],
    form: str,
    strict: bool,
) -> int:
    """Check rules files, loaded one after the other. The status is 1 where one is wrong.

    \b
    Examples:
      scap rules lint falco_rules.yaml local_rules.yaml
      scap rules lint --format sarif rules.d > rules.sarif
    """
    from scaptools.rules.library import rules_paths

    settings = _config(config, overrides)
    rule_set = _rule_set(settings)
    for path in rules_paths([*settings.rules_files, *rules, *files] or _nothing_named()):
        if not rule_set.load_file(path).successful:
            break
    show = {"text": _lint_text, "falco": _lint_falco, "json": _lint_json, "sarif": _lint_sarif}[form]
    show(rule_set.results)
    wrong = any(result.errors or (strict and result.issues) for result in rule_set.results)
    return ExitStatus.FOUND if wrong else ExitStatus.DONE


def _lint_text(results: Sequence[LoadResult]) -> None:
    for result in results:
        for issue in result.issues:
            _show_issue(issue)
    errors = sum(len(result.errors) for result in results)
    warnings = sum(len(result.warnings) for result in results)
    click.echo(f"{len(results)} files, {errors} errors, {warnings} warnings", err=True)


def _show_issue(issue: Issue) -> None:
    mark = issue.context.file_mark
    kind, name = issue.context.item
    level = "error" if issue.code.is_error else "warning"
    where = f" in {kind} '{name}'" if name else ""
    hint = f"; {issue.hint}" if issue.hint else ""
    click.echo(
        f"{issue.context.file}:{mark.line + 1}:{mark.column + 1}: {level}{where}: "
        f"{issue.message}{hint} [{issue.code.name}]"
    )
    for line in issue.context.snippet().splitlines():
        click.echo(f"    {line}")


def _lint_falco(results: Sequence[LoadResult]) -> None:
    for result in results:
        click.echo(result.summary())
        for issues, what in ((result.errors, "Errors"), (result.warnings, "Warnings")):
            if issues and not (what == "Warnings" and result.errors):
                click.echo(f"{len(issues)} {what}:")
                for issue in issues:
                    click.echo(issue.falco_text())


def _lint_json(results: Sequence[LoadResult]) -> None:
    loaded = [result.to_json() for result in results]
    click.echo(json.dumps({"falco_load_results": loaded}, ensure_ascii=False, separators=(",", ":")))


def _lint_sarif(results: Sequence[LoadResult]) -> None:
    from scaptools.rules.sarif import sarif

    click.echo(json.dumps(sarif(results), ensure_ascii=False, indent=2))


@command.command("list")
@click.argument("files", nargs=-1, metavar="RULES...")
@rules_option
@click.option("--compiled", is_flag=True, help="Show conditions as compiled: lists, macros and exceptions put in.")
@listing_option
def list_rules(
    files: tuple[str, ...],
    rules: tuple[str, ...],
    config: str | None,
    overrides: tuple[str, ...],
    compiled: bool,
    listing: Form,
) -> None:
    """List the rules of files in the order they are tried.

    \b
    Examples:
      scap rules list cloudtrail
      scap rules list --json --compiled falco_rules.yaml
    """
    settings = _config(config, overrides)
    rule_set = load_rules(settings, [*rules, *files])
    active = {id(rule) for rule in rule_set.active(settings.selections)}
    if listing == "json":
        for rule in rule_set.rules:
            record: dict[str, Any] = {
                "rule": rule.name,
                "enabled": id(rule) in active,
                "priority": rule.priority.label,
                "source": rule.source,
                "tags": list(rule.tags),
                "description": rule.definition.description,
                "condition": str(rule.condition.expression) if compiled else rule.definition.condition,
                "output": rule.output.text,
            }
            click.echo(json.dumps(record, ensure_ascii=False))
        return
    rows = [
        (
            rule.name,
            "" if id(rule) in active else "off",
            rule.priority.label,
            rule.source,
            " ".join(rule.tags),
            str(rule.condition.expression) if compiled else rule.definition.description,
        )
        for rule in rule_set.rules
    ]
    show_rows(
        rows, ("rule", "", "priority", "source", "tags", "condition" if compiled else "what it is about"), listing
    )


@command.command("run")
@click.argument("files", nargs=-1, metavar="[RULES] FILE...")
@click.option("-r", "--read", "read", multiple=True, metavar="FILE", help="A capture to read.")
@rules_option
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Alerts as JSON objects.")
@click.option("--iso-time", is_flag=True, help="Times in UTC as ISO 8601 has it.")
@click.option("--priority", metavar="PRIORITY", help="Leave out rules less severe than this.")
@click.option("--file", "file_output", metavar="FILE", help="Append alerts to a file.")
@click.option("--program", metavar="COMMAND", help="Give alerts to a shell command.")
@click.option("--http", "url", metavar="URL", help="Post alerts to a URL.")
@click.option("--syslog", metavar="ADDRESS", help="Send alerts to unix:PATH, udp://HOST or tcp://HOST.")
@click.option("--undelivered", metavar="FILE", help="Append alerts that an output did not take to a file.")
@click.option(
    "--patience", type=click.FloatRange(0), default=60.0, metavar="SECONDS", help="How long an output may be down."
)
@click.option(
    "--capture", "capture_prefix", metavar="PREFIX", help="Write the events after alerts of rules with capture: true."
)
@click.option("-q", "--quiet", is_flag=True, help="No alerts on standard output, and no summary.")
@click.option("--exit-code", "by_status", is_flag=True, help="End with status 1 where there was an alert.")
@cluster_options
@strict_option
def run(
    files: tuple[str, ...],
    read: tuple[str, ...],
    rules: tuple[str, ...],
    config: str | None,
    overrides: tuple[str, ...],
    **options: Any,
) -> int:
    """Evaluate rules over captures and print Falco's alerts.

    Without -R and --config the first argument is the rules.

    \b
    Examples:
      scap rules run cloudtrail trail.scap
      scap rules run -R falco_rules.yaml -R local.yaml host.scap --json
      scap rules run cloudtrail trail.scap --http http://127.0.0.1:2801/
      scap rules run --config falco.yaml -o rule_matching=all trail.scap
    """
    from scaptools.cli.rulesrun import RunOptions, run_rules

    settings = _config(config, [*overrides, *_as_overrides(options)])
    names, inputs = [*settings.rules_files, *rules], list(files)
    if rules:
        names = list(rules)
    elif not names and inputs:
        names = [inputs.pop(0)]
    if not inputs and not read and settings.capture is not None:
        inputs = [settings.capture]
    if config is not None and not (settings.outputs.enabled or settings.event_capture or options["quiet"]):
        raise InputError("enables no output", path=config, hint="-o stdout_output.enabled=true enables one")
    if settings.event_capture and (options["workers"], options["scheduler"]) != (None, None):
        raise click.UsageError("Events after alerts are captured in one process only, without a cluster.")
    rule_set = load_rules(settings, names)
    return run_rules(
        rule_set,
        settings,
        captures(tuple(inputs), read),
        RunOptions(
            selections=_selections(options),
            raw_events=options["raw_events"],
            undelivered=options["undelivered"],
            patience=options["patience"],
            quiet=options["quiet"],
            stdout=not options["quiet"] and (settings.outputs.stdout or config is None),
            strict=options["strict"],
            by_status=options["by_status"],
            workers=options["workers"],
            scheduler=options["scheduler"],
            names=tuple(names),
        ),
    )


@command.command("explain")
@click.argument("files", nargs=-1, metavar="[RULES] FILE")
@rules_option
@engine_options
@click.option("--rule", "wanted", multiple=True, metavar="NAME", help="Only this rule.")
@click.option("-n", "--event", "number", type=click.IntRange(1), required=True, help="The event, by its evt.num.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each rule.")
def explain_event(
    files: tuple[str, ...],
    rules: tuple[str, ...],
    config: str | None,
    overrides: tuple[str, ...],
    all_matches: bool,
    raw_events: bool,
    enable: tuple[str, ...],
    disable: tuple[str, ...],
    wanted: tuple[str, ...],
    number: int,
    as_json: bool,
) -> int:
    """Say for one event which parts of rules' conditions hold, and with which values.

    \b
    Examples:
      scap rules explain cloudtrail trail.scap -n 17
      scap rules explain cloudtrail trail.scap -n 17 --rule 'Console Login Without MFA'
    """
    from scaptools.cli.rulesrun import explain_rules

    settings = _config(config, [*overrides, *(["rule_matching=all"] if all_matches else [])])
    inputs = list(files)
    names = list(rules or settings.rules_files) or [inputs.pop(0) if inputs else ""]
    if len(inputs) != 1:
        raise click.UsageError("Name one capture.")
    rule_set = load_rules(settings, names)
    selections = _selections({"enable": enable, "disable": disable})
    return explain_rules(
        rule_set, settings, inputs[0], selections, wanted, number, raw_events=raw_events, as_json=as_json
    )


@command.command("test")
@click.argument("files", nargs=-1, required=True, metavar="TESTS...")
@click.option("--junit", "report", metavar="FILE", help="Write a JUnit report.")
@click.option("-k", "--only", "part", default="", metavar="TEXT", help="Only tests with this text in their name.")
def test_rules(files: tuple[str, ...], report: str | None, part: str) -> int:
    """Run test cases of rules. The status is 1 where one fails.

    A file of tests names rules, captures or events, and the alerts they must lead to:

    \b
      rules: [cloudtrail]
      tests:
        - name: login without a second factor
          events:
            - {eventName: ConsoleLogin, awsRegion: us-east-1, ...}
          expect:
            - {rule: Console Login Without MFA, output: user=bob}
        - name: nothing to see
          capture: quiet.scap
          expect: []
    """
    from scaptools.fields.catalog import Catalog
    from scaptools.rules.cases import read_cases, run_case
    from scaptools.rules.junit import junit

    catalog = Catalog()
    results = []
    for file in files:
        for case in read_cases(file):
            if part not in case.name:
                continue
            result = run_case(case, file, catalog)
            results.append(result)
            click.echo(f"{'ok  ' if result.passed else 'FAIL'} {file}: {case.name}")
            for line in (result.error or result.failure).splitlines():
                click.echo(f"     {line}")
    if report is not None:
        try:
            Path(report).write_bytes(junit(results))
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", path=report) from error
    failed = sum(not result.passed for result in results)
    click.echo(f"{len(results)} tests, {failed} failed", err=True)
    return ExitStatus.FOUND if failed or not results else ExitStatus.DONE


def _nothing_named() -> NoReturn:
    raise click.UsageError("Name rules: a file, a directory, or rules that come with the program (cloudtrail).")


def _config(path: str | None, overrides: Iterable[str]) -> Config:
    from scaptools.rules.config import load_config, parse_config
    from scaptools.rules.settings import set_value, split_override

    if path is not None:
        return load_config(path, overrides)
    settings: dict[str, Any] = {}
    for override in overrides:
        set_value(settings, *split_override(override))
    return parse_config(settings)


def _as_overrides(options: dict[str, Any]) -> list[str]:
    """Options that are short for keys of the configuration."""
    found = []
    if options["all_matches"]:
        found.append("rule_matching=all")
    if options["as_json"]:
        found.append("json_output=true")
    if options["iso_time"]:
        found.append("time_format_iso_8601=true")
    if options["priority"] is not None:
        found.append(f"priority={options['priority']}")
    if options["capture_prefix"] is not None:
        found += ["capture.enabled=true", f"capture.path_prefix={options['capture_prefix']}"]
    targets = {
        "file_output": ("filename", options["file_output"]),
        "program_output": ("program", options["program"]),
        "http_output": ("url", options["url"]),
        "syslog_output": ("address", options["syslog"]),
    }
    for output, (key, value) in targets.items():
        if value is not None:
            found += [f"{output}.enabled=true", f"{output}.{key}={value}"]
    return found


def _selections(options: dict[str, Any]) -> tuple[Any, ...]:
    from scaptools.rules.selection import Selection

    return (
        *(Selection(enable=False, pattern=name) for name in options["disable"]),
        *(Selection(enable=True, pattern=name) for name in options["enable"]),
    )


def _rule_set(settings: Config) -> RuleSet:
    from scaptools.fields.catalog import Catalog
    from scaptools.rules.plugins import configured_host
    from scaptools.rules.ruleset import RuleSet

    host = None if settings.plugins is None else configured_host(settings.plugins)
    return RuleSet(
        Catalog(host), minimum=settings.priority, appended=settings.appended, static_fields=settings.static_fields
    )


def load_rules(settings: Config, names: list[str]) -> RuleSet:
    """The rules of some files; warnings are left to ``lint``."""
    from scaptools.rules.library import rules_paths
    from scaptools.rules.ruleset import RulesError

    rule_set = _rule_set(settings)
    for path in rules_paths([name for name in names if name] or _nothing_named()):
        result = rule_set.load_file(path)
        if not result.successful:
            raise RulesError(result)
    return rule_set
