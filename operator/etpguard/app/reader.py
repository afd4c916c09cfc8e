"""The blocking reads of `intake.resync`, by a client of their own each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etpguard.kube.connection import Connection
from etpguard.kube.errors import Expired, Forbidden, NotServed, Unreachable
from etpguard.objects import AnyKind, Page, decode_page


class ConnectionReader:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None]) -> None:
        token = ""
        client = self._connection.pykube()
        try:
            while True:
                page = decode_page(
                    kind, self._get(client, kind, {"limit": 500, **({"continue": token} if token else {})})
                )
                on_page(page)
                token = page.continue_token
                if not token:
                    return
        finally:
            client.session.close()

    def ask(self, kind: AnyKind) -> None:
        client = self._connection.pykube()
        try:
            self._get(client, kind, {"limit": 1})
        finally:
            client.session.close()

    def _get(self, client: Any, kind: AnyKind, params: dict[str, Any]) -> bytes:
        try:
            r = client.session.get(client.url.rstrip("/") + kind.path, params=params, timeout=30)
        except OSError as e:
            raise Unreachable(str(e)) from None
        if r.status_code == 403:
            raise Forbidden(r.text)
        if r.status_code == 404:
            raise NotServed(r.text)
        if r.status_code == 410:
            raise Expired(r.text)
        if r.status_code != 200:
            raise Unreachable(r.text)
        return bytes(r.content)
