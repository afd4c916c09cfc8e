"""A server that holds one Lease."""

from __future__ import annotations

from typing import Any

from tests.kube.fake_api import Answer, Call, FakeApi, failure, ok


class LeaseServer:
    """One Lease with optimistic locking, as the API server keeps it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.fault: Exception | Answer | None = None
        self.lose_answers = False
        self.api = FakeApi(self.answer)

    def answer(self, call: Call) -> Answer:
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault is not None:
            return self.fault
        found = self._answer(call)
        if self.lose_answers:
            raise ConnectionResetError("lost")
        return found

    def _answer(self, call: Call) -> Answer:
        if call.method == "GET":
            return ok(self.lease) if self.lease else failure(404, "NotFound")
        if call.method == "POST" and self.lease is not None:
            return failure(409, "AlreadyExists")
        if call.method == "PUT":
            if self.lease is None:
                return failure(404, "NotFound")
            if call.body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                return failure(409, "Conflict")
        self.version += 1
        self.lease = {**call.body, "metadata": {**call.body["metadata"], "resourceVersion": str(self.version)}}
        return ok(self.lease)

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        return dict(self.lease["spec"])
