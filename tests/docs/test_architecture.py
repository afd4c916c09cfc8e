"""docs/architecture.md names functions and files that exist."""

from __future__ import annotations

import asyncio
import importlib
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from etpguard.assess import Engine
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.interface import BaseFamily
from etpguard.assess.consumers.shared.load_balancers import Balancer, standard_check
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import ANY_CLIENT
from etpguard.cluster import Picture
from etpguard.intake.absorb import Absorber
from etpguard.intake.corrections import Corrections
from etpguard.intake.inbox import AssessAll, Inbox, WatchEvent
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, AnyKind, Record, Service
from tests.docs.console import ROOT
from tests.intake.fakes import endpoint_slice, node, service

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "operator" / "etpguard"
_PACKAGES = sorted(path.stem for path in PACKAGE.iterdir() if not path.name.startswith("_"))
_NAME = re.compile(rf"`((?:{'|'.join(_PACKAGES)})(?:\.\w+)+)`")
_FILE = re.compile(r"`([\w./-]+/[\w./-]*)`")

NAMES = sorted(set(_NAME.findall(PAGE.read_text())))
FILES = sorted(set(_FILE.findall(PAGE.read_text())))


def _owner(name: str) -> object:
    """The module or the class that has the function of that name."""
    *parts, _ = name.split(".")
    found: object = importlib.import_module(f"etpguard.{parts.pop(0)}")
    for depth, part in enumerate(parts, 1):
        if not hasattr(found, part):
            importlib.import_module(f"etpguard.{'.'.join(name.split('.')[: depth + 1])}")
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_function_exists(name: str) -> None:
    owner, last = _owner(name), name.rpartition(".")[2]
    if not hasattr(owner, last):
        importlib.import_module(f"etpguard.{name}")
    assert hasattr(owner, last)


@pytest.mark.parametrize("name", FILES)
def test_a_file_exists(name: str) -> None:
    assert any((folder / name).exists() for folder in (ROOT, PACKAGE)), name


STEPS = re.findall(r"^\| (\d+) \| (.+?) \|", PAGE.read_text(), re.MULTILINE)


def test_each_step_of_the_trip_names_its_function() -> None:
    assert [int(number) for number, _ in STEPS] == list(range(1, len(STEPS) + 1))
    assert len(STEPS) >= 10
    for _, functions in STEPS:
        assert functions
        assert all(_NAME.fullmatch(each) for each in functions.split(", ")), functions


class _AnyBalancer(BaseFamily):
    name = "any"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        yield from Balancer(service, "any", "").consumers(NodeTargets(ANY_CLIENT, standard_check(service)))


async def _trip(note_calls: Callable[[], None]) -> None:
    """One event of an EndpointSlice, to an inbox whose Services are assessed already."""
    picture, inbox = Picture([NODE, SERVICE, ENDPOINT_SLICE]), Inbox()
    absorber = Absorber(
        picture=picture,
        engine=Engine(picture, [_AnyBalancer()]),
        inbox=inbox,
        corrections=Corrections(lambda kind, what: None, lambda kind: None),
        observe=lambda seconds: None,
        watch_relisted=lambda kind: None,
        etcd_restored=lambda: None,
    )

    def happens(kind: AnyKind, entry: Record) -> None:
        inbox.put(WatchEvent(kind, entry, deleted=False, arrived=time.monotonic()))

    happens(NODE, node("n1", 1))
    happens(SERVICE, service("web", 2))
    happens(ENDPOINT_SLICE, endpoint_slice("web-1", "web", [], 3))
    inbox.put(AssessAll(asyncio.Event()))
    while len(inbox):
        await absorber.turn()
    note_calls()
    happens(ENDPOINT_SLICE, endpoint_slice("web-1", "web", ["n1"], 4))
    await absorber.turn()


def test_the_trip_calls_these_functions_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the inbox (step 4) to the outcome (step 11)."""
    written = [name for number, functions in STEPS for name in _NAME.findall(functions) if 4 <= int(number) <= 11]
    called: list[str] = []

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            if name not in called:
                called.append(name)
            return function(*args, **kwargs)

        return noted

    def note_calls() -> None:
        for name in written:
            owner, last = _owner(name), name.rpartition(".")[2]
            monkeypatch.setattr(owner, last, noting(name, getattr(owner, last)))

    asyncio.run(_trip(note_calls))
    assert called == written


def test_the_handler_is_where_the_page_says() -> None:
    assert "async def event_to_inbox" in (Path(PACKAGE) / "intake" / "kopf_watch.py").read_text()
