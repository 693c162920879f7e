from __future__ import annotations

import gzip
import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

import scaptools

pytest.importorskip("distributed")
Run = Callable[..., Result]
RULES = """
- rule: opened
  desc: a file was opened for reading by a shell
  condition: evt.type in (open, openat) and fd.num >= 0
  output: "%evt.num %proc.name opened %fd.name"
  priority: WARNING
"""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    import distributed

    # pytest compiles what is imported by way of syntax trees, which Python 3.11 cannot do in two threads at a time; so
    # everything is there before the cluster has some.
    for module in pkgutil.walk_packages(scaptools.__path__, "scaptools."):
        if module.name.startswith(("scaptools.fields", "scaptools.output", "scaptools.filter", "scaptools.rules")):
            importlib.import_module(module.name)
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=60
        ) as cluster,
    ):
        warnings.simplefilter("ignore")
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """A capture of several windows."""
    from scaptools import open_capture

    source = shared_data / "captures" / "run_as_user_0_container.scap"
    data = source.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    events = next(iter(open_capture(source).batches())).raw_blocks()
    path = tmp_path_factory.mktemp("captures") / "large.scap"
    path.write_bytes(data + events * (20_000_000 // len(events)))
    return path


@pytest.mark.parametrize(
    "words",
    [
        ("filter", "evt.type=open and evt.dir=<"),
        ("filter", "evt.type=open and fd.name startswith /etc", "--json", "--fields", "evt.num,fd.name,evt.latency"),
        ("filter", "-c", "proc.name exists and evt.type=close"),
        ("filter", "evt.type=execve", "--fields", "evt.num,evt.count"),
    ],
)
def test_a_cluster_filters_the_same(words: tuple[str, ...], large: Path, scheduler: str, run: Run) -> None:
    alone = run(*words, large)
    spread = run(*words, large, "--scheduler", scheduler)
    assert spread.stdout_bytes == alone.stdout_bytes
    assert len(alone.stdout_bytes.splitlines()) >= 1


def test_captures_come_in_their_order(scheduler: str, shared_data: Path, run: Run) -> None:
    words = ("filter", "evt.type=close", shared_data / "captures" / "s*.scap", shared_data / "captures" / "c*.scap")
    assert run(*words, "--scheduler", scheduler).stdout_bytes == run(*words).stdout_bytes


def test_a_cluster_finds_the_same_alerts(large: Path, scheduler: str, tmp_path: Path, run: Run) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    words = ("rules", "run", "-R", rules, large)
    alone = run(*words)
    spread = run(*words, "--scheduler", scheduler)
    assert spread.stdout_bytes == alone.stdout_bytes
    assert spread.stderr == alone.stderr
    assert b"opened" in alone.stdout_bytes


@pytest.mark.parametrize("words", [("-w", "x.scap"), ("-n", "5"), ("--skip", "1")])
def test_what_a_cluster_does_not_do(words: tuple[str, ...], large: Path) -> None:
    from click import UsageError
    from click.testing import CliRunner

    from scaptools.cli.main import cli

    with pytest.raises(UsageError, match="A cluster prints or counts"):
        CliRunner().invoke(
            cli,
            ["filter", "evt.type=open", str(large), "--workers", "2", *words],
            catch_exceptions=False,
            standalone_mode=False,
        )
