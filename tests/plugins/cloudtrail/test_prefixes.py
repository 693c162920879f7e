from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail.interval import Window
from scaptools.plugins.cloudtrail.prefixes import Plan, official_plan, parse_accounts, plan

A, B, C = "111111111111", "222222222222", "333333333333"
ORG = "o-a1b2c3d4e5"
WINDOW = Window(datetime(2025, 3, 10, tzinfo=UTC), None)
KEYS = tuple(
    f"{root}AWSLogs/{owner}/{kind}/{region}/2025/03/10/x.json"
    for root in ("", "p/")
    for owner in (A, B, f"{ORG}/{A}", f"{ORG}/{C}")
    for kind in ("CloudTrail", "CloudTrail-Digest")
    for region in ("eu-west-1", "us-east-1")
)


def folders(prefixes: Sequence[str]) -> list[list[str]]:
    found = []
    for prefix in prefixes:
        below = [key[len(prefix) :] for key in KEYS if key.startswith(prefix)]
        found.append(sorted({f"{prefix}{rest.partition('/')[0]}/" for rest in below if "/" in rest}))
    return found


def listings(prefix: str, *accounts: str) -> list[str]:
    made = plan(prefix, accounts, None, folders)
    assert {start for _, start in made.listings} == {""} or not made.listings
    return [listed for listed, _ in made.listings]


def regions(*owners: str, root: str = "") -> list[str]:
    return [f"{root}AWSLogs/{owner}/CloudTrail/{region}/" for owner in owners for region in ("eu-west-1", "us-east-1")]


@pytest.mark.parametrize("root", ["", "p/"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_what_is_asked_for_is_listed_by_region(root: str, slash: str) -> None:
    everyone = regions(A, B, f"{ORG}/{A}", f"{ORG}/{C}", root=root)
    assert listings(f"{root}AWSLogs{slash}") == everyone
    assert listings(f"{root}AWSLogs/{A}{slash}") == regions(A, root=root)
    assert listings(f"{root}AWSLogs/{A}/CloudTrail{slash}") == regions(A, root=root)
    assert listings(f"{root}AWSLogs/{ORG}{slash}") == regions(f"{ORG}/{A}", f"{ORG}/{C}", root=root)
    assert listings(f"{root}AWSLogs/{ORG}{slash}", C) == regions(f"{ORG}/{C}", root=root)
    assert listings(f"{root}AWSLogs{slash}", B, B) == regions(B, root=root)
    # An account without a folder of its own is looked for in the organisation.
    assert listings(f"{root}AWSLogs{slash}", C, A) == regions(f"{ORG}/{C}", A, root=root)
    assert listings(f"{root}AWSLogs{slash}", "444444444444") == []


@pytest.mark.parametrize(
    "prefix", ["", "p", "p/", f"AWSLogs/{A[:5]}", f"AWSLogs/{A}/CloudTrail/us", "xAWSLogs/", "q/AWSLogs/"]
)
def test_anything_else_is_listed_as_it_stands(prefix: str) -> None:
    assert plan(prefix, (), WINDOW, folders) == Plan(((prefix, ""),), WINDOW)


def test_listings_begin_with_the_window() -> None:
    region = f"AWSLogs/{A}/CloudTrail/eu-west-1/"
    assert plan(f"AWSLogs/{A}/", (), WINDOW, folders).listings[0] == (region, f"{region}2025/03/10/")
    assert plan(region, (), WINDOW, folders) == Plan(((region, f"{region}2025/03/10/"),), WINDOW)


def test_accounts_above_all_trails() -> None:
    made = plan("", (A,), None, folders)
    assert made.listings == (("", ""),)
    taken = [key for key in KEYS if made.takes(key)]
    assert taken == [key for key in KEYS if f"/{A}/" in f"/{key}"] != []
    assert made.takes("other.json.gz")
    assert not made.takes("other.txt")
    # Whoever names an account gets that one.
    assert plan(f"AWSLogs/{B}/CloudTrail/eu", (A,), None, folders).accounts == frozenset()


def test_the_official_listing_needs_something_in_front() -> None:
    def official(prefix: str, *accounts: str) -> Plan:
        return official_plan(prefix, accounts, WINDOW, folders, folders)

    assert official(f"AWSLogs/{A}/") == Plan(((f"AWSLogs/{A}/", ""),))
    assert [listed for listed, _ in official(f"p/AWSLogs/{A}/").listings] == regions(A, root="p/")
    assert [listed for listed, _ in official("p/AWSLogs/").listings] == regions(A, B, root="p/")
    assert [listed for listed, _ in official("p/AWSLogs/", A, A).listings] == regions(A, A, root="p/")
    assert official("p/AWSLogs/", C) == Plan((("p/AWSLogs/", ""),))


@pytest.mark.parametrize(
    ("text", "accounts"),
    [("", ()), (A, (A,)), (f" {A} , {B} ", (A, B)), (f"{A},", (A,)), (f"{A},{A}", (A, A))],
)
def test_account_lists(text: str, accounts: tuple[str, ...]) -> None:
    assert parse_accounts(text, plugin="x") == accounts


@pytest.mark.parametrize("text", [" ", ",", "1", A + "1", f"{A},,", f",{A}", f"{A};{B}", f"{A}\n", "١" * 12, f"{A}, "])
def test_what_is_no_account_list(text: str) -> None:
    with pytest.raises(PluginError, match="invalid account list: "):
        parse_accounts(text, plugin="x")
