"""Copies of the rules of all data planes in which one line of one module has a fault."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from etpguard.assess import KnownDataPlane
from etpguard.assess.node_states import ServiceStates
from etpguard.objects import EndpointSlice, Requirement, Service

_PACKAGE = "etpguard.assess."
_SHARED = (f"{_PACKAGE}data_planes.interface",)
"""Its records are arguments of the rules, so the copy has the same."""


class Copy:
    """The rules in a set of modules that belong together."""

    def __init__(self, mixed: ModuleType, inputs: ModuleType) -> None:
        self._mixed, self._inputs = mixed, inputs

    def states(
        self,
        plane: KnownDataPlane,
        service: Service,
        slices: Iterable[EndpointSlice],
        bit: Callable[[str], int],
        having: Callable[[tuple[Requirement, ...]], int],
    ) -> ServiceStates:
        inputs = self._inputs.Inputs(service, slices, self._inputs.Nodes(bit, having))
        found: ServiceStates = self._mixed.rule_of(plane).states(inputs)
        return found


def _imported() -> Copy:
    mixed, inputs = (importlib.import_module(f"{_PACKAGE}data_planes.{name}") for name in ("mixed", "inputs"))
    return Copy(mixed, inputs)


RIGHT = _imported()


@contextmanager
def faulty(module: str, right: str, wrong: str) -> Iterator[Copy]:
    """A copy in which `module`, a name below `etpguard.assess`, says `wrong` for `right`."""
    name = _PACKAGE + module
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    with open(found.origin) as file:
        source = file.read()
    assert source.count(right) == 1, f"{right!r} is {source.count(right)} times in {name}, not once"
    finder = _Finder(name, compile(source.replace(right, wrong), found.origin, "exec"), found)
    before = {each: kept for each, kept in sys.modules.items() if _reloaded(each)}
    for each in before:
        del sys.modules[each]
        parent, _, attribute = each.rpartition(".")
        delattr(sys.modules.get(parent) or before[parent], attribute)  # `from parent import it` looks there first
    sys.meta_path.insert(0, finder)
    try:
        copy = _imported()
    finally:
        sys.meta_path.remove(finder)
        for each in [each for each in sys.modules if _reloaded(each)]:
            del sys.modules[each]
        sys.modules.update(before)
        for each, kept in before.items():
            parent, _, attribute = each.rpartition(".")
            setattr(sys.modules[parent], attribute, kept)
    yield copy


def _reloaded(name: str) -> bool:
    within = name == f"{_PACKAGE}node_states" or name.startswith(f"{_PACKAGE}data_planes.")
    return within and name not in _SHARED


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves one module from other code."""

    def __init__(self, name: str, code: Any, found: ModuleSpec) -> None:
        self._name, self._code, self._found = name, code, found

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, origin=self._found.origin)
        assert spec is not None
        return spec

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)
