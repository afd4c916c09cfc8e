"""What becomes of the pages of a list: everything for the first list, only news for a later one."""

from __future__ import annotations

import asyncio

from etpguard.cluster import Store
from etpguard.intake.inbox import Inbox, ListEnds, ListItems, Message
from etpguard.intake.list_buffer import ListBuffer
from etpguard.objects import NODE, Key, Node, Page
from tests.intake.fakes import node


def sent(stream: bool) -> tuple[bool, list[Message]]:
    """Whether the picture's Node counts as held, and the messages of a list that has it and two other Nodes."""

    async def scene() -> tuple[bool, list[Message]]:
        store: Store[Node] = Store(NODE)
        known, fresh = node("known", 3), node("fresh", 4)
        assert isinstance(known, Node)
        assert isinstance(fresh, Node)
        store.replace([known])
        inbox = Inbox()
        buffer = ListBuffer(store, inbox, watched=False, stream=stream)
        held = buffer.held(known.key, 3, "uid-known")
        assert not buffer.held(known.key, 2, "uid-known")
        assert not buffer.held(known.key, 3, "another")
        buffer.add(Page([fresh] if held else [fresh, known], [], 9, "", held=[known.key] if held else ()))
        buffer.end(asyncio.Event())
        messages = []
        while (message := inbox.take()) is not None:
            messages.append(message)
        return held, messages

    return asyncio.run(scene())


def test_a_later_list_sends_only_what_is_not_held() -> None:
    held, messages = sent(stream=False)
    assert held
    assert [[e.key.name for e in m.entries] for m in messages if isinstance(m, ListItems)] == [["fresh"]]
    assert [m.listed for m in messages if isinstance(m, ListEnds)] == [{Key("", "known"), Key("", "fresh")}]


def test_the_first_list_sends_all() -> None:
    held, messages = sent(stream=True)
    assert not held
    assert [[e.key.name for e in m.entries] for m in messages if isinstance(m, ListItems)] == [["fresh", "known"]]
