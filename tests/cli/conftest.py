"""The command line run inside the test's process, which is much faster than starting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from scaptools.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run ``scap`` with the given words; anything but an ordinary ending is raised."""

    def run_(*words: object, **options: object) -> Result:
        arguments = [str(word) for word in words]
        return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False, obj={}, **options)  # type: ignore[arg-type]

    return run_
