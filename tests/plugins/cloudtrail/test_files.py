from __future__ import annotations

import gzip
import os
import zlib
from typing import TYPE_CHECKING

import pytest

from scaptools.errors import PluginError
from scaptools.plugins.cloudtrail import files
from scaptools.plugins.cloudtrail.files import LocalFiles, LogFile, is_log_name, text_of

if TYPE_CHECKING:
    from pathlib import Path


def names(path: Path | str, root: Path) -> list[str]:
    return [os.path.relpath(file.name, root) for file in LocalFiles(str(path), plugin="cloudtrail")]


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"{}")


def test_order_is_depth_first_by_the_bytes_of_all_names(tmp_path: Path) -> None:
    write(tmp_path, "a/z.json", "a/b/y.json", "a-x.json", "a.json", "A.json", "b.json", "é.json", "z.json", "a/.json")
    expected = ["A.json", "a/.json", "a/b/y.json", "a/z.json", "a-x.json", "a.json", "b.json", "z.json", "é.json"]
    assert names(tmp_path, tmp_path) == expected


def test_hidden_names_and_directories_called_like_files(tmp_path: Path) -> None:
    write(
        tmp_path, ".h/a.json.gz", "x.json/a.json", ".b.json", "c.gz", "d.jsonl", "e.JSON", "f.json.GZ", "json", "g.txt"
    )
    assert names(tmp_path, tmp_path) == [".b.json", ".h/a.json.gz", "x.json/a.json"]


@pytest.mark.parametrize(
    ("name", "taken"),
    [("a.json", True), ("a.json.gz", True), (".json", True), (".json.gz", True), ("a.gz", False), ("a.jsonl", False),
     ("a.JSON", False), ("json", False), ("a.json.", False)],
)  # fmt: skip
def test_names(name: str, taken: bool) -> None:
    assert is_log_name(name) is taken


def test_a_file_may_be_the_argument(tmp_path: Path) -> None:
    write(tmp_path, "a.json", "b.txt")
    assert names(tmp_path / "a.json", tmp_path) == ["a.json"]
    with pytest.raises(PluginError, match=r"no json files found in .*b\.txt"):
        LocalFiles(str(tmp_path / "b.txt"), plugin="cloudtrail")


def test_links_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    write(tmp_path, "inside/a.json", "outside/b.json")
    (inside / "directory").symlink_to(outside)
    (inside / "link.json").symlink_to(outside / "b.json")
    assert names(inside, inside) == ["a.json", "link.json"]
    (tmp_path / "root").symlink_to(inside)
    with pytest.raises(PluginError, match="no json files found"):
        LocalFiles(str(tmp_path / "root"), plugin="cloudtrail")
    assert names(f"{tmp_path}/root/", tmp_path / "root") == ["a.json", "link.json"]


@pytest.mark.parametrize("kind", ["directory", "dangling", "pipe"])
def test_what_is_no_file_fails_when_its_turn_comes(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "a.json")
    if kind == "pipe":
        os.mkfifo(tmp_path / "b.json")
    else:
        target = tmp_path if kind == "directory" else tmp_path / "nowhere"
        (tmp_path / "b.json").symlink_to(target)
    opened = iter(LocalFiles(str(tmp_path), plugin="cloudtrail"))
    assert next(opened).data == b"{}"
    with pytest.raises(PluginError, match=r"cannot read .*b\.json"):
        next(opened)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "missing input directory argument"),
        ("/nowhere/at/all", "cannot open /nowhere/at/all"),
        ("a\0b", "cannot open"),
        ("x" * 5000, "cannot open"),
    ],
)
def test_nothing_to_open(path: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        LocalFiles(path, plugin="cloudtrail")


def test_a_directory_one_may_not_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/x.json", "b/y.json")
    scan = os.scandir

    def guarded(path: str) -> os._ScandirIterator[str]:
        if path.endswith("/a"):
            raise PermissionError
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert names(tmp_path, tmp_path) == ["b/y.json"]


def test_an_empty_directory(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=f"no json files found in {tmp_path}"):
        LocalFiles(str(tmp_path), plugin="cloudtrail")


def text(data: bytes, name: str = "a.json.gz") -> bytes | None:
    return text_of(LogFile(name, data), plugin="cloudtrail")


def test_members_of_a_zipped_file_are_joined() -> None:
    large = os.urandom(200_000)
    assert text(gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(large)) == b"one" + large


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\x1f\x8b",
        gzip.compress(b"text", mtime=0)[:-1],
        gzip.compress(b"text", mtime=0)[:-8] + bytes(8),
        gzip.compress(b"text", mtime=0)[:-8] + bytes(4) + b"\4\0\0\0",
        gzip.compress(b"text", mtime=0)[:-4] + b"\5\0\0\0",
        gzip.compress(b"text", mtime=0) + b"x",
        gzip.compress(b"text", mtime=0) + bytes(512),
        gzip.compress(b"text", mtime=0) + gzip.compress(b"more", mtime=0)[:9],
        zlib.compress(b"text"),
    ],
)
def test_what_does_not_unzip_in_full_gives_nothing(data: bytes) -> None:
    assert text(data) is None


def test_plain_files_are_taken_as_they_are() -> None:
    zipped = gzip.compress(b"text")
    assert text(zipped, "a.json") == zipped


def test_a_file_that_unzips_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNZIPPED", 1 << 20)
    assert text(gzip.compress(bytes(1 << 20))) == bytes(1 << 20)
    with pytest.raises(PluginError, match=r"a\.json\.gz unzips to more than 1048576 bytes"):
        text(gzip.compress(bytes(1 << 24)))
