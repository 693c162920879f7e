"""Filters written in Python are the same trees as filters written as text."""

from __future__ import annotations

import pytest

from scaptools.errors import FilterSyntaxError
from scaptools.filter import Expression, compile_filter, field, parse, transform

NAME = field("proc.name")


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (NAME == "nginx", "proc.name = nginx"),
        (NAME != "a b", 'proc.name != "a b"'),
        (NAME == b"\xff", r'proc.name = "\xff"'),
        (field("fd.num") == 3, "fd.num = 3"),
        (field("evt.failed") == True, "evt.failed = true"),  # noqa: E712 - it builds a filter
        (field("fd.num") < 5, "fd.num < 5"),
        (field("fd.num") <= 5, "fd.num <= 5"),
        (field("proc.fdusage") > 0.5, "proc.fdusage > 0.5"),
        (field("fd.num") >= field("proc.pid"), "fd.num >= val(proc.pid)"),
        (field("fd.num") != field("fd.pid"), "fd.num != val(fd.pid)"),
        (NAME.exists(), "proc.name exists"),
        (NAME.contains("x"), "proc.name contains x"),
        (NAME.icontains("x"), "proc.name icontains x"),
        (NAME.startswith("x"), "proc.name startswith x"),
        (NAME.endswith(field("fd.name")), "proc.name endswith val(fd.name)"),
        (NAME.glob("x*"), "proc.name glob x*"),
        (NAME.iglob("x*"), "proc.name iglob x*"),
        (NAME.regex("x+"), "proc.name regex x+"),
        (field("evt.buffer").bcontains(b"\x7fE"), "evt.buffer bcontains 7f45"),
        (field("evt.buffer").bstartswith(b"\x7f"), "evt.buffer bstartswith 7f"),
        (NAME.in_(["a", "b c", 5]), 'proc.name in (a, "b c", 5)'),
        (NAME.in_([]), "proc.name in ()"),
        (NAME.in_(NAME.tolower()), "proc.name in tolower(proc.name)"),
        (field("fd.types").intersects(["file"]), "fd.types intersects (file)"),
        (field("fd.name").pmatch(["/etc", "/usr"]), "fd.name pmatch (/etc, /usr)"),
        (NAME.any_of("contains", ["a", "b"]), "proc.name contains anyof (a, b)"),
        (NAME.all_of("!=", ["a", "b"]), "proc.name != allof (a, b)"),
        (NAME.one_of("=", ["a"]), "proc.name = oneof (a)"),
        (NAME.toupper().basename().len() == 3, "len(basename(toupper(proc.name))) = 3"),
        (NAME.b64().exists(), "b64(proc.name) exists"),
        (field("proc.aname[2]") == "x", "proc.aname[2] = x"),
        (field("proc.aname", 2) == "x", "proc.aname[2] = x"),
        (field("json.value", "/a b") == "x", 'json.value["/a b"] = x'),
        (transform("concat", NAME, "-", 5) == "x", 'concat(proc.name, "-", 5) = x'),
        (transform("join", ",", [NAME, "x", 5]) == "x", 'join(",", (proc.name, "x", 5)) = x'),
        (transform("getopt", ["-a"], "a", argument="a").exists(), 'getopt(("-a"), "a")[a] exists'),
    ],
)
def test_comparisons(built: Expression, text: str) -> None:
    assert str(built) == text
    assert parse(text) == built


def test_combinations() -> None:
    one, two, three = NAME == "a", NAME == "b", NAME == "c"
    assert str(one & two & three) == "(proc.name = a and proc.name = b and proc.name = c)"
    assert str(one & (two & three)) == "(proc.name = a and proc.name = b and proc.name = c)"
    assert str(one | two | three) == "(proc.name = a or proc.name = b or proc.name = c)"
    assert str(one | two & ~three) == "(proc.name = a or (proc.name = b and not proc.name = c))"
    assert str((one | two) & three) == "((proc.name = a or proc.name = b) and proc.name = c)"
    assert ~~one == one
    assert parse(str(~(one | two) & three)) == ~(one | two) & three


def test_truth_values_are_refused() -> None:
    with pytest.raises(TypeError, match="combine filters with &"):
        bool(NAME == "a")
    with pytest.raises(TypeError, match="orders numbers and fields, not str"):
        NAME < "a"  # type: ignore[operator]  # noqa: B015
    with pytest.raises(TypeError, match="a list of constants is wanted, not one text"):
        NAME.in_("abc")
    with pytest.raises(TypeError, match="NoneType cannot be a constant"):
        NAME == None  # noqa: B015, E711


@pytest.mark.parametrize("name", ["procname", "proc.name = x", "proc.name[", "", "proc.5"])
def test_wrong_names(name: str) -> None:
    with pytest.raises(FilterSyntaxError):
        field(name)


def test_trees_without_end() -> None:
    tree = NAME == "x"
    for _ in range(2000):
        tree = ~(tree & NAME.exists())
    with pytest.raises(FilterSyntaxError, match="exceeded max depth limit"):
        compile_filter(tree, resolver=None)  # type: ignore[arg-type]
