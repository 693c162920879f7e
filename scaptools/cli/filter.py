"""``scap filter``: the events that match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.choice import Choice, choice_options
from scaptools.cli.distribution import FilterJob, cluster_options, filter_on_cluster
from scaptools.cli.following import follow_option
from scaptools.cli.foregone import is_foregone
from scaptools.cli.options import capture_argument, captures, compression_option, strict_option
from scaptools.cli.plugin_host import plugin_options
from scaptools.cli.printing import PrintOptions, print_options
from scaptools.cli.rotation import rotation_limits, rotation_options
from scaptools.cli.selection import count_matches, explain, print_matches
from scaptools.errors import ExitStatus

if TYPE_CHECKING:
    from scaptools.plugins.host import PluginHost


@click.command("filter", short_help="Print, count or write the events that match.")
@click.argument("expression")
@capture_argument
@click.option("-w", "--write", "output", metavar="OUT", help="Write a capture of the events instead of printing them.")
@click.option("--minimal", is_flag=True, help="With -w: without the events that keep the state up to date.")
@click.option(
    "--sanitize",
    "sanitized",
    is_flag=True,
    help="With -w: without the processes, environments, descriptors, users and buffers the filter does not need.",
)
@click.option("-c", "--count", "counting", is_flag=True, help="Print only how many events match.")
@click.option("--explain-plan", "explaining", is_flag=True, help="Print how the filter is evaluated, and nothing else.")
@click.option("--exit-code", "by_status", is_flag=True, help="End with status 1 where nothing matches.")
@follow_option
@compression_option
@rotation_options
@print_options
@choice_options
@plugin_options
@cluster_options
@strict_option
def command(
    expression: str,
    files: tuple[str, ...],
    read: tuple[str, ...],
    output: str | None,
    minimal: bool,
    sanitized: bool,
    counting: bool,
    explaining: bool,
    by_status: bool,
    follow: bool,
    compression: Any,
    max_size: float | None,
    max_seconds: float | None,
    max_events: int | None,
    max_files: int | None,
    limit: int | None,
    skip: int,
    numbers: tuple[int, int] | None,
    after: Any,
    before: Any,
    internal: bool,
    strict: bool,
    host: PluginHost | None,
    workers: int | None,
    scheduler: str | None,
    **printing: Any,
) -> int:
    """Print the events that match EXPRESSION, a filter in the language of Falco and sysdig.

    With -w the events go into a capture, together with earlier ones that changed what is known about their processes
    and descriptors; those are marked, so that nobody shows them.

    \b
    Examples:
      scap filter 'evt.type=open and evt.dir=<' host.scap
      scap filter 'ct.region=us-east-1 and ct.name=ConsoleLogin' trail.scap -w logins.scap
      scap filter -c 'ct.error exists' trail.scap
      scap filter 'proc.name=nginx' --after +60s --sanitize -w part.scap host.scap
      scap filter 'evt.type=execve' -w part.scap -C 100 host.scap
    """
    if explaining:
        return explain(expression, host)
    limits = rotation_limits(max_size, max_seconds, max_events, max_files)
    choice = Choice(limit, skip, numbers, after, before, internal)
    if workers is not None or scheduler is not None:
        if output is not None or host is not None or choice != Choice(None, 0, None, None, None, internal):
            raise click.UsageError("A cluster prints or counts what matches; it takes no -w, no plugins and no choice.")
        return filter_on_cluster(
            FilterJob(expression, PrintOptions(**printing), internal, counting),
            captures(files, read),
            scheduler=scheduler,
            workers=workers,
            strict=strict,
            by_status=by_status,
        )
    ending: dict[str, Any] = {"strict": strict, "by_status": by_status, "host": host}
    if output is not None:
        from scaptools.cli.subset import Target, write_matches

        if follow:
            raise click.UsageError("-w reads captures several times, which cannot be done with --follow.")
        target = Target(output, compression, limits)
        return write_matches(
            expression, captures(files, read), choice, target, minimal=minimal, sanitized=sanitized, **ending
        )
    if minimal or sanitized or limits is not None:
        raise click.UsageError("--minimal, --sanitize, -C, -G and --max-events are about what -w writes.")
    ending["follow"] = follow
    options = PrintOptions(**printing)
    if (counting or options.is_plain) and not follow and is_foregone(expression, captures(files, read)):
        if counting:
            click.echo(0)
        return ExitStatus.FOUND if by_status else ExitStatus.DONE
    if counting:
        return count_matches(expression, files, read, choice, **ending)
    return print_matches(expression, files, read, choice, options, **ending)
