"""The page is rendered while nodes come and go, and others take their positions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from etpguard.app.page import LivePage
from etpguard.assess import Assessment, Engine
from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.cluster import Picture, Touched
from etpguard.kube.threads import in_thread
from etpguard.objects import NODE, Key
from etpguard.page import Status
from tests.assess.build import Given, endpoint, endpoint_slice, node, picture_with, service

T = TypeVar("T")


class Renumbered:
    """A page, with an advisor that names the nodes with an endpoint. `renumber` removes the first nodes, so that
    all others have other positions, and assesses again."""

    def __init__(self) -> None:
        families: list[ConsumerFamily] = [Given()]
        slices = [endpoint_slice([endpoint("n9")], name=f"{name}-1", of=name) for name in ("web", "api")]
        nodes = [node(f"n{number}") for number in range(10)]
        self.picture: Picture = picture_with(service("web"), service("api"), *slices, *nodes, families=families)
        self.engine = Engine(self.picture, families)
        self.engine.refresh_all()
        self.page = LivePage(
            self.picture,
            self.engine,
            self.engine.assessments,
            self.engine.internal,
            self.advise,
            "a test",
            lambda revision: Status(revision, leader="this replica", fresh=True),
        )

    def advise(self, assessment: Assessment) -> list[Advice]:
        return [Advice(f"see {' and '.join(self.picture.nodes.names(assessment.ports[0].ready))}")]

    def renumber(self) -> None:
        nodes = self.picture.store(NODE)
        changes = [nodes.delete(Key("", f"n{number}"), 10**9) for number in range(9)]
        self.picture.absorb([change for change in changes if change])
        assert self.picture.nodes.compact(slack=-10)
        self.engine.refresh(Touched(everything=True))


def test_while_the_text_is_made_in_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Renumbered()

    async def renumbered_first(work: Callable[[], T], name: str) -> T:
        if world.picture.nodes.epoch == 0:
            world.renumber()
        return await in_thread(work, name)

    monkeypatch.setattr("etpguard.app.page.in_thread", renumbered_first)
    text = asyncio.run(world.page.render("1"))
    assert "see n9" in text
    assert "n0" in text, "the page shows the nodes of the time at which it was made"
    assert world.page.changed()


def test_while_the_views_are_made_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Renumbered()
    monkeypatch.setattr("etpguard.app.page.TURN_SECONDS", -1.0)

    async def scene() -> str:
        asyncio.get_running_loop().call_soon(world.renumber)  # at the first yield
        return await world.page.render("1")

    text = asyncio.run(scene())
    assert "see n9" in text
    assert "n0" not in text
    assert not world.page.changed()
