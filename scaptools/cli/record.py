"""``scap record``: the events of source plugins into a capture."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from scaptools.cli.options import compression_option
from scaptools.cli.plugin_host import build_loader, isolation_options, split_reference
from scaptools.cli.rotation import rotation_limits, rotation_options
from scaptools.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scaptools.capture.rotation import RotatingWriter
    from scaptools.capture.writer import CaptureWriter, Piece
    from scaptools.plugins.contract import SourcePlugin
    from scaptools.plugins.loading import Loader
    from scaptools.record import Recording

_PROGRESS_SECONDS = 2.0


@click.command("record", short_help="Record the events of source plugins into a capture.")
@click.argument("source", default="")
@click.argument("open_params", default="")
@click.option("-w", "--write", "output", required=True, metavar="OUT", help="The capture to write, - for stdout.")
@click.option("--init", "init", default="", metavar="JSON", help="Init configuration of the plugin.")
@click.option(
    "--and",
    "more",
    nargs=2,
    multiple=True,
    metavar="SOURCE[:INIT] OPEN_PARAMS",
    help="A further source, recorded at the same time.",
)
@click.option("--config", "plugin_config", metavar="FALCO_YAML", help="Record the sources of a Falco configuration.")
@isolation_options
@click.option("-n", "--limit", type=click.IntRange(1), help="Stop after so many events.")
@click.option("--duration", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Stop after so long.")
@rotation_options
@compression_option
def command(
    source: str,
    open_params: str,
    output: str,
    init: str,
    more: tuple[tuple[str, str], ...],
    plugin_config: str | None,
    in_process: bool,
    plugin_timeout: float,
    limit: int | None,
    duration: float | None,
    max_size: float | None,
    max_seconds: float | None,
    max_events: int | None,
    max_files: int | None,
    compression: Any,
) -> None:
    """Run SOURCE on OPEN_PARAMS and write its events to OUT.

    SOURCE is a plugin by name, or the path of a Falco plugin's shared library. Ctrl-C ends the recording cleanly.

    \b
    Examples:
      scap record cloudtrail AWSLogs/ -w trail.scap
      scap record cloudtrail trail.json.gz -n 100 -w first.scap
      scap record ./libdummy.so '{"start": 1}' --init '{"jitter": 10}' -w dummy.scap
      scap record --config /etc/falco/falco.yaml --duration 60 -w minute.scap
    """
    from scaptools.capture.writer import CaptureWriter
    from scaptools.record import record

    named = [(source, init, open_params)] if source else []
    named += [(*split_reference(reference), params) for reference, params in more]
    if not named and plugin_config is None:
        raise click.UsageError("Name a source plugin, or a configuration with --config.")
    sources = _sources(named, plugin_config, build_loader(in_process=in_process, plugin_timeout=plugin_timeout))
    progress = _Progress()
    interrupted = _interruption()
    limits = rotation_limits(max_size, max_seconds, max_events, max_files)

    def start() -> CaptureWriter | RotatingWriter:
        if limits is None:
            return CaptureWriter(output, compression=compression, atomic=False)
        from scaptools.capture.rotation import RotatingWriter

        return RotatingWriter(output, limits, compression=compression)

    with ExitStack() as stack:
        target = _LateTarget(stack, start)
        try:
            recording = record(
                sources,
                target,
                limit=limit,
                duration_s=duration,
                observe=progress.show,
                interrupted=interrupted,
            )
        finally:
            progress.clear()
    count = f"{recording.events} events, {recording.payload_bytes} bytes of payload"
    click.echo(f"{count} written to {target.writer.name}", err=True)


class _LateTarget:
    """A target that is made when recording begins: sources that cannot be opened leave files as they are."""

    def __init__(self, stack: ExitStack, start: Callable[[], CaptureWriter | RotatingWriter]) -> None:
        self._stack = stack
        self._start = start

    @cached_property
    def writer(self) -> CaptureWriter | RotatingWriter:
        """What is written to."""
        return self._stack.push(self._start())

    def section_header(self) -> None:
        """See `record.Target`."""
        self.writer.section_header()

    def write(self, pieces: Iterable[Piece]) -> None:
        """See `record.Target`."""
        self.writer.write(pieces)

    def flush(self) -> None:
        """See `record.Target`."""
        self.writer.flush()


def _interruption() -> threading.Event:
    """An event that the first interrupt or termination signal sets; a second one is not held back."""
    interrupted = threading.Event()

    def interrupt(number: int, _frame: Any) -> None:
        interrupted.set()
        signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    return interrupted


def _sources(
    named: Sequence[tuple[str, str, str]], plugin_config: str | None, loader: Loader
) -> list[tuple[SourcePlugin, str]]:
    from scaptools.plugins.contract import SourcePlugin
    from scaptools.plugins.host import PluginHost

    sources: list[tuple[SourcePlugin, str]] = []
    if plugin_config is not None:
        from scaptools.plugins.config import PluginConfig

        sources += PluginConfig.read(plugin_config).sources(loader)
    for reference, init, params in named:
        plugin = loader.load(reference, init)
        if not isinstance(plugin, SourcePlugin):
            raise PluginError("produces no events", plugin=reference, hint="name a source plugin; see 'scap plugins'")
        sources.append((plugin, params))
    # Two of them with the same name or id could not be told apart afterwards.
    PluginHost([plugin for plugin, _ in sources])
    return sources


class _Progress:
    """A counter on a terminal's last line, for recordings that take a while."""

    def __init__(self) -> None:
        self._started = self._shown = time.monotonic()
        self._visible = False

    def show(self, recording: Recording) -> None:
        """Show counts and rate, a few times a second at most."""
        now = time.monotonic()
        if (
            not sys.stderr.isatty()
            or now - self._shown < _PROGRESS_SECONDS / 10
            or now - self._started < _PROGRESS_SECONDS
        ):
            return
        self._shown = now
        self._visible = True
        rate = recording.events / (now - self._started)
        state = " ".join(text for _, text in recording.progress.values())
        click.echo(f"\r\x1b[K{recording.events} events, {rate:.0f}/s {state}", err=True, nl=False)

    def clear(self) -> None:
        """Wipe the line."""
        if self._visible:
            click.echo("\r\x1b[K", err=True, nl=False)
