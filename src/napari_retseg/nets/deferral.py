"""Packages that import all of their modules at once, made to import the most of them later.

timm has a module for each of a hundred kinds of encoders, torchvision those for detection and
video. A network needs one or two. The others are imported as soon as somebody asks the package for
a name that it does not have yet; then the package is what it always is.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import Any

#: Of the package: imports what was left for later.
_COMPLETE = "__complete__"


@contextmanager
def deferring(packages: Mapping[str, frozenset[str]]) -> Iterator[None]:
    """Let packages that are imported meanwhile leave their public modules for later.

    Parameters
    ----------
    packages
        For each package the modules that it imports at once all the same.
    """
    finder = _Finder(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def complete(package: ModuleType) -> None:
    """Import what a package has left for later, where it has."""
    vars(package).get(_COMPLETE, lambda: None)()


class _Finder:
    """Finds the packages, and gives them a loader that defers."""

    def __init__(self, packages: Mapping[str, frozenset[str]]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in self._packages:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or type(spec.loader) is not SourceFileLoader:
            return None  # not a folder of source files: imported as ever
        loader = _Loader(name, spec.origin, self._packages[name])
        found = spec.submodule_search_locations
        return spec_from_file_location(
            name, spec.origin, loader=loader, submodule_search_locations=found
        )


class _Loader(SourceFileLoader):
    """Runs a package without the imports of its own public modules."""

    def __init__(self, name: str, path: str, at_once: frozenset[str]) -> None:
        super().__init__(name, path)
        self._at_once = at_once

    def exec_module(self, module: ModuleType) -> None:
        """Run the package, and leave the rest for who asks for a name that is not there."""
        first, later = self._split(ast.parse(self.get_data(self.path)))
        rest = compile(later, self.path, "exec", dont_inherit=True)
        names = vars(module)
        exec(compile(first, self.path, "exec", dont_inherit=True), names)  # noqa: S102
        _leave_for_later(names, rest)

    def _split(self, tree: ast.Module) -> tuple[ast.Module, ast.Module]:
        first: list[ast.stmt] = []
        later: list[ast.stmt] = []
        for node in tree.body:
            now, then = self._divide(node)
            first += now
            later += then
        return ast.Module(first, tree.type_ignores), ast.Module(later, [])

    def _divide(self, node: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """What of a statement runs at once, and what later."""
        if not isinstance(node, ast.ImportFrom):
            return [node], []
        if node.level == 1 and node.module:  # from .module import name
            return ([node], []) if self._is_needed(node.module) else ([], [node])
        if (node.level, node.module) not in ((1, None), (0, self.name)):
            return [node], []
        parts: tuple[list[ast.alias], list[ast.alias]] = ([], [])
        for alias in node.names:  # from package import module, module
            parts[not self._is_needed(alias.name)].append(alias)
        made = [[_with_names(node, names)] if names else [] for names in parts]
        return made[0], made[1]

    def _is_needed(self, module: str) -> bool:
        return module.startswith("_") or module.partition(".")[0] in self._at_once


def _with_names(node: ast.ImportFrom, names: list[ast.alias]) -> ast.stmt:
    return ast.copy_location(ast.ImportFrom(node.module, names, node.level), node)


def _leave_for_later(names: dict[str, Any], rest: CodeType) -> None:
    """Import the rest when a name is asked for that is not there."""

    def complete_package() -> None:
        if names.pop(_COMPLETE, None) is not None:
            names.pop("__getattr__")
            exec(rest, names)  # noqa: S102

    def find(name: str) -> Any:
        if not name.startswith("__"):  # tools look for those in all modules
            complete_package()
        try:
            return names[name]
        except KeyError:
            package = names["__name__"]
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None

    names.update({_COMPLETE: complete_package, "__getattr__": find})
