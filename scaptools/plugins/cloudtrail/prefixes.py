"""Which objects of a bucket are log files to read: the listings to make, and which of the keys count.

AWS writes ``[PREFIX/]AWSLogs/[o-ID/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/NAME``. What is asked for is listed region by
region, from the first day of the window on; what has no such form is listed as it stands.

The plugin of that name in version 0.17.1 does so too, but plainly not as meant in some cases. `official_plan` repeats
them, `plan` does not:

==================================================  ==============================  ==================================
what is asked for                                   0.17.1                          here
==================================================  ==============================  ==================================
``AWSLogs/`` or an account at the bucket's root     all below it, also digests and  log files only, interval and
                                                    insights; interval and account  account list apply
                                                    list have no effect
``AWSLogs/`` above an organisation's folder         likewise                        the organisation's accounts
accounts none of which has logs                     all of them, without a window   nothing
a region's folder, a day's, or any other prefix     without a window, and with      the window and the accounts apply
                                                    every account                   to the objects' names
``.../CloudTrail`` without a slash                  ``CloudTrail-Digest`` as well   log files only
an account twice in the list                        its events twice                once
more than 1000 regions, or a listing of them fails  some are left out               none are, and the failure counts
==================================================  ==============================  ==================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.files import is_log_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaptools.plugins.cloudtrail.interval import Window

_ORGANISATION: Final = r"o-[a-z0-9]{10,32}"
_ACCOUNT: Final = r"[0-9]{12}"
#: Ends of prefixes, without a last slash.
_TRUNK: Final = re.compile(rf"(?:.*/)?AWSLogs(/{_ORGANISATION})?", re.DOTALL)
_OWNED: Final = re.compile(rf"(?:.*/)?AWSLogs(?:/{_ORGANISATION})?/({_ACCOUNT})", re.DOTALL)
_REGION: Final = re.compile(rf"{_OWNED.pattern}/CloudTrail/[^/]+/", re.DOTALL)
#: Whose log file a key is.
_OWNER: Final = re.compile(rf"(?:^|/)AWSLogs/(?:{_ORGANISATION}/)?({_ACCOUNT})/")
_LOGS: Final = "CloudTrail"
#: The first two as version 0.17.1 has them: something must precede AWSLogs.
_OFFICIAL_TRUNK: Final = re.compile(rf".*/AWSLogs(?:/{_ORGANISATION})?", re.DOTALL)
_OFFICIAL_OWNED: Final = re.compile(rf"{_OFFICIAL_TRUNK.pattern}/{_ACCOUNT}", re.DOTALL)


class Folders(Protocol):
    """Lists the folders right below each of some prefixes, in order."""

    def __call__(self, prefixes: Sequence[str]) -> list[list[str]]:
        """One list for each of ``prefixes``. Raises PluginError."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Listings, each a prefix and the key it starts behind, and what a key must be like to count."""

    listings: tuple[tuple[str, str], ...]
    window: Window | None = None
    accounts: frozenset[str] = frozenset()

    def takes(self, key: str) -> bool:
        """Whether a key counts."""
        if not is_log_name(key) or not (self.window is None or self.window.holds(key)):
            return False
        owner = _OWNER.search(key) if self.accounts else None
        return owner is None or owner[1] in self.accounts


def parse_accounts(text: str, *, plugin: str) -> tuple[str, ...]:
    """Read a list of accounts, empty for all. Raises PluginError."""
    accounts = [part.strip(" ") for part in text.removesuffix(",").split(",")] if text else []
    if not all(re.fullmatch(_ACCOUNT, account) for account in accounts):
        raise PluginError(
            f'invalid account list: "{text}"', plugin=plugin, hint="give accounts of 12 digits joined by commas"
        )
    return tuple(accounts)


def plan(prefix: str, accounts: Sequence[str], window: Window | None, folders: Folders) -> Plan:
    """What to list for ``prefix``. Raises what ``folders`` raises."""
    bare = prefix.removesuffix("/")
    trunk = _TRUNK.fullmatch(bare)
    if trunk is not None:
        regions = _regions_below(f"{bare}/", tuple(dict.fromkeys(accounts)), folders, organised=trunk[1] is not None)
    elif _OWNED.fullmatch(bare.removesuffix(f"/{_LOGS}")):
        regions = _flat(folders([f"{bare.removesuffix(f'/{_LOGS}')}/{_LOGS}/"]))
    elif _REGION.fullmatch(prefix):
        regions = [prefix]
    else:
        return Plan(((prefix, ""),), window, frozenset() if _OWNER.search(prefix) else frozenset(accounts))
    if not regions and not (trunk is not None and accounts):
        return Plan(((prefix, ""),), window)
    return _plan_of(regions, window)


def _regions_below(trunk: str, accounts: Sequence[str], folders: Folders, *, organised: bool) -> list[str]:
    """The regions' folders of the accounts, all of them unless some are named, below AWSLogs or an organisation."""
    if not accounts:
        below = _flat(folders([trunk]))
        organisations = [folder for folder in below if re.fullmatch(rf"{_ORGANISATION}/", folder[len(trunk) :])]
        below += _flat(folders([] if organised else organisations))
        return _flat(folders([f"{folder}{_LOGS}/" for folder in below if _OWNED.fullmatch(folder.removesuffix("/"))]))
    found = dict(zip(accounts, folders([f"{trunk}{account}/{_LOGS}/" for account in accounts]), strict=True))
    elsewhere = [account for account, regions in found.items() if not regions]
    if elsewhere and not organised:
        below = _flat(folders([trunk]))
        organisations = [folder for folder in below if re.fullmatch(rf"{_ORGANISATION}/", folder[len(trunk) :])]
        for organisation in organisations:
            bases = [f"{organisation}{account}/{_LOGS}/" for account in elsewhere]
            for account, regions in zip(elsewhere, folders(bases), strict=True):
                found[account] += regions
    return _flat(found.values())


def official_plan(
    prefix: str, accounts: Sequence[str], window: Window | None, folders: Folders, first_folders: Folders
) -> Plan:
    """What version 0.17.1 lists; ``first_folders`` lists one page and passes over failures."""
    bare = prefix.removesuffix("/")
    if _OFFICIAL_OWNED.fullmatch(bare):
        owned = [f"{bare}/"]
    elif not _OFFICIAL_TRUNK.fullmatch(bare):
        owned = []
    elif accounts:
        owned = [f"{bare}/{account}/" for account in accounts]
    else:
        below = _flat(folders([f"{bare}/"]))
        owned = [folder for folder in below if _OFFICIAL_OWNED.fullmatch(folder.removesuffix("/"))]
    bases = [f"{folder}{_LOGS}/" for folder in owned]
    if not bases and prefix.endswith(f"/{_LOGS}/"):
        bases = [prefix]
    regions = _flat(first_folders(bases))
    return _plan_of(regions, window) if regions else Plan(((prefix, ""),))


def _plan_of(regions: Sequence[str], window: Window | None) -> Plan:
    return Plan(tuple((region, f"{region}{window.first_day}" if window else "") for region in regions), window)


def _flat(lists: Iterable[list[str]]) -> list[str]:
    return [item for items in lists for item in items]
