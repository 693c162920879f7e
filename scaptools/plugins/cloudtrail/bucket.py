"""A bucket as a place of log files: listed once when it is opened, then read in the order of the listings."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.ahead import in_order
from scaptools.plugins.cloudtrail.aws import AwsAccess
from scaptools.plugins.cloudtrail.files import LogFiles
from scaptools.plugins.cloudtrail.interval import parse_window
from scaptools.plugins.cloudtrail.prefixes import Plan, official_plan, parse_accounts, plan
from scaptools.plugins.cloudtrail.storage import Place, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaptools.plugins.cloudtrail.config import Config
    from scaptools.plugins.cloudtrail.files import LogFile

BUCKET_SCHEME: Final = "s3://"
#: Most threads; a larger concurrency gets as many.
_MOST_THREADS: Final = 256
#: Objects that may be fetched ahead per thread, so that one that has to be tried again holds up few others.
_AHEAD: Final = 4


def threads_of(config: Config, *, plugin: str) -> int:
    """How many requests may run at a time. Raises PluginError where that is none."""
    if config.download_concurrency < 1:
        raise PluginError(f'invalid S3DownloadConcurrency: "{config.download_concurrency}"', plugin=plugin)
    return min(config.download_concurrency, _MOST_THREADS)


class BucketFiles(LogFiles):
    """The log files of a bucket that ``s3://BUCKET/PREFIX`` and the configuration ask for."""

    def __init__(self, params: str, config: Config, *, plugin: str) -> None:
        """Lists the objects, reads none; none may be there. Raises PluginError."""
        bucket, _, prefix = params.removeprefix(BUCKET_SCHEME).partition("/")
        if not bucket:
            raise PluginError(f"{params} names no bucket", plugin=plugin, hint="give s3://BUCKET/PREFIX")
        self._threads = threads_of(config, plugin=plugin)
        window = parse_window(config.interval, plugin=plugin)
        accounts = parse_accounts(config.accounts, plugin=plugin)
        access = AwsAccess(config.aws, connections=self._threads, plugin=plugin)
        self._bucket = bucket
        self._storage = Storage(access, plugin=plugin)
        self._closed = False
        if config.official_quirks:
            chosen = official_plan(prefix, accounts, window, self._folders, self._first_folders)
        else:
            chosen = plan(prefix, accounts, window, self._folders)
        self._places = self._listed(chosen)

    def _folders(self, prefixes: Sequence[str]) -> list[list[str]]:
        return list(in_order(partial(self._storage.folders, self._bucket), prefixes, threads=self._threads))

    def _first_folders(self, prefixes: Sequence[str]) -> list[list[str]]:
        def listed(prefix: str) -> list[str]:
            try:
                return self._storage.folders(self._bucket, prefix, first_page=True)
            except PluginError:
                return []

        return list(in_order(listed, prefixes, threads=self._threads))

    def _listed(self, chosen: Plan) -> list[Place]:
        def listed(listing: tuple[str, str]) -> list[Place]:
            places = self._storage.objects(self._bucket, *listing)
            return [place for place in places if chosen.takes(place.key)]

        parts = in_order(listed, chosen.listings, threads=self._threads)
        return [place for places in parts for place in places]

    @property
    def known(self) -> int:
        """Objects found when the source was opened."""
        return len(self._places)

    def __iter__(self) -> Iterator[LogFile]:
        """The objects, some of them fetched ahead. Raises PluginError where one cannot be read, behind those before."""
        files = in_order(
            self._storage.read,
            self._places,
            threads=self._threads,
            ahead=self._threads * _AHEAD,
            weight=lambda place: place.size,
        )
        with closing(files):
            for file in files:
                if self._closed:
                    return
                self.opened += 1
                yield file

    def close(self) -> None:
        """Fetch nothing more."""
        self._closed = True
        self._storage.close()
