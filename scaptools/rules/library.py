"""The library: rules files that come with the package, found by name."""

from __future__ import annotations

from pathlib import Path

from scaptools.errors import InputError

_BUILTIN = Path(__file__).parent / "builtin"
_SUFFIXES = frozenset({".yaml", ".yml"})


def builtin_rules() -> tuple[str, ...]:
    """The names of the rules that come with the package."""
    return tuple(sorted(path.stem for path in _BUILTIN.iterdir() if path.suffix in _SUFFIXES))


def find_rules(name: str) -> Path:
    """The file of built-in rules, or the path itself; an existing path comes first."""
    path = Path(name)
    builtin = _BUILTIN / f"{name}.yaml"
    return builtin if not path.exists() and "/" not in name and builtin.is_file() else path


def rules_paths(names: list[str]) -> list[str]:
    """Rules files for names that may be directories: those stand for their YAML files, sorted.

    Raises InputError where something does not exist, or a directory holds none.
    """
    found: list[str] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(str(entry) for entry in path.iterdir() if entry.suffix in _SUFFIXES and entry.is_file())
            if not inside:
                raise InputError("holds no rules file", path=name)
            found += inside
        elif find_rules(name).exists():
            found.append(name)
        else:
            known = ", ".join(builtin_rules())
            raise InputError("no such rules file", path=name, hint=f"built-in rules: {known}")
    return found
