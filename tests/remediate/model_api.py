"""An API server in memory, as far as remediation uses one: optimistic locking, `test` of JSON Patches, field
owners, and a fault before or after any request. At the level of `Writer.read` and `Writer.write`."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Request
from etpguard.kube.writes import NotNow
from etpguard.objects import SERVICE_COVERAGE, AnyKind, Page, decode_page

Json = dict[str, Any]


class Killed(BaseException):
    """The process is gone."""


class ModelApi:
    """A fake Writer. `objects` by (plural, namespace, name); `on_flip(name, manager, policy)` is called before
    each change of a Service's policy, by any manager."""

    def __init__(self, clock: Callable[[], float], on_flip: Callable[[str, str, str], None]) -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.closed_because: str | None = None
        self.absent: set[str] = set()
        """Plurals of kinds that are not served."""
        self.kill_in: tuple[int, bool] | None = None
        """In how many requests, and whether after its effect."""
        self.lose_answer_in: int | None = None
        self.publish_in: int | None = None
        """Before which request etpguard publishes, which changes nothing here but the versions of the reports."""
        self._clock = clock
        self._on_flip = on_flip
        self._version = 100
        self._uids = 0

    def closed(self) -> str | None:
        return self.closed_because

    async def read(self, request: Request, *, attempts: int = 3) -> Json:
        return copy.deepcopy(self._with_faults(request))

    async def read_page(self, kind: AnyKind, request: Request, *, attempts: int = 3) -> Page[Any]:
        return decode_page(kind, json.dumps(self._with_faults(request)).encode())

    async def write(self, request: Request, *, attempts: int = 3) -> Json:
        if self.closed_because:
            raise NotNow(self.closed_because, 0.5)
        return copy.deepcopy(self._with_faults(request))

    def _with_faults(self, request: Request) -> Json:
        if self.publish_in is not None:
            self.publish_in -= 1
            if self.publish_in < 0:
                self.publish_in = None
                for key in self.objects:
                    if key[0] == SERVICE_COVERAGE.plural:
                        self.touch(key)
        kill = False
        if self.kill_in is not None:
            left, after = self.kill_in
            kill = left == 0
            self.kill_in = None if kill else (left - 1, after)
            if kill and not after:
                raise Killed
        answer = self._carry_out(request)
        if kill:
            raise Killed
        if self.lose_answer_in is not None:
            self.lose_answer_in -= 1
            if self.lose_answer_in < 0:
                self.lose_answer_in = None
                raise ApiError(0, "Timeout", "no answer")
        return answer

    def _carry_out(self, request: Request) -> Json:
        plural = request.resource.split(".")[0].split("/")[0]
        key = (plural, request.namespace, request.name)
        if plural == "apis":
            return {"groups": []}
        if plural in self.absent:
            raise ApiError(404, "", "404 page not found")
        if request.verb == "list":
            listed = [(at, o) for at, o in self.objects.items() if at[0] == plural]
            items = [o for at, o in listed if request.namespace in ("", at[1])]
            return {"metadata": {"resourceVersion": str(self._version)}, "items": items}
        if request.content_type == "application/apply-patch+yaml":
            return self._apply(key, request)
        found = self.objects.get(key)
        if found is None:
            raise ApiError(404, "NotFound", f"{key} not found")
        if request.verb == "get":
            return copy.deepcopy(found)
        if request.verb == "delete":
            pinned = (request.body or {}).get("preconditions", {})
            if any(found["metadata"][field] != value for field, value in pinned.items()):
                raise ApiError(409, "Conflict", "precondition")
            del self.objects[key]
            return {}
        return self._json_patch(key, request)

    def _apply(self, key: tuple[str, str, str], request: Request) -> Json:
        body: Json = request.body
        status = request.resource.endswith("/status")
        found = self.objects.get(key)
        if found is None:
            if status or body["metadata"].get("uid"):
                raise ApiError(404 if status else 409, "NotFound", "gone")
            return self.create(key, {k: v for k, v in body.items() if k != "status"})
        for field in ("uid", "resourceVersion"):
            if body["metadata"].get(field, found["metadata"][field]) != found["metadata"][field]:
                raise ApiError(409, "Conflict", field)
        if status:
            found["status"] = {**found.get("status", {}), **copy.deepcopy(body["status"])}
            entry = {"manager": dict(request.query)["fieldManager"], "operation": "Apply", "subresource": "status"}
            meta = found["metadata"]
            others = [e for e in meta.get("managedFields", ()) if e["manager"] != entry["manager"]]
            meta["managedFields"] = [*others, {**entry, "time": self._time()}]
        self.touch(key)
        return found

    def _json_patch(self, key: tuple[str, str, str], request: Request) -> Json:
        made = copy.deepcopy(self.objects[key])
        manager = dict(request.query)["fieldManager"]
        before = made["spec"]["externalTrafficPolicy"]
        for operation in request.body:
            *path, last = operation["path"].strip("/").split("/")
            at: Any = made
            for part in path:
                at = at[int(part)] if isinstance(at, list) else at[part]
            if operation["op"] == "test":
                if at.get(last) != operation["value"]:
                    raise ApiError(422, "Invalid", f"testing {operation['path']}")
            elif operation["op"] == "remove":
                del at[int(last)]
            else:
                at[last] = operation["value"]
        after = made["spec"]["externalTrafficPolicy"]
        if "dryRun" not in dict(request.query):
            if after != before:
                self._on_flip(key[2], manager, after)
            self.objects[key] = made
            self.touch(key)
            if after != before:
                self._own(key, manager, "Update", alone=True)
        return made

    def create(self, key: tuple[str, str, str], body: Json) -> Json:
        self._uids += 1
        made = copy.deepcopy(body)
        made["metadata"] = {
            **made.get("metadata", {}),
            "namespace": key[1],
            "name": key[2],
            "uid": f"uid-{self._uids}",
            "generation": 1,
        }
        self.objects[key] = made
        self.touch(key)
        return made

    def set_policy(self, name: str, policy: str, manager: str, operation: str) -> None:
        """Someone else's write. One that changes nothing owns the field beside who had it if it is an apply."""
        key = ("services", "default", name)
        differs = self.objects[key]["spec"]["externalTrafficPolicy"] != policy
        if differs:
            self._on_flip(name, manager, policy)
        if differs or operation == "Apply":
            self.objects[key]["spec"]["externalTrafficPolicy"] = policy
            self._own(key, manager, operation, alone=differs)
        self.touch(key)

    def forge(self, name: str, manager: str, time: str) -> None:
        """Someone sets Cluster under another's field manager, at a time of their choice."""
        self.set_policy(name, "Cluster", "kubectl-replace", "Update")
        for entry in self.objects["services", "default", name]["metadata"].get("managedFields", ()):
            if entry["manager"] == "kubectl-replace":
                entry |= {"manager": manager, "time": time}

    def change_spec(self, key: tuple[str, str, str], spec: Json) -> None:
        self.objects[key]["spec"] = {**self.objects[key]["spec"], **spec}
        self.objects[key]["metadata"]["generation"] += 1
        self.touch(key)

    def touch(self, key: tuple[str, str, str]) -> None:
        self._version += 1
        self.objects[key]["metadata"]["resourceVersion"] = str(self._version)

    def _own(self, key: tuple[str, str, str], manager: str, operation: str, *, alone: bool) -> None:
        owned: Json = {"f:spec": {"f:externalTrafficPolicy": {}}}
        entry = {"manager": manager, "operation": operation, "time": self._time(), "fieldsV1": owned}
        meta = self.objects[key]["metadata"]
        others = [] if alone else [e for e in meta.get("managedFields", ()) if e["manager"] != manager]
        meta["managedFields"] = [*others, entry]

    def _time(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
