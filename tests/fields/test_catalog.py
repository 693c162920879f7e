from __future__ import annotations

import subprocess
import sys

import pytest

from scaptools.errors import UnknownFieldError
from scaptools.fields.catalog import Catalog
from scaptools.fields.paramtext.style import BufferMode, TextStyle, TimeStyle

HEAVY = ("pyarrow", "scaptools.state.engine", "scaptools.fields.proc", "scaptools.plugins.json", "pandas")


def loaded(statement: str) -> set[str]:
    """The heavy modules a fresh interpreter has after a statement."""
    program = f"import sys; from scaptools.fields.catalog import Catalog; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(HEAVY) & set(done.stdout.split())


def test_a_class_of_fields_is_imported_when_one_is_looked_up() -> None:
    assert loaded("Catalog().resolve('evt.type')") == set()
    assert "scaptools.fields.proc" in loaded("Catalog().resolve('proc.name')")
    assert "scaptools.plugins.json" in loaded("Catalog().resolve('json.value', '/a')")


@pytest.mark.parametrize("name", ["evt.type", "syscall.type", "fd.name", "fdlist.nums", "fs.path.name", "k8s.ns.name"])
def test_every_class_is_found_first(name: str) -> None:
    assert Catalog().resolve(name).name == name
    found = Catalog().match(f"{name}|", 0)
    assert found is not None
    assert (found[0].name, found[1]) == (name, len(name))
    assert Catalog().knows(name)


def test_what_is_nowhere_has_neighbours_everywhere() -> None:
    with pytest.raises(UnknownFieldError) as caught:
        Catalog().resolve("porc.name")
    assert "proc.name" in caught.value.suggestions


def test_the_style_reaches_the_fields() -> None:
    style = TextStyle(buffers=BufferMode.HEX, times=TimeStyle.DELTA)
    plain, styled = Catalog(), Catalog(style=style)
    assert styled.style is style
    assert plain.resolve("evt.outputtime").field.memory is None
    assert styled.resolve("evt.outputtime").field.memory is not None


def test_every_use_of_a_remembering_field_has_a_memory_of_its_own() -> None:
    catalog = Catalog()
    first, second = catalog.resolve("evt.deltatime"), catalog.resolve("evt.deltatime")
    assert first.argument is not second.argument
    assert first != second
