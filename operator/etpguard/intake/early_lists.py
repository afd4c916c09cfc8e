"""The first lists of the large kinds, requested before the rest of the program is loaded.

The API server makes its first answers while this process imports its modules, so this module imports little.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from etpguard.kube.lists import LARGE
from etpguard.kube.on_request import OnRequest
from etpguard.objects import AnyKind, Held, Page, nothing_held


class Reader(Protocol):
    on_request: OnRequest

    def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None], held: Held) -> object: ...


@dataclass(frozen=True, slots=True)
class _Request:
    verb: str
    resource: str
    status: int


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a list. `error` is what the list raised."""

    error: BaseException | None = None


class EarlyLists:
    """One list of each of `kinds`, each in a thread that starts now. The results wait until `take`.

    `reader` creates the reader for a kind. Its `on_request` is replaced.
    """

    def __init__(self, reader: Callable[[AnyKind], Reader], kinds: Iterable[AnyKind] = LARGE) -> None:
        self._lists = {kind: EarlyList(kind, reader(kind)) for kind in kinds}

    def take(self, kind: AnyKind) -> EarlyList | None:
        """The list of the kind at the first call; None at later calls."""
        return self._lists.pop(kind, None)


class EarlyList:
    """A list that began at `began`, by time.monotonic()."""

    def __init__(self, kind: AnyKind, reader: Reader) -> None:
        self.began = time.monotonic()
        self._kind = kind
        self._reader = reader
        self._parts: SimpleQueue[Page[Any] | _Request | _End] = SimpleQueue()
        reader.on_request = lambda verb, resource, status: self._parts.put(_Request(verb, resource, status))
        threading.Thread(target=self._read, name=f"early list of {kind}", daemon=True).start()

    def pass_on(self, on_page: Callable[[Page[Any]], None], on_request: OnRequest) -> None:
        """Call `on_page` with each page and `on_request` with each request, until the list ends. Blocks. Raises
        what the list raised."""
        while True:
            match self._parts.get():
                case _Request(verb, resource, status):
                    on_request(verb, resource, status)
                case _End(error):
                    if error is not None:
                        raise error
                    return
                case page:
                    on_page(page)

    def _read(self) -> None:
        try:
            self._reader.list(self._kind, self._parts.put, nothing_held)
        except BaseException as error:  # raised in the thread that takes the pages
            self._parts.put(_End(error))
        else:
            self._parts.put(_End())
